//! The router's loop: looks at the table when it is told to or when it is time, and publishes the list that follows.
//!
//! ```text
//!   agents' notices ---+                                  +--> watch channel --> HAProxy, files, hooks, HTTP
//!   every `poll` ------+--> looker --> Routing::see ------+--> state directory
//!   time (votes end) --+               Routing::settle    +--> log
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Shared;
use super::clock;
use super::follow::{Agents, Follow};
use super::kept::Kept;
use super::source::{Answer, Ask, Look};
use ringmon_core::route::{Policy, Routing};
use ringmon_core::{PoolKeys, ServerId, Time};

/// After a notice the row is read at once, and again after these if it looks as before: a replica may have heard of it later than we did.
const AGAIN: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(40), Duration::from_millis(150), Duration::from_millis(500)];

/// So long after somebody new was asked to tell, everything is read again: a notice takes its time, and may be sent twice.
const ASKED: Duration = Duration::from_millis(150);

/// How the table is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// Which database answered last.
    pub place: String,
    /// Since when none answers, and why.
    pub away: Option<(Time, String)>,
    /// The list is from before: no table was read yet.
    pub stale: bool,
    /// How often the whole pool, and how often some rows, were read; notices that came; failures.
    pub counts: Counts,
}

/// See [`Sight::counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole pools.
    pub looks: u64,
    /// Some rows.
    pub glances: u64,
    /// Notices that named a server.
    pub notices: u64,
    /// Looks and glances that no database answered.
    pub failures: u64,
}

/// A row that is said to have changed.
#[derive(Clone, Copy, Debug)]
struct Hint {
    due: Time,
    tries: usize,
}

/// See the module.
pub struct Turn {
    routing: Routing,
    follow: Follow,
    asks: mpsc::Sender<Ask>,
    answers: mpsc::Receiver<Answer>,
    poll: Duration,
    kept: Option<Kept>,
    routes: watch::Sender<Shared>,
    sight: watch::Sender<Sight>,
    keys: PoolKeys,
    hints: BTreeMap<ServerId, Hint>,
    asking: bool,
    look_at: Time,
}

/// What a router is made of.
pub struct Parts {
    /// What an operator set.
    pub policy: Policy,
    /// How often to read everything.
    pub poll: Duration,
    /// Where the list is kept.
    pub kept: Option<Kept>,
    /// Who is told.
    pub follow: Follow,
    /// Who reads.
    pub looker: (mpsc::Sender<Ask>, mpsc::Receiver<Answer>),
}

impl Turn {
    /// Puts it together; begins with the list that was kept.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, watch::Receiver<Shared>, watch::Receiver<Sight>) {
        let Parts { policy, poll, kept, follow, looker: (asks, answers) } = parts;
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

    /// Goes on until dropped.
    pub async fn run(mut self) {
        loop {
            let now = clock::now();
            self.ask(now).await;
            let due = self.due(now);
            tokio::select! {
                biased;
                answer = self.answers.recv() => match answer {
                    Some(answer) => self.answered(answer),
                    // The looker panicked: whoever waits for us sees the channels close.
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
        // The list may also be due just now, in the fraction of a unit that no clock shows.
        [reading, routing].into_iter().flatten().min().unwrap_or(now + self.poll).max(now + Duration::from_micros(100))
    }

    /// Asks for what is due, if nothing is being read: everything, or else what notices named.
    async fn ask(&mut self, now: Time) {
        if self.asking {
            return;
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
        // There is room: it holds one, and none is under way.
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
                        Ask::Some(_) => sight.counts.glances += 1,
                    }
                    if let Some((since, _)) = sight.away.take() {
                        tracing::info!("{place} answers again, after {:.1} s", now.since(since).as_secs_f64());
                    }
                    sight.stale = false;
                    sight.place = place;
                });
            }
            Err(cause) => {
                // What notices named is read with everything else, once there is somebody to ask.
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
            self.keys.take(pool);
        }
        let before = self.hints.keys().map(|id| (*id, self.routing.version(*id))).collect();
        match ask {
            Ask::All(_) => self.routing.see_all(now, look.rows, &look.seen),
            Ask::Some(_) => self.routing.see_some(now, &look.seen),
        }
        self.settle_hints(now, ask, &before);
        if self.follow.set(Agents::of(self.routing.rows(), self.keys.list())) {
            // What changes before they know whom to tell would be told to nobody.
            self.look_at = self.look_at.min(now + ASKED);
        }
    }

    /// What has changed since it was last read is what was meant; what has not may be on its way.
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
