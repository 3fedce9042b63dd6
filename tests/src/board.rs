//! What an agent shows of itself at `/status`: as much of it as the tests look at.

use anyhow::Context;
use serde::Deserialize;

use crate::lab::Lab;

/// An agent's own view.
#[derive(Clone, Debug, Deserialize)]
pub struct Board {
    /// What it believes.
    pub engine: Engine,
    /// Its probes.
    pub datapath: Datapath,
    /// Numbers of other rooms.
    pub counts: Vec<Count>,
}

/// What it believes.
#[derive(Clone, Debug, Deserialize)]
pub struct Engine {
    /// `member` when it is on the ring.
    pub phase: String,
    /// Whom it watches.
    pub watches: Vec<Watch>,
    /// Removals that it made.
    pub removals: u64,
    /// Since when the database has been away, and why.
    pub database_away: Option<serde_json::Value>,
}

/// One watch.
#[derive(Clone, Debug, Deserialize)]
pub struct Watch {
    /// Whom.
    pub name: String,
    /// Why: `buddy`, `ahead`, ...
    pub purpose: String,
    /// `waiting`, `alive`, `agent_silent`, `suspect`.
    pub state: String,
    /// Its numbers.
    pub reading: Reading,
}

/// The numbers of a watch.
#[derive(Clone, Debug, Deserialize)]
pub struct Reading {
    /// Probes that left.
    pub sent: u64,
    /// Authenticated replies.
    pub replies: u64,
    /// Probes unanswered, those that could not leave included.
    pub misses: u64,
    /// Probes that could not leave because the neighbour does not resolve.
    pub unresolved: u64,
    /// What the other kernel's last reply said of its service: `passing`, `failing`, `unknown`.
    pub health: String,
}

/// How it probes.
#[derive(Clone, Debug, Deserialize)]
pub struct Datapath {
    /// `xdp-native` or `xdp-generic`.
    pub mode: Option<String>,
    /// Packets by what became of them.
    pub verdicts: Vec<Count>,
}

/// A number with a name.
#[derive(Clone, Debug, Deserialize)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// Which.
    pub label: String,
    /// How many.
    pub value: u64,
}

impl Board {
    /// The watch on this server, if there is one.
    #[must_use]
    pub fn watch(&self, name: &str) -> Option<&Watch> {
        self.engine.watches.iter().find(|watch| watch.name == name)
    }

    /// One of the numbers, 0 if nothing was counted.
    #[must_use]
    pub fn count(&self, name: &str, label: &str) -> u64 {
        let all = self.counts.iter().chain(&self.datapath.verdicts);
        all.filter(|count| count.name == name && count.label == label).map(|count| count.value).sum()
    }
}

impl Lab {
    /// What the agent of this server shows.
    ///
    /// # Errors
    /// It does not answer, or with something else.
    pub fn board(&self, name: &str) -> anyhow::Result<Board> {
        let answer = self.server(name)?.http("/status")?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).with_context(|| format!("{name} shows no status: {answer}"))
    }
}
