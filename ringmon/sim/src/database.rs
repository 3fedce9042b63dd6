//! What befalls the database itself: its clock, its answers, its locks, and the history that its table has.

use std::collections::BTreeSet;
use std::time::Duration;

use super::world::World;
use ringmon_core::engine::TableFailure;
use ringmon_core::row::{ServerRow, Side};
use ringmon_core::virtual_table::{Mishap, VirtualTable};
use ringmon_core::{DbTime, ServerId, Time};

/// What is not as it should be.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// A copy of the table, to which it may go back.
    backup: Option<Box<VirtualTable>>,
    /// How far the clock has been stepped back.
    behind: Duration,
    /// Every third answer to a COMMIT is lost.
    pub answers_lost: bool,
    /// The votes and marks that came back when the table last went back: in which row, and when they were written.
    came_back: BTreeSet<(ServerId, DbTime)>,
    /// When votes, marks and answers were written, by the clock before it stepped back.
    replayed: BTreeSet<DbTime>,
    /// Rows that a server held when it died inside a transaction, and until when the database lets it.
    held: Vec<(BTreeSet<ServerId>, Time)>,
}

impl World {
    /// How long the database keeps the locks of a connection that says nothing: `wait_timeout`, as on a MySQL. (A
    /// MariaDB keeps them for two seconds.)
    const IDLE: Duration = Duration::from_secs(6);
    /// How long an operation waits for rows that others hold before it gives up.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// The database's clock steps back.
    pub fn step_back(&mut self, by: Duration) {
        self.note(0, &format!("--- the database's clock steps back by {by:?}"));
        self.database.replayed = self.table.rows.values().flat_map(|row| words(row).chain(answer(row))).collect();
        self.database.behind += by;
        self.rough.stepped = Some(self.now);
    }

    /// The database's clock.
    pub(super) fn database_now(&self) -> DbTime {
        Self::EPOCH + self.now.since(Time::ZERO) - self.database.behind
    }

    /// Whether a vote or mark in this row came back with the table, and nobody has written it again since. It may be in
    /// nobody's mind: whoever took it back did so in the history that is lost.
    pub(super) fn came_back(&self, row: ServerId, at: DbTime) -> bool {
        self.database.came_back.contains(&(row, at))
    }

    /// Whether the clock passes a moment again, and words that were written then look as young as this again.
    pub(super) fn replays(&self, within: Duration) -> bool {
        let now = self.database_now();
        self.database.behind > Duration::ZERO
            && self.database.replayed.range(now - within..=now + within).next().is_some()
    }

    /// Makes a copy of the table, as a backup does, or a replica that receives nothing more.
    pub fn keep_table(&mut self) {
        self.note(0, "--- the table is copied");
        self.database.backup = Some(Box::new(self.table.clone()));
    }

    /// The table goes back to the last copy, if there is one: a backup is restored, or the replica takes over. All
    /// connections break.
    pub fn table_goes_back(&mut self) {
        let Some(then) = self.database.backup.take() else { return };
        self.note(0, "--- the table is as it was when it was copied");
        self.drains.values_mut().for_each(|(said, _)| *said = None);
        self.table.go_back_to(&then);
        self.hosts.iter_mut().flat_map(|h| h.flights.values_mut()).for_each(|flight| flight.broken = true);
        self.rough.went_back = Some(self.now);
        self.events_checked = self.table.events.len();
        let rows = || self.table.rows.values();
        // The id of a row that is lost may be given again.
        let lost = |id: &ServerId| !self.table.rows.contains_key(id);
        self.lives.values_mut().filter(|(id, _)| lost(id)).for_each(|(id, _)| *id = ServerId::NEW);
        self.restored = rows().map(|row| (row.id, row.incarnation)).collect();
        self.database.came_back = rows().flat_map(|row| words(row).map(|at| (row.id, at))).collect();
        self.placed.clear();
        let ids: Vec<ServerId> = self.table.rows.keys().copied().collect();
        if ids.len() <= Self::SMALL {
            self.note_places(&ids);
        }
    }

    /// From now on, or until now, every third answer to a COMMIT is lost.
    pub fn lose_answers(&mut self, on: bool) {
        self.note(0, &format!("--- answers to COMMIT are lost: {on}"));
        self.database.answers_lost = on;
    }

    /// This server has a splice under way: it holds its own row and both its buddies', and says nothing more.
    pub fn hold_rows(&mut self, host: usize) {
        let Some(row) = self.table.named(&self.hosts[host].name) else { return };
        let rows = BTreeSet::from([row.id, row.first_buddy, row.second_buddy]);
        self.note(host, &format!("--- holds {rows:?}"));
        self.database.held.push((rows, self.now + Self::IDLE));
    }

    /// Until when this transaction has to wait for rows that others hold. An error: it has waited for too long.
    pub(super) fn waits(&mut self, host: usize, ticket: u64) -> Result<Option<Time>, TableFailure> {
        let now = self.now;
        self.database.held.retain(|(_, until)| *until > now);
        let Some(flight) = self.hosts[host].flights.get_mut(&ticket) else { return Ok(None) };
        let writes = flight.attempt.transaction().into_iter().flat_map(|plan| &plan.writes);
        let rows: BTreeSet<ServerId> = writes.filter_map(|write| write.row()).collect();
        let until =
            self.database.held.iter().filter(|(held, _)| !held.is_disjoint(&rows)).map(|(_, until)| *until).max();
        let Some(until) = until else {
            flight.waits = None;
            return Ok(None);
        };
        self.rough.database = now;
        let since = *flight.waits.get_or_insert(now);
        if now.since(since) < Self::PATIENCE {
            return Ok(Some(until.min(since + Self::PATIENCE)));
        }
        let cause = "gave way to other writers: Lock wait timeout exceeded".to_owned();
        Err(TableFailure { cause, transient: true, readable: true, overtaken: false })
    }

    /// Lets the answer to the next COMMIT get lost, if it is its turn.
    pub(super) fn mishap(&mut self, writing: bool) {
        if writing && self.database.answers_lost {
            self.rough.database = self.now;
            if self.rng.chance(333) {
                self.table.inject(Mishap::LostAnswer);
            }
        }
    }
}

/// When each vote and mark in this row was last written.
fn words(row: &ServerRow) -> impl Iterator<Item = DbTime> {
    Side::BOTH.into_iter().filter_map(|side| row.vote(side)).map(|vote| vote.at).chain(row.alone_at)
}

fn answer(row: &ServerRow) -> Option<DbTime> {
    row.answering()?.answer.map(|answer| answer.at)
}
