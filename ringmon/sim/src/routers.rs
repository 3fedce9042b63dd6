//! Routers that watch a small pool, and what is promised of the lists to which they send clients.
//!
//! One router is told of every change at once, as agents do; the other one only reads the table once a second. Of both:
//!
//! - a server that is well (and not blind), and that all other members but at most one are well and hear, is never out
//!   of the list; for a router that only reads, if nobody left the table since it did;
//! - a server that no frame reaches is not in the list [`World::NAMED`] after it began, if a buddy of it has been well
//!   and has heard another one since before, for as long as that buddy is well, and while the list is not frozen (too
//!   many servers are missing);
//! - a server that is dead for as long is not in the list either if only one other server lives, and that one is well,
//!   whatever the pool's rules allow it to remove.
//!
//! Neither is promised of an agent of the version before: a lone vote takes it out at once, and for 30 s at most. Nor
//! while the database is slow or away, also if only the router needs it just then; while frames get lost at random; or
//! shortly after the table went back in time, or its clock stepped back; nor while such a clock shows a time at which
//! somebody wrote something before: what was written looks young again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::World;
use ringmon_core::edit::{StoredEvent, TableSnapshot};
use ringmon_core::route::{Policy, Routes, Routing};
use ringmon_core::row::{Health, ServerRow, Side};
use ringmon_core::{ServerId, Time};

/// A router, as far as the table and time go.
#[derive(Debug)]
pub(super) struct Router {
    routing: Routing,
    /// Whether agents tell it of changes.
    told: bool,
    /// When it reads the table next.
    next: Time,
    /// When it last read the table.
    read: Time,
    /// When its list may change next.
    due: Time,
    list: Routes,
    /// How often it took each server out of its list.
    taken_out: BTreeMap<String, u64>,
}

impl Router {
    /// How often a router reads the whole table.
    pub(super) const EVERY: Duration = Duration::from_secs(1);

    fn new(told: bool, now: Time, policy: Policy) -> Self {
        Self {
            routing: Routing::new(policy),
            told,
            next: now,
            read: now,
            due: now,
            list: Routes::default(),
            taken_out: BTreeMap::new(),
        }
    }

    fn settle(&mut self, now: Time) {
        let list = self.routing.settle(now);
        for before in self.list.routed() {
            let there = list.servers.iter().find(|route| route.name == before.name);
            if there.is_none_or(|route| !route.standing.is_routed()) {
                *self.taken_out.entry(before.name.clone()).or_default() += 1;
            }
        }
        self.list = list;
        self.due = self.routing.poll_timeout(now).map_or(self.next, |at| at.min(self.next));
    }

    fn routes(&self, name: &str) -> bool {
        self.list.routed().any(|route| route.name == name)
    }

    const fn word(&self) -> &'static str {
        if self.told { "a router that is told of changes" } else { "a router that reads the table once a second" }
    }
}

impl World {
    /// Who is dead is out of the routes after this time. It has to be missed and accused, and its wait to end, with two
    /// reads of a router on top.
    const NAMED: Duration = Duration::from_secs(6);

    /// From now on, routers follow this pool.
    pub fn watch_routes(&mut self, policy: &Policy) {
        self.routers = [true, false].map(|told| Router::new(told, self.now, policy.clone())).into();
    }

    /// How often any router took this server out of its list.
    #[must_use]
    pub fn taken_out(&self, name: &str) -> u64 {
        self.routers.iter().filter_map(|router| router.taken_out.get(name)).sum()
    }

    /// Whether all routers send clients to this server.
    #[must_use]
    pub fn is_routed(&self, name: &str) -> bool {
        self.routers.iter().all(|router| router.routes(name))
    }

