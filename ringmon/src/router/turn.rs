//! The router's loop: it reads the table when it is told to or when it is time, and publishes the resulting list.
//!
//! ```text
//!   agents' notices ---+                                  +--> watch channel --> HAProxy, files, hooks, HTTP
//!   every `poll` ------+--> looker --> Routing::see ------+--> state directory
//!   time (votes end) --+               Routing::settle    +--> log
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Shared;
use super::clock;
use super::follow::{Agents, Follow};
use super::kept::Kept;
use super::source::{Answer, Ask, Look, Missing};
use ringmon_core::route::{Policy, Routing};
use ringmon_core::row::Address;
use ringmon_core::{PoolKeys, ServerId, Time, ring};

/// After a notice the row is read at once, and again after these if it looks as before: a replica may have heard of it
/// later than we did.
const AGAIN: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(40), Duration::from_millis(150), Duration::from_millis(500)];

/// After a new agent was asked to tell, everything is read again this much later: a notice takes its time, and may be
/// sent twice.
const ASKED: Duration = Duration::from_millis(150);

/// How the table can be reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// Since when no database answers, and why.
    pub away: Option<(Time, String)>,
    /// The list is an old one: no table was read yet.
    pub stale: bool,
    /// How often the table was read, and how often that failed.
    pub counts: Counts,
    /// The servers that have a row, and where they are probed.
    pub members: BTreeMap<String, Address>,
    /// How many faults the ring has, as `ringmon ring check` counts them; `None`: no table was read yet.
    pub faults: Option<usize>,
    /// The servers that were removed and are not back.
    pub missing: Missing,
}

/// Counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often the whole pool was read.
    pub looks: u64,
    /// How often some rows were read.
    pub quick_checks: u64,
    /// Notices that named a server.
    pub notices: u64,
    /// Reads that no database answered.
    pub failures: u64,
    /// How often the table went back in time.
    pub went_back: u64,
}

/// A row that changed, as a notice says.
#[derive(Clone, Copy, Debug)]
struct Hint {
    due: Time,
    tries: usize,
}

pub struct Turn {
    routing: Routing,
    follow: Follow,
    asks: mpsc::Sender<Ask>,
    answers: mpsc::Receiver<Answer>,
    missing: watch::Receiver<Missing>,
    poll: Duration,
    kept: Option<Kept>,
    routes: watch::Sender<Shared>,
    sight: watch::Sender<Sight>,
    keys: PoolKeys,
    hints: BTreeMap<ServerId, Hint>,
    asking: bool,
    look_at: Time,
}

/// What a router consists of.
pub struct Parts {
    /// What the operator configured.
    pub policy: Policy,
    /// How often to read the whole pool.
    pub poll: Duration,
    /// Where the list is kept, if anywhere.
    pub kept: Option<Kept>,
    /// Hears of changes from agents.
    pub follow: Follow,
    /// Reads the table.
    pub looker: (mpsc::Sender<Ask>, mpsc::Receiver<Answer>, watch::Receiver<Missing>),
}

