//! The result of a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{Traffic, World};
use ringmon_core::{EventKind, Time};

/// The counters when the scenario began.
#[derive(Debug)]
pub(super) struct Began {
    pub at: Time,
    traffic: Traffic,
    commits: u64,
    events: usize,
    lines: usize,
}

impl Began {
    pub fn of(world: &World) -> Self {
        let (events, lines) = (world.table.events.len(), world.log.len());
        Self { at: world.now, traffic: world.traffic, commits: world.table.commits, events, lines }
    }
}

/// The result of a scenario, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of servers that died.
    pub dead: usize,
    /// For each death, the time until a server suspected it, the shortest first.
    pub detection: Vec<Duration>,
    /// For each dead server that was removed, the time from its death to that, the shortest first.
    pub removal: Vec<Duration>,
    /// Whether the pool is frozen at the end.
    pub frozen: bool,
    /// From the last fault's end (of deaths: from the first death) until the ring was whole and known to all; `None`:
    /// this did not happen.
    pub healed: Option<Duration>,
    /// The number of removals by votes, right or wrong.
    pub removals: usize,
    /// The names of removed servers whose removal is not part of the right outcome.
    pub false_removals: Vec<String>,
    /// The names of dead servers that are still in the table.
    pub left_over: Vec<String>,
    /// The number of transactions that were committed.
    pub commits: u64,
    /// What the agents sent.
    pub traffic: Traffic,
    /// The world's time from the scenario's begin to its end.
    pub span: Duration,
    /// The ring's size over time, at each change.
    pub ring: Vec<(Duration, usize)>,
    /// Everything that is not as it should be. Empty: the outcome is the right one.
    pub wrong: Vec<String>,
}

impl Report {
    pub(super) fn new(world: &World, began: &Began, dead: &BTreeSet<usize>, may: &BTreeSet<usize>) -> Self {
        let is_removal = |kind| matches!(kind, EventKind::Down | EventKind::AgentLost);
        let removed: Vec<&str> = world.table.events[began.events..]
            .iter()
            .filter(|e| is_removal(e.kind()))
            .map(|e| e.subject_name.as_str())
            .collect();
        let right = |name: &str| world.host(name).is_some_and(|h| dead.contains(&h) || may.contains(&h));
        let false_removals = removed.iter().filter(|n| !right(n)).map(|n| (*n).to_owned()).collect();
        let names = dead.iter().map(|h| world.hosts[*h].name.clone());
        let there: BTreeSet<&str> = world.table.rows.values().map(|row| row.card.name.as_str()).collect();
        let now = world.traffic;
        let then = began.traffic;
        Self {
            dead: dead.len(),
            detection: detection(world, began, dead),
            removal: removal(world, began, dead),
            frozen: world.table.pool.frozen.is_some(),
            removals: removed.len(),
            false_removals,
            left_over: names.filter(|name| there.contains(name.as_str())).collect(),
            commits: world.table.commits - began.commits,
            traffic: Traffic {
                probes: now.probes - then.probes,
                notices: now.notices - then.notices,
                statements: now.statements - then.statements,
            },
            span: world.now.since(began.at),
            wrong: world.violations.clone(),
            ..Self::default()
        }
    }

    pub(super) fn judge(&mut self, settled: bool) {
        if !settled {
            self.wrong.push("the pool did not come to rest before anything befell it".into());
        }
        if !self.false_removals.is_empty() {
            let (many, first) = (self.false_removals.len(), &self.false_removals[..self.false_removals.len().min(5)]);
            self.wrong.push(format!("{many} removed wrongly: {}", first.join(", ")));
        }
        if !self.left_over.is_empty() {
            self.wrong.push(format!("{} dead left in the table", self.left_over.len()));
        }
        if self.frozen {
            self.wrong.push("the pool is frozen".into());
        }
        if self.healed.is_none() {
            self.wrong.push("afterwards not everybody who is well is on one ring and knows its buddies".into());
        }
    }

    /// The value below which this share (in per cent) of the detections lies; `None` if there are none.
    #[must_use]
    pub fn detected(&self, percent: usize) -> Option<Duration> {
        let at = (self.detection.len() * percent).div_ceil(100).checked_sub(1)?;
        self.detection.get(at).copied()
    }
}

fn detection(world: &World, began: &Began, dead: &BTreeSet<usize>) -> Vec<Duration> {
    let mut first: BTreeMap<&str, Time> = BTreeMap::new();
    for line in world.log[began.lines..].iter().filter(|l| l.event.kind() == EventKind::Suspect) {
        first.entry(line.event.subject.as_str()).or_insert(line.at);
    }
    let of = |host: &usize| {
        let h = &world.hosts[*host];
        first.get(h.name.as_str()).filter(|at| **at >= h.changed).map(|at| at.since(h.changed))
    };
    let mut found: Vec<Duration> = dead.iter().filter_map(of).collect();
    found.sort_unstable();
    found
}

fn removal(world: &World, began: &Began, dead: &BTreeSet<usize>) -> Vec<Duration> {
    let died = |name: &str| dead.iter().map(|h| &world.hosts[*h]).find(|h| h.name == name).map(|h| h.changed);
    let gone = world.table.events[began.events..].iter().filter(|e| e.body.removal().is_some());
    let mut found: Vec<Duration> =
        gone.filter_map(|e| e.at.since(World::EPOCH + died(&e.subject_name)?.since(Time::ZERO))).collect();
    found.sort_unstable();
    found
}