    /// Lets the routers do what is due up to this moment.
    pub(super) fn turn_routers(&mut self, until: Time) {
        while let Some(due) = self.routers.iter().map(|router| router.due).min().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.route(&[]);
        }
    }

    /// Lets those routers that have a reason for it read the table and make their lists again.
    pub(super) fn route(&mut self, changed: &[ServerId]) {
        let mut routers = std::mem::take(&mut self.routers);
        for router in &mut routers {
            let told = router.told && !changed.is_empty();
            let mut wanted = router.routing.unread(self.now);
            wanted.extend(changed.iter().filter(|_| told));
            if !wanted.is_empty() && !self.database_away {
                let mut seen = self.read_for(wanted.iter().copied());
                let rows = wanted.iter().filter_map(|id| self.table.rows.get(id));
                seen.rows = rows.map(|row| (row.id, row.clone())).collect();
                router.routing.see_some(self.now, &seen);
            }
            if self.now >= router.next {
                router.next = self.now + Router::EVERY;
                if !self.database_away {
                    router.read = self.now;
                    let rows = self.table.rows.values().cloned().collect();
                    router.routing.see_all(self.now, rows, &self.read_for(router.routing.known().into_iter()));
                }
            } else if self.now < router.due && !told {
                continue;
            }
            router.settle(self.now);
        }
        self.routers = routers;
        self.check_routes();
    }

    /// The pool's row, and how those of `ids` ended that are not there.
    fn read_for(&self, ids: impl Iterator<Item = ServerId>) -> TableSnapshot {
        let gone = ids.filter(|id| !self.table.rows.contains_key(id));
        let last = |id: ServerId| -> Option<StoredEvent> {
            self.table.events.iter().rev().find(|event| event.subject == Some(id)).cloned()
        };
        TableSnapshot {
            read_at: self.now,
            db_now: self.database_now(),
            pool: Some(self.table.pool.clone()),
            events: gone.map(|id| (id, last(id))).collect(),
            ..TableSnapshot::default()
        }
    }

    /// Checks what is promised of the routers' lists.
    pub(super) fn check_routes(&mut self) {
        let quiet = self.now.since(self.rough.database) > Self::QUIET;
        let stepped =
            self.rough.stepped.is_some_and(|at| self.now.since(at) < Self::STEADY) || self.replays(Self::NAMED);
        if self.routers.is_empty() || !quiet || stepped || self.network.loss_permille > 0 || self.doubts() {
            return;
        }
        let rows: Vec<(usize, &ServerRow)> =
            self.table.rows.values().filter_map(|row| Some((self.of(row)?, row))).collect();
        // Who was removed in a history that is lost, and only stood still, has to wait for this long.
        let settled = self.rough.went_back.is_none_or(|at| self.now.since(at) > Duration::from_secs(100));
        // The database may be away with no agent noticing: at rest, none asks it anything.
        let reads = || self.routers.iter().filter(|router| self.now.since(router.read) <= Router::EVERY);
        let mut wrong = Vec::new();
        for (host, row) in &rows {
            let name = &row.card.name;
            // A vote against an agent that cannot answer counts at once, and not for long.
            if row.answering().is_none() {
                continue;
            }
            if self.is_dead_to_a_buddy(*host, row) || self.is_dead_to_the_last(*host, &rows) {
                let routers = reads().filter(|router| router.list.panic.is_none() && router.routes(name));
                wrong
                    .extend(routers.map(|router| format!("{name} is dead, and {} sends clients there", router.word())));
            } else if settled
                && self.is_heard(*host, &rows)
                && !(row.draining || self.was_drained(name))
                && row.health != Health::Failing
            {
                // Who is gone since a router read the table may be the second one that did not hear it then.
                let knows = |router: &&Router| router.told || router.read >= self.rough.ended;
                let routers = reads().filter(knows).filter(|router| !router.routes(name));
                wrong.extend(
                    routers.map(|router| format!("{name} is heard, and {} sends no clients there", router.word())),
                );
            }
        }
        wrong.into_iter().for_each(|what| self.violate(what));
    }

    /// The server whose row this is, if it is where its row says.
    fn of(&self, row: &ServerRow) -> Option<usize> {
        self.host(&row.card.name).filter(|host| self.hosts[*host].address == row.card.address)
    }

    fn is_heard(&self, host: usize, rows: &[(usize, &ServerRow)]) -> bool {
        let others = rows.iter().filter(|(other, _)| *other != host);
        let deaf = others.filter(|(other, _)| !(self.is_fit(*other) && self.hears(*other, host)));
        // Who was known at another address may have left a vote.
        let elsewhere = self.table.rows.len() - rows.len();
        rows.len() > 2 && self.is_fit(host) && deaf.count() + elsewhere <= 1
    }

    /// Whether all servers but one have been dead for a while, this one too, and the last one is well.
    fn is_dead_to_the_last(&self, host: usize, rows: &[(usize, &ServerRow)]) -> bool {
        let dead = |at: usize| {
            let h = &self.hosts[at];
            // Who is cut off and reaches the table says so there.
            let silent = h.frozen || h.engine.is_none() || h.database_cut;
            h.cut && silent && self.now.since(h.changed) > Self::NAMED
        };
        let mut living = rows.iter().filter(|(other, _)| !dead(*other));
        let (Some((last, row)), None) = (living.next(), living.next()) else { return false };
        let serves = !row.draining && row.health != Health::Failing;
        // A mark counts only if it began after every life; after the clock stepped back, none does for a while.
        let named = i64::try_from(Self::NAMED.as_micros()).unwrap_or(i64::MAX);
        let began = rows.iter().all(|(_, row)| row.incarnation.0 + named <= self.database_now().as_us());
        let known = rows.len() == self.table.rows.len();
        dead(host) && serves && began && known && self.is_fit(*last) && self.runs_for(*last, Self::NAMED)
    }

    fn is_dead_to_a_buddy(&self, host: usize, row: &ServerRow) -> bool {
        let span = self.now.since(self.hosts[host].changed);
        let sees = |side| {
            let buddy = self.table.rows.get(&row.buddy(side)).and_then(|row| self.of(row));
            let before = span + Self::STEADY;
            buddy.is_some_and(|buddy| {
                let others = (0..self.hosts.len()).filter(|other| *other != buddy && *other != host);
                let mut heard = others.filter(|other| self.is_fit(*other) && self.hears_for(buddy, *other, before));
                let judges = buddy != host && !self.hosts[buddy].cannot_probe(host);
                judges && self.is_fit(buddy) && self.runs_for(buddy, before) && heard.next().is_some()
            })
        };
        self.hosts[host].cut && span > Self::NAMED && Side::BOTH.into_iter().any(sees)
    }
}