impl Turn {
    /// Starts with the kept list.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, watch::Receiver<Shared>, watch::Receiver<Sight>) {
        let Parts { policy, poll, kept, follow, looker: (asks, answers, missing) } = parts;
        let now = clock::now();
        let mut routing = Routing::new(policy);
        if let Some((list, age)) = kept.as_ref().and_then(Kept::list) {
            routing.recall(now, list, age);
        }
        let first = Arc::new(routing.settle(now));
        let stale = !first.servers.is_empty();
        let (routes, shown) = watch::channel(first);
        let (sight, seen) = watch::channel(Sight { stale, ..Sight::default() });
        let turn = Self {
            routing,
            follow,
            asks,
            answers,
            missing,
            poll,
            kept,
            routes,
            sight,
            keys: PoolKeys::default(),
            hints: BTreeMap::new(),
            asking: false,
            look_at: now,
        };
        (turn, shown, seen)
    }

    /// Runs until dropped.
    pub async fn run(mut self) {
        loop {
            let now = clock::now();
            self.ask(now).await;
            let due = self.due(now);
            tokio::select! {
                biased;
                answer = self.answers.recv() => match answer {
                    Some(answer) => self.answered(answer),
                    // The looker panicked. The users of this loop see its channels close.
                    None => return,
                },
                id = self.follow.changed() => {
                    self.hints.insert(id, Hint { due: clock::now(), tries: 0 });
                    self.sight.send_modify(|sight| sight.counts.notices += 1);
                    continue;
                }
                () = tokio::time::sleep(due.since(now)) => {}
            }
            self.publish();
        }
    }

    fn due(&self, now: Time) -> Time {
        let reading =
            if self.asking { None } else { self.hints.values().map(|hint| hint.due).chain([self.look_at]).min() };
        let routing = self.routing.poll_timeout(now);
        // The list may also be due right now, in the fraction of a unit that no clock shows.
        [reading, routing].into_iter().flatten().min().unwrap_or(now + self.poll).max(now + Duration::from_micros(100))
    }

    /// If nothing is being read, asks for what is due: everything, or otherwise what notices named.
    async fn ask(&mut self, now: Time) {
        if self.asking {
            return;
        }
        // While no database answers, what is read of all is enough.
        let doubted = if self.sight.borrow().away.is_none() { self.routing.unread(now) } else { BTreeSet::new() };
        for id in doubted {
            let again = Hint { due: now, tries: AGAIN.len() };
            self.hints.entry(id).and_modify(|hint| hint.due = hint.due.min(now)).or_insert(again);
        }
        let hinted: Vec<ServerId> = self.hints.iter().filter(|(_, hint)| hint.due <= now).map(|(id, _)| *id).collect();
        let ask = if self.look_at <= now || (!self.routing.has_seen() && !hinted.is_empty()) {
            self.look_at = now + self.poll;
            Ask::All(self.routing.known())
        } else if hinted.is_empty() {
            return;
        } else {
            Ask::Some(hinted)
        };
        // There is room: the channel holds one question, and none is under way.
        self.asking = self.asks.send(ask).await.is_ok();
    }

    fn answered(&mut self, answer: Answer) {
        self.asking = false;
        let Answer { ask, look, place } = answer;
        let now = clock::now();
        match look {
            Ok(look) => {
                self.saw(now, &ask, look);
                self.sight.send_modify(|sight| {
                    match ask {
                        Ask::All(_) => sight.counts.looks += 1,
                        Ask::Some(_) => sight.counts.quick_checks += 1,
                    }
                    if let Some((since, _)) = sight.away.take() {
                        tracing::info!("{place} answers again, after {:.1} s", now.since(since).as_secs_f64());
                    }
                    sight.stale = false;
                });
            }
            Err(cause) => {
                // What notices named is read with everything else, once there is an agent to ask.
                self.hints.clear();
                self.sight.send_modify(|sight| {
                    sight.counts.failures += 1;
                    if sight.away.is_none() {
                        tracing::warn!("{cause}; the routes stay as they are");
                    }
                    let since = sight.away.as_ref().map_or(now, |(since, _)| *since);
                    sight.away = Some((since, cause));
                });
            }
        }
    }

    fn saw(&mut self, now: Time, ask: &Ask, look: Look) {
        if let Some(pool) = look.pool() {
            self.keys.follow(pool, now);
        }
        let before = self.hints.keys().map(|id| (*id, self.routing.version(*id))).collect();
        match ask {
            Ask::All(_) => {
                let faults = ring::check(&look.rows).len();
                let members = look.rows.iter().map(|row| (row.card.name.clone(), row.card.address)).collect();
                self.sight.send_modify(|sight| {
                    (sight.members, sight.faults) = (members, Some(faults));
                    sight.missing = self.missing.borrow().clone();
                    // Who is back since that was read.
                    sight.missing.retain(|name, _| !sight.members.contains_key(name));
                });
                self.routing.see_all(now, look.rows, &look.seen);
            }
            Ask::Some(_) => self.routing.see_some(now, &look.seen),
        }
        self.settle_hints(now, ask, &before);
        self.tell_went_back();
        if self.follow.set(Agents::of(self.routing.rows(), self.keys.list())) {
            // A change before the agents know this router would be told to nobody.
            self.look_at = self.look_at.min(now + ASKED);
        }
    }

    fn tell_went_back(&self) {
        let count = self.routing.went_back();
        let is_new = |sight: &mut Sight| std::mem::replace(&mut sight.counts.went_back, count) != count;
        if self.sight.send_if_modified(is_new) {
            tracing::warn!(
                "the table went back in time (a restore, or a failover); the routes start from what is there"
            );
        }
    }

    /// A row that changed since it was last read is what the notice meant. A row that did not may be on its way.
    fn settle_hints(&mut self, now: Time, ask: &Ask, before: &BTreeMap<ServerId, Option<i64>>) {
        let read = |id: &ServerId| match ask {
            Ask::All(_) => true,
            Ask::Some(ids) => ids.contains(id),
        };
        let routing = &self.routing;
        self.hints.retain(|id, hint| {
            if !read(id) {
                return true;
            }
            let changed = before.get(id) != Some(&routing.version(*id));
            let Some(pause) = AGAIN.get(hint.tries).filter(|_| !changed) else { return false };
            *hint = Hint { due: now + *pause, tries: hint.tries + 1 };
            true
        });
    }

    fn publish(&mut self) {
        let list = self.routing.settle(clock::now());
        let before = Arc::clone(&self.routes.borrow());
        let (same, sees) = (*before == list, self.sight.borrow().away.is_none());
        if let Some(kept) = &mut self.kept
            && self.routing.has_seen()
            && sees
            && (!same || kept.is_old())
        {
            kept.keep(&list);
        }
        if same {
            return;
        }
        super::say::changes(&before, &list);
        self.routes.send_replace(Arc::new(list));
    }
}

#[cfg(test)]
mod tests;
