//! The routes: to which servers clients may be sent, depending on what the table said and when.
//!
//! ```text
//!   rows, what became of those that are gone ----> Routing::see ---+
//!   a list that was kept from before ------------> Routing::recall +--> settle(now) --> Routes
//!   time -------------------------------------------- poll_timeout +
//! ```
//!
//! A server is routed while it has a row, is not draining, and its service does not fail. Two votes take it out for as
//! long as both stand, one vote only while no server is on record as hearing it (`votes`). A server that hears nobody
//! votes for nobody; what it says counts where nobody says anything else (`lone`). If too many servers would go at once
//! without having left and without two witnesses having found them dead, none goes: losing sight of a pool must not
//! become losing it.
//!
//! Knowledge never goes backwards. Incarnations and versions only grow, so a replica that lags behind another brings no
//! dead server back, and removes no server that it does not know yet. Only the table itself may go back in time, and
//! that is told apart from a replica that lags: see `history`.

mod history;
mod list;
mod lone;
mod panic;
mod policy;
mod spoken;
mod votes;

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::edit::{StoredEvent, TableSnapshot};
use super::{DbTime, EventKind, Health, ServerId, ServerRow, Time};
use history::{History, ended_life, is_older};
pub use list::{Panic, Route, Routes, Standing};
use lone::Lone;
use panic::Sightings;
pub use policy::Policy;
use votes::Votes;

/// Dead servers are named for this long.
const DEAD_NAMED_FOR: Duration = Duration::from_secs(60);

/// How long a replica may lag. If it is behind for longer, it has lost the rows that it does not have.
pub(super) const LAG: Duration = Duration::from_secs(10);

/// What is remembered between two reads of the table.
#[derive(Clone, Debug)]
pub struct Routing {
    policy: Policy,
    rows: BTreeMap<ServerId, ServerRow>,
    /// The newest version of the pool's row that was read.
    pool_version: i64,
    /// Since when complete reads are older than what is known.
    behind: Option<Time>,
    history: History,
    /// Names of servers that were found dead, and when that was seen.
    dead: BTreeMap<String, Time>,
    /// When a row was first seen that was missing at the first read.
    came: BTreeMap<ServerId, Time>,
    votes: Votes,
    sightings: Sightings,
    /// Whether the servers of a kept list count as recently seen.
    recalled_late: bool,
    /// The database's clock, and this machine's when it was read.
    clock: Option<(DbTime, Time)>,
}

