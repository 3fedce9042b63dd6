//! A server table in memory: the model of what a database does with [`Plan`]s.
//!
//! It executes them by the rules of [`edit`](crate::edit), under a clock that only its owner moves. It can also do what
//! a database does behind an agent's back: conflicts, COMMITs whose answer is lost, time that passes between reading
//! and writing, and no answer at all ([`Mishap`]).

mod attempt;
mod commit;
mod index;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use index::Index;

pub use attempt::{Attempt, Progress};

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use crate::edit::{Lookup, Outcome, Plan, StoredEvent, TableSnapshot};
use crate::row::{PoolRow, ServerRow, Side};
use crate::{DbTime, EventKind, PoolId, Rules, ServerId, Time};

/// One pool's rows. Tests may change them directly, as an operator with SQL could.
#[derive(Clone, Debug)]
pub struct VirtualTable {
    /// The rows of `server`.
    pub rows: BTreeMap<ServerId, ServerRow>,
    /// The row of `pool`.
    pub pool: PoolRow,
    /// The rows of `event`.
    pub events: Vec<StoredEvent>,
    /// Transactions that were committed.
    pub commits: u64,
    /// Rows that commits wrote, inserted or deleted since this list was last emptied, as they were before.
    pub touched: Vec<(ServerId, Option<ServerRow>)>,
    /// Whether WHERE clauses leave out incarnation and version, as in a simulation without R8.
    pub links_only: bool,
    index: Index,
    now: DbTime,
    last_id: i64,
    id_step: i64,
    id_offset: i64,
    mishaps: VecDeque<Mishap>,
}

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It is rolled back in favour of another one, like a deadlock victim.
    Conflict,
    /// It is committed, but the answer never arrives.
    LostAnswer,
    /// The database's clock moves on by this between the last read and the first statement.
    Delay(Duration),
    /// The database does not answer; nothing is committed.
    Away,
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Commit {
    /// Every statement matched; ids are filled in.
    Done(Outcome),
    /// A row was not as it was read, or a name, address or pick was taken: rolled back.
    Conflict,
    /// The plan's deadline had passed: rolled back (R7). For the executor this is the same as a conflict.
    Late,
    /// The caller's check said no: rolled back (R7).
    Overtaken,
    /// It is committed, but the caller did not get the answer.
    Unanswered,
    /// Nothing happened.
    Away,
}

/// How often an operation starts again before it counts as failed.
pub const ATTEMPTS: u32 = 64;

impl VirtualTable {
    /// An empty pool with the default rules, at this moment on its clock.
    #[must_use]
    pub fn new(now: DbTime) -> Self {
        let pool = PoolRow {
            id: PoolId(1),
            name: "pool".into(),
            rules: Rules::default(),
            frozen: None,
            keys: Vec::new(),
            version: 1,
        };
        Self {
            rows: BTreeMap::new(),
            pool,
            events: Vec::new(),
            commits: 0,
            touched: Vec::new(),
            links_only: false,
            index: Index::default(),
            now,
            last_id: 0,
            id_step: 1,
            id_offset: 0,
            mishaps: VecDeque::new(),
        }
    }

    /// The database's clock.
    #[must_use]
    pub fn now(&self) -> DbTime {
        self.now
    }

    /// Sets the database's clock. It may go backwards, to test that.
    pub fn set_now(&mut self, now: DbTime) {
        self.now = now;
    }

