//! The routes as a client of the pool has them: the output of `ringmon route watch --json` on the hub.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::lab::{Lab, PATIENCE};
use crate::process::{Launch, Process};

/// One list of routes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct List {
    /// All known servers.
    pub servers: Vec<Entry>,
    /// Why the list is frozen, if it is.
    pub panic: Option<serde_json::Value>,
}

/// One server of the list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its state: `active`, `draining`, ...
    pub standing: String,
    /// Whether it gets clients.
    pub routed: bool,
}

impl List {
    /// The names of the servers that get clients.
    #[must_use]
    pub fn routed(&self) -> BTreeSet<&str> {
        self.servers.iter().filter(|entry| entry.routed).map(|entry| entry.name.as_str()).collect()
    }

    /// The entry of this server; nothing if the list does not know it.
    #[must_use]
    pub fn standing(&self, name: &str) -> &str {
        self.servers.iter().find(|entry| entry.name == name).map_or("", |entry| entry.standing.as_str())
    }
}

/// The running command.
#[derive(Debug)]
pub struct Watching {
    process: Process,
}

impl Watching {
    /// Starts the command with these extra arguments.
    ///
    /// # Errors
    /// It cannot be started, or prints nothing.
    pub fn start(lab: &mut Lab, name: &str, further: &[&str]) -> anyhow::Result<Self> {
        let args = [&["--log", "error", "route", "watch", "--json"], further].concat();
        let launch = Launch {
            program: lab.binary().to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            env: lab.environment(),
            log: lab.folder().join(name),
        };
        let watching = Self { process: Process::start(lab.network.hub(), launch)? };
        lab.until("the routes are known", PATIENCE, |_| watching.lists().map(|lists| lists.last().map(|_| ())))?;
        Ok(watching)
    }

    /// All lists so far.
    ///
    /// # Errors
    /// It ended, or printed something else.
    pub fn lists(&self) -> anyhow::Result<Vec<List>> {
        let text = std::fs::read_to_string(self.process.log()).context("cannot read what `route watch` says")?;
        anyhow::ensure!(self.process.ended().is_none(), "`route watch` ended: {text}");
        // The last line may be incomplete.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        // Its log lines are in the same file.
        let lists = whole.lines().filter(|line| line.starts_with('{'));
        lists.map(|line| serde_json::from_str(line).with_context(|| format!("no list: {line}"))).collect()
    }

    /// Waits for a wanted list.
    ///
    /// # Errors
    /// It does not come in time. The error has the last list.
    pub fn until(&self, lab: &mut Lab, what: &str, wanted: impl Fn(&List) -> bool) -> anyhow::Result<List> {
        self.within(lab, what, PATIENCE, wanted)
    }

    /// The same, within this time.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn within(
        &self,
        lab: &mut Lab,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&List) -> bool,
    ) -> anyhow::Result<List> {
        let waited = lab.until(what, limit, |_| Ok(self.lists()?.pop().filter(|list| wanted(list))));
        waited.with_context(|| format!("the last list: {:#?}", self.lists().ok().and_then(|mut lists| lists.pop())))
    }
}
