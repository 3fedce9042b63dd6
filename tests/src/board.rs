//! What an agent shows of itself at `/status`, as far as the tests look at it.

use anyhow::Context;
use serde::Deserialize;

use crate::lab::Lab;

/// The answer of `/status`.
#[derive(Clone, Debug, Deserialize)]
pub struct Board {
    /// The engine's view.
    pub engine: Engine,
    /// How it probes, and what it counted.
    pub datapath: Datapath,
    /// Numbers of the other rooms.
    pub counts: Vec<Count>,
}

/// What the engine shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Engine {
    /// `member` when it is on the ring.
    pub phase: String,
    /// One for each server that it probes.
    pub watches: Vec<Watch>,
    /// How many removals it made.
    pub removals: u64,
    /// Set while the database is away: since when, and why.
    pub database_away: Option<serde_json::Value>,
}

/// One server probing another.
#[derive(Clone, Debug, Deserialize)]
pub struct Watch {
    /// The watched server's name.
    pub name: String,
    /// Its purpose: `buddy`, `ahead`, ...
    pub purpose: String,
    /// `waiting`, `alive`, `agent_silent`, `suspect`.
    pub state: String,
    /// What it measured.
    pub reading: Reading,
}

/// What a watch measured.
#[derive(Clone, Debug, Deserialize)]
pub struct Reading {
    /// Probes that left.
    pub sent: u64,
    /// Authenticated replies.
    pub replies: u64,
    /// Probes without an answer, including those that could not leave.
    pub misses: u64,
    /// Probes that could not leave because the neighbour does not resolve.
    pub unresolved: u64,
    /// What the other kernel's last reply said of its service: `passing`, `failing`, `unknown`.
    pub health: String,
}

/// What the datapath shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Datapath {
    /// `xdp-native`, `xdp-generic` or `tc`.
    pub mode: Option<String>,
    /// Packets, by what became of them.
    pub verdicts: Vec<Count>,
}

/// A number for the metrics.
#[derive(Clone, Debug, Deserialize)]
pub struct Count {
    /// The name of its metric.
    pub name: String,
    /// The value of its label.
    pub label: String,
    /// Counted since the start.
    pub value: u64,
}

impl Board {
    /// The watch on this server, if there is one.
    #[must_use]
    pub fn watch(&self, name: &str) -> Option<&Watch> {
        self.engine.watches.iter().find(|watch| watch.name == name)
    }

    /// One of the numbers; 0 if nothing was counted.
    #[must_use]
    pub fn count(&self, name: &str, label: &str) -> u64 {
        let all = self.counts.iter().chain(&self.datapath.verdicts);
        all.filter(|count| count.name == name && count.label == label).map(|count| count.value).sum()
    }
}

impl Lab {
    /// What this server's agent shows at `/status`.
    ///
    /// # Errors
    /// It does not answer, or with something else.
    pub fn board(&self, name: &str) -> anyhow::Result<Board> {
        let answer = self.server(name)?.http("/status")?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).with_context(|| format!("{name} shows no status: {answer}"))
    }
}