    /// Lets time pass on the database's clock.
    pub fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
    }

    /// From now on, ids are `offset` and every `step`-th number after it, like those of one of several nodes that all
    /// number rows.
    pub fn number_ids(&mut self, step: i64, offset: i64) {
        (self.id_step, self.id_offset) = (step, offset);
    }

    /// Queues a mishap for the next commit that has none yet.
    pub fn inject(&mut self, mishap: Mishap) {
        self.mishaps.push_back(mishap);
    }

    /// Drops all mishaps that have not happened yet.
    pub fn calm(&mut self) {
        self.mishaps.clear();
    }

    /// The table is as it was when this copy was made, and ids that were given since are given again: a backup was
    /// restored, or a replica took over that had not received everything. Only the clock goes on.
    pub fn go_back_to(&mut self, then: &Self) {
        let (now, commits) = (self.now, self.commits);
        *self = Self { now, commits, touched: Vec::new(), ..then.clone() };
    }

    /// Inserts a row as if it had always been there.
    pub fn place(&mut self, row: ServerRow) {
        self.last_id = self.last_id.max(row.id.0);
        self.index.note(&row);
        self.rows.insert(row.id, row);
    }

    /// The row with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&ServerRow> {
        self.index.name(&self.rows, name)
    }

    /// Begins an attempt: reads the clock first, then the pool's row. `read_at` is the caller's own clock just before.
    #[must_use]
    pub fn begin(&self, read_at: Time) -> TableSnapshot {
        TableSnapshot { read_at, db_now: self.now, pool: Some(self.pool.clone()), ..TableSnapshot::default() }
    }

    /// One read: one statement, which sees what is committed at this moment.
    pub fn read(&self, seen: &mut TableSnapshot, lookup: &Lookup) {
        let found: Vec<&ServerRow> = match lookup {
            Lookup::Id(id) => self.rows.get(id).into_iter().collect(),
            Lookup::Name(name) => self.named(name).into_iter().collect(),
            Lookup::Address(address) => self.index.address(&self.rows, *address).into_iter().collect(),
            Lookup::Pick(pick) => self.picked(*pick).into_iter().collect(),
            Lookup::Walk { from, side, count } => self.walk(*from, *side, *count),
            Lookup::Gone(window) => {
                seen.counts.insert(lookup.clone(), self.gone(*window).len() as u64);
                return;
            }
            Lookup::Braked(window) => {
                let since = self.now - *window;
                let spoke = self.events.iter().filter(|e| e.kind() == EventKind::Braked && e.at >= since).count();
                seen.counts.insert(lookup.clone(), spoke as u64);
                return;
            }
            Lookup::Members => {
                seen.counts.insert(lookup.clone(), self.rows.len() as u64);
                return;
            }
            Lookup::LastEvent(id) => {
                let last = self.events.iter().rfind(|e| e.subject == Some(*id));
                seen.events.insert(*id, last.cloned());
                return;
            }
        };
        seen.answers.insert(lookup.clone(), found.iter().map(|row| row.id).collect());
        seen.rows.extend(found.into_iter().map(|row| (row.id, row.clone())));
    }

    /// One transaction. `check` is called before the last statement and before COMMIT, if the plan asks for that.
    pub fn commit(&mut self, plan: &Plan, check: &mut dyn FnMut() -> bool) -> Commit {
        let lost = match self.mishaps.pop_front() {
            None => false,
            Some(Mishap::Conflict) => return Commit::Conflict,
            Some(Mishap::Away) => return Commit::Away,
            Some(Mishap::LostAnswer) => true,
            Some(Mishap::Delay(by)) => {
                self.advance(by);
                false
            }
        };
        let commit = commit::commit(self, plan, check);
        if lost && matches!(commit, Commit::Done(_)) { Commit::Unanswered } else { commit }
    }

    /// The names that count for the brake (R11).
    #[must_use]
    pub fn gone(&self, window: Duration) -> BTreeSet<&str> {
        let since = self.now - window;
        let mut gone = BTreeSet::new();
        for event in self.events.iter().filter(|e| e.at >= since) {
            let name = event.subject_name.as_str();
            if event.body.removal().is_some() && self.named(name).is_none() {
                gone.insert(name);
            } else if event.kind() == EventKind::Forgotten {
                gone.remove(name);
            }
        }
        gone
    }

    fn picked(&self, pick: i64) -> Option<&ServerRow> {
        self.index.picked(&self.rows, pick)
    }

    /// Walks along the ring as it is. In a damaged ring the walk ends where a link leads nowhere or back into the walk.
    fn walk(&self, from: ServerId, side: Side, count: u16) -> Vec<&ServerRow> {
        let mut found: Vec<&ServerRow> = Vec::new();
        let mut at = self.rows.get(&from).map(|row| row.buddy(side));
        while found.len() < usize::from(count)
            && let Some(row) = at.and_then(|id| self.rows.get(&id))
            && row.id != from
            && found.iter().all(|seen| seen.id != row.id)
        {
            found.push(row);
            at = Some(row.buddy(side));
        }
        found
    }
}
