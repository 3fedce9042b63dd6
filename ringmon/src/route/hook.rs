//! A program that runs with each new list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::command::{CommandLine, Run};
use super::pace::{self, Pace, Target};
use super::view::{Server, servers};
use super::{Error, Status};
use ringmon_core::route::{Panic, Route, Routes, Standing};

/// The program, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookTarget {
    /// The program with its arguments.
    pub line: CommandLine,
    /// After this time it is killed with its whole process group.
    pub limit: Duration,
}

/// What the program reads.
#[derive(Debug, Serialize)]
struct Message<'a> {
    pool: &'a str,
    /// All known servers.
    routes: Vec<Server<'a>>,
    changed: Vec<Change<'a>>,
    panic: Option<Panic>,
}

/// A server that changed since the last list that the program accepted without an error.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change<'a> {
    name: &'a str,
    /// Null: it was not there.
    was: Option<Standing>,
    /// Null: it is gone. The same as `was`: something else about it changed, such as its weight.
    now: Option<Standing>,
}

/// Runs the program with each new list, until nobody makes lists any more. The target's name is in `report` already
/// ([`Status::named`]).
pub async fn run(
    target: HookTarget,
    routes: watch::Receiver<Arc<Routes>>,
    pool: String,
    report: watch::Sender<Status>,
) {
    // It takes its time, and then gets the newest list.
    paced(target, Pace::every(Duration::ZERO), routes, pool, report).await;
}

async fn paced(
    target: HookTarget,
    pace: Pace,
    routes: watch::Receiver<Arc<Routes>>,
    pool: String,
    report: watch::Sender<Status>,
) {
    pace::run(Hook { target, pool, told: Routes::default() }, pace, routes, report).await;
}

struct Hook {
    target: HookTarget,
    pool: String,
    /// The last list that it accepted.
    told: Routes,
}

impl Target for Hook {
    async fn apply(&mut self, routes: &Routes) -> Result<bool, Error> {
        if self.told == *routes {
            return Ok(false);
        }
        let changed = changes(&self.told, routes);
        let message = Message { pool: &self.pool, routes: servers(routes), changed, panic: routes.panic };
        let input = serde_json::json!(message).to_string() + "\n";
        let HookTarget { line, limit } = &self.target;
        Run { what: "hook", line, input, set: Vec::new(), limit: *limit }.finish().await?;
        self.told = routes.clone();
        Ok(true)
    }
}

/// By name: a server that comes back is the same one to whoever sends clients to it.
fn changes<'a>(was: &'a Routes, now: &'a Routes) -> Vec<Change<'a>> {
    let by_name = |routes: &'a Routes| routes.servers.iter().map(|route| (route.name.as_str(), route)).collect();
    let (was, now): (BTreeMap<&str, &Route>, BTreeMap<&str, &Route>) = (by_name(was), by_name(now));
    let mut names: Vec<&str> = was.keys().chain(now.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    let change = |name| {
        let (was, now) = (was.get(name), now.get(name));
        let standing = |route: Option<&&Route>| route.map(|route| route.standing);
        (was != now).then(|| Change { name, was: standing(was), now: standing(now) })
    };
    names.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests;