impl Routing {
    /// A state in which nothing is known.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            rows: BTreeMap::new(),
            pool_version: 0,
            behind: None,
            history: History::default(),
            dead: BTreeMap::new(),
            came: BTreeMap::new(),
            votes: Votes::default(),
            sightings: Sightings::default(),
            recalled_late: false,
            clock: None,
        }
    }

    /// Takes over a kept list that was written `age` ago. What it routed stays routed until the table is read. If the
    /// list is recent, its servers count as seen.
    pub fn recall(&mut self, now: Time, routes: &Routes, age: Duration) {
        if self.clock.is_none() {
            self.sightings.recall(now, routes);
            self.recalled_late = age < self.policy.panic_window;
        }
    }

    /// Whether the table was read at least once.
    #[must_use]
    pub const fn has_seen(&self) -> bool {
        self.clock.is_some()
    }

    /// All known servers. For those that are not in the table, the caller should also read how they ended.
    #[must_use]
    pub fn known(&self) -> Vec<ServerId> {
        self.rows.keys().copied().chain(self.sightings.ids()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The newest row of each server in the table.
    pub fn rows(&self) -> impl Iterator<Item = &ServerRow> {
        self.rows.values()
    }

    /// The version of its newest row; `None`: no such server.
    #[must_use]
    pub fn version(&self, id: ServerId) -> Option<i64> {
        self.rows.get(&id).map(|row| row.version)
    }

    /// How often the table went back in time.
    #[must_use]
    pub const fn went_back(&self) -> u64 {
        self.history.count
    }

    /// The whole pool was read: its rows, and the newest events about those of [`Self::known`] that are not there.
    pub fn see_all(&mut self, now: Time, rows: Vec<ServerRow>, seen: &TableSnapshot) {
        let first = self.clock.is_none();
        if first && !self.recalled_late {
            self.sightings = Sightings::default();
        }
        let begins = self.history.begins(now, &rows, &self.rows);
        if begins {
            self.history.start_over(&rows, &mut self.rows);
            self.pool_version = seen.pool.as_ref().map_or(0, |pool| pool.version);
        }
        self.history.acquit(now, &rows, &self.rows);
        let lags = self.lags(now, &rows, seen);
        let there: BTreeSet<ServerId> = rows.iter().map(|row| row.id).collect();
        for id in self.known().into_iter().filter(|id| !there.contains(id)) {
            let end = self.end(seen, id);
            if end.is_some() || !lags {
                self.lose(now, id, end);
            }
        }
        self.clock = Some((seen.db_now, seen.read_at));
        for row in rows {
            self.take(now, row, first);
        }
        if begins {
            self.history.has_begun();
        }
        self.votes.note(&self.rows, seen.db_now, |id| there.contains(&id), &self.policy);
    }

    /// Some rows were read; for each requested one that is not there, the newest event about it.
    pub fn see_some(&mut self, now: Time, seen: &TableSnapshot) {
        // A caller that knows only a part would take the other servers for gone.
        if self.clock.is_none() {
            return;
        }
        self.clock = Some((seen.db_now, seen.read_at));
        // A replica may not have the row yet, so only an event counts here. The next read of the whole pool decides.
        for id in seen.events.keys().filter(|id| !seen.rows.contains_key(id)) {
            if let Some(end) = self.end(seen, *id) {
                self.lose(now, *id, Some(end));
            }
        }
        for row in seen.rows.values() {
            self.take(now, row.clone(), false);
        }
        let asked = |id| seen.rows.contains_key(&id) || seen.events.contains_key(&id);
        self.votes.note(&self.rows, seen.db_now, asked, &self.policy);
    }

    /// Whether this read of the whole pool is older than what is known.
    ///
    /// A join changes the rows of both neighbours, and the join of a pool's first server changes the pool's row. So a
    /// replica that does not have the new row yet has an older version of one of these.
    fn lags(&mut self, now: Time, rows: &[ServerRow], seen: &TableSnapshot) -> bool {
        let version = seen.pool.as_ref().map_or(self.pool_version, |pool| pool.version);
        let known = |row: &ServerRow| self.rows.get(&row.id).is_some_and(|known| is_older(row, known));
        let behind = version < self.pool_version || rows.iter().any(|row| self.history.is_over(row) || known(row));
        self.pool_version = self.pool_version.max(version);
        self.behind = behind.then(|| self.behind.unwrap_or(now));
        // In a new history, servers whose joins are lost need a moment to join again.
        self.behind.is_some_and(|since| now.since(since) < LAG) || self.history.is_new(now, LAG)
    }

    /// How a missing server ended, if the table says so. The end of an earlier life than is known is of a lost history.
    fn end<'a>(&self, seen: &'a TableSnapshot, id: ServerId) -> Option<&'a StoredEvent> {
        let ends = |event: &&StoredEvent| {
            matches!(event.kind(), EventKind::Left | EventKind::Down | EventKind::AgentLost)
                && self.rows.get(&id).is_none_or(|row| row.incarnation <= ended_life(event))
        };
        seen.events.get(&id)?.as_ref().filter(ends)
    }

    /// The database's clock at this moment.
    fn db_now(&self, now: Time) -> DbTime {
        self.clock.map_or(DbTime::default(), |(db, at)| db + now.since(at))
    }

    fn take(&mut self, now: Time, row: ServerRow, first: bool) {
        let known = self.rows.get(&row.id);
        if self.history.is_over(&row) || known.is_some_and(|known| is_older(&row, known)) {
            return;
        }
        self.history.note(&row, known);
        if !first && !self.rows.contains_key(&row.id) {
            self.came.insert(row.id, now);
        }
        self.rows.insert(row.id, row);
    }

    fn lose(&mut self, now: Time, id: ServerId, end: Option<&StoredEvent>) {
        let row = self.rows.remove(&id);
        self.came.remove(&id);
        // A server that is only in the kept list has its name there.
        let known = row.map(|row| (row.card.name, row.incarnation));
        let Some((name, life)) = known.or_else(|| self.sightings.life_of(id)) else { return };
        // No event says why: the table was emptied by hand.
        let Some(end) = end else { return };
        self.history.end(now, id, life, end);
        // The server said so itself, or an operator did, or two witnesses found it dead. None of these is a loss of
        // sight.
        if end.kind() != EventKind::AgentLost {
            self.sightings.departed(&name, id);
        }
        if end.kind() == EventKind::Down {
            self.dead.insert(name, now);
        }
    }

    /// When the list may change even if nothing is read.
    #[must_use]
    pub fn poll_timeout(&self, now: Time) -> Option<Time> {
        let votes = self.votes.next_end(&self.rows, self.db_now(now), &self.policy).map(|span| now + span);
        let starting =
            (!self.policy.slow_start.is_zero() && !self.came.is_empty()).then(|| now + self.policy.slow_start / 20);
        let sight = self.sightings.next_end(now, &self.policy);
        let named_until = self.dead.values().map(|at| *at + DEAD_NAMED_FOR).min();
        [votes, starting, sight, named_until].into_iter().flatten().min()
    }

    /// Servers that one other accuses, and that may have answered since their rows were read: read these rows again.
    #[must_use]
    pub fn unread(&self, now: Time) -> BTreeSet<ServerId> {
        self.votes.unread(&self.rows, self.db_now(now))
    }

    /// The list as it is now.
    pub fn settle(&mut self, now: Time) -> Routes {
        if !self.has_seen() {
            return self.sightings.recalled();
        }
        let db_now = self.db_now(now);
        self.history.forget(now);
        self.came.retain(|_, at| now.since(*at) < self.policy.slow_start);
        self.votes.forget(db_now, &self.policy);
        let lone = Lone::of(&self.rows, &self.votes, db_now);
        let mut servers: Vec<Route> = self.rows.values().map(|row| self.route(now, db_now, row, &lone)).collect();
        // Only one server can have a name, and lives and ids grow: of two with the same name the earlier one is gone.
        servers.sort_by(|a, b| a.name.cmp(&b.name).then((b.incarnation, b.id).cmp(&(a.incarnation, a.id))));
        servers.dedup_by(|lower, route| lower.name == route.name);
        let back = |name: &String| servers.iter().any(|route| route.name == *name);
        self.dead.retain(|name, at| now.since(*at) < DEAD_NAMED_FOR && !back(name));
        let mut silent = Votes::silent(&self.rows, db_now, &self.policy);
        silent.extend(self.rows.values().filter(|row| lone.misses(row)).map(|row| row.id));
        let dead = self.dead.keys().cloned().collect();
        Routes { dead, ..self.sightings.settle(now, &self.policy, servers, &silent) }
    }

    fn route(&self, now: Time, db_now: DbTime, row: &ServerRow, lone: &Lone<'_>) -> Route {
        let standing = if row.draining {
            Standing::Draining
        } else if row.health == Health::Failing {
            Standing::Failing
        } else if lone.misses(row) || self.votes.keep_out(&self.rows, row, db_now, &self.policy) {
            Standing::Suspect
        } else {
            Standing::Active
        };
        Route {
            id: row.id,
            name: row.card.name.clone(),
            incarnation: row.incarnation,
            address: row.card.clients.address.unwrap_or(row.card.address),
            port: row.card.clients.port,
            weight: self.weight(now, row),
            standing,
        }
    }

    /// In steps of a twentieth, so that the list does not change at every moment.
    fn weight(&self, now: Time, row: &ServerRow) -> u16 {
        let (Some(came), false) = (self.came.get(&row.id), self.policy.slow_start.is_zero()) else {
            return row.card.clients.weight;
        };
        let twentieths = now.since(*came).as_nanos() * 20 / self.policy.slow_start.as_nanos();
        let twentieths = u32::try_from(twentieths).unwrap_or(20).clamp(2, 20);
        let weight = u32::from(row.card.clients.weight) * twentieths / 20;
        u16::try_from(weight).unwrap_or(u16::MAX).max(row.card.clients.weight.min(1))
    }
}
