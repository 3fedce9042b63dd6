//! How the core reads and edits the server table without touching a database.
//!
//! An operation ([`TableOp`](super::engine::TableOp)) is a pure function of what was read so far:
//!
//! ```text
//!            +--------- Read(lookups) <--------+        conflict: forget the snapshot, start again
//!            v                                 |       +--------------------------------------+
//!   clock, rows ----> TableSnapshot ----> op.step(&snapshot) ----> Apply(plan) --> compare-and-swap
//!                                              |                                        | every row matched
//!                                              +------> Done(outcome) <-----------------+ plan.outcome
//! ```
//!
//! The store executes this on a database; the simulator on a map. Both obey the same rules:
//!
//! 1. The database's clock is read first, then the rows, without locks (READ COMMITTED).
//! 2. Inside one transaction every [`RowWrite`] is one statement whose WHERE clause has everything in its [`Guard`];
//!    the insert comes first, then updates and deletes in id order. Each must match exactly one row; otherwise
//!    everything is rolled back and the operation starts again from an empty snapshot, after a jittered pause.
//! 3. Every statement also requires that the database's clock is not past [`Plan::deadline`] (R7).
//! 4. With [`Plan::recheck`] set, the caller's check runs before the last statement and before COMMIT; if it says no,
//!    roll back, and the operation ends as [`Outcome::Overtaken`].
//! 5. Every update sets `version = version + 1`, whatever else it sets.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{EventBody, EventKind};
pub use super::outcome::{Held, Outcome, Removal, effective_mode};
use super::row::{Address, Card, Health, PoolRow, ServerRow, Side, VoteKind};
use super::{DbTime, Incarnation, ServerId, Time};

/// What an operation wants to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lookup {
    /// One server by id.
    Id(ServerId),
    /// One server by name.
    Name(String),
    /// One server by address.
    Address(Address),
    /// The server with the smallest `pick` not below this one, wrapping around: a random server.
    Pick(i64),
    /// Up to `count` servers along the ring, starting with the buddy of `from` on `side`, ending before `from` comes
    /// round again.
    Walk {
        /// Where the walk starts; not part of the answer.
        from: ServerId,
        /// Which way.
        side: Side,
        /// How many rows at most.
        count: u16,
    },
    /// How many servers were removed (`down` or `agent_lost`) within this time.
    Removals(Duration),
    /// How many servers the pool has.
    Members,
    /// The newest event about a server, in the table or not.
    LastEvent(ServerId),
}

/// What was read in one attempt. A lookup that found nothing is a key with an empty answer: it was made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TableSnapshot {
    /// This machine's clock just before the database's clock was asked for.
    pub read_at: Time,
    /// The database's clock: read before anything else (R7).
    pub db_now: DbTime,
    /// The pool's row; always read.
    pub pool: Option<PoolRow>,
    /// Every server row any lookup brought.
    pub rows: BTreeMap<ServerId, ServerRow>,
    /// Which rows answer which lookup, in the order asked for.
    pub answers: BTreeMap<Lookup, Vec<ServerId>>,
    /// Answers to [`Lookup::Removals`] and [`Lookup::Members`].
    pub counts: BTreeMap<Lookup, u64>,
    /// Answers to [`Lookup::LastEvent`].
    pub events: BTreeMap<ServerId, Option<StoredEvent>>,
}

impl TableSnapshot {
    /// The first row that answers `lookup`; `None` if there is none or it was not asked for.
    #[must_use]
    pub fn row(&self, lookup: &Lookup) -> Option<&ServerRow> {
        self.answers.get(lookup)?.first().and_then(|id| self.rows.get(id))
    }

    /// Whether `lookup` was made in this attempt.
    #[must_use]
    pub fn asked(&self, lookup: &Lookup) -> bool {
        match lookup {
            Lookup::LastEvent(id) => self.events.contains_key(id),
            Lookup::Removals(_) | Lookup::Members => self.counts.contains_key(lookup),
            Lookup::Id(_) | Lookup::Name(_) | Lookup::Address(_) | Lookup::Pick(_) | Lookup::Walk { .. } => {
                self.answers.contains_key(lookup)
            }
        }
    }
}

/// What an operation does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Read these too, then ask again.
    Read(Vec<Lookup>),
    /// Write this; if every row matched, the operation ended with the plan's outcome.
    Apply(Box<Plan>),
    /// Ended; nothing is written.
    Done(Outcome),
}

/// One transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// No statement takes effect after this moment of the database's clock (R7).
    pub deadline: DbTime,
    /// At most one insert.
    pub writes: Vec<RowWrite>,
    /// A write of the pool's row, if this plan depends on it.
    pub pool: Option<PoolWrite>,
    /// Appended to `event` in the same transaction, stamped by the database.
    pub events: Vec<EventDraft>,
    /// Ask the caller again before the last statement and before COMMIT (R7).
    pub recheck: bool,
    /// What the operation came to, once this is committed.
    pub outcome: Outcome,
}

/// The write of one row of `server`.
#[derive(Clone, Debug, PartialEq)]
pub enum RowWrite {
    /// A new row, version 1, without votes.
    Insert {
        /// What it says.
        new: NewRow,
        /// Its first buddy; [`ServerId::NEW`] is itself.
        first_buddy: ServerId,
        /// Its second buddy; [`ServerId::NEW`] is itself.
        second_buddy: ServerId,
    },
    /// Change the row that still is as the guard says.
    Update {
        /// The row, as read.
        guard: Guard,
        /// What changes.
        set: RowSet,
    },
    /// Delete the row that still is as the guard says.
    Delete(Guard),
}

/// A row as it was read; what a WHERE clause compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Which row.
    pub id: ServerId,
    /// Its first buddy.
    pub first_buddy: ServerId,
    /// Its second buddy.
    pub second_buddy: ServerId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Its version: covers every other column, votes included (R4).
    pub version: i64,
}

impl From<&ServerRow> for Guard {
    fn from(row: &ServerRow) -> Self {
        Self {
            id: row.id,
            first_buddy: row.first_buddy,
            second_buddy: row.second_buddy,
            incarnation: row.incarnation,
            version: row.version,
        }
    }
}

/// A server on its way into the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// What it says of itself.
    pub card: Card,
    /// Its life: an operation makes it later than the database's clock, if it is not (R8).
    pub incarnation: Incarnation,
    /// Its place in the random choice.
    pub pick: i64,
    /// Its service health.
    pub health: Health,
}

/// What an update changes: `None` leaves a column as it is. `version` always grows by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSet {
    /// New first buddy.
    pub first_buddy: Option<ServerId>,
    /// New second buddy.
    pub second_buddy: Option<ServerId>,
    /// New incarnation.
    pub incarnation: Option<Incarnation>,
    /// What the server says of itself now. Its name does not change.
    pub card: Option<Card>,
    /// The vote slot of the first-buddy side.
    pub vote_first: VoteSet,
    /// The vote slot of the second-buddy side.
    pub vote_second: VoteSet,
    /// The alone mark.
    pub alone: AloneSet,
    /// Draining or not.
    pub draining: Option<bool>,
    /// Service health.
    pub health: Option<Health>,
}

/// What happens to a vote slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VoteSet {
    /// Nothing.
    #[default]
    Keep,
    /// Emptied.
    Clear,
    /// A new vote: `since` and `at` are the database's now.
    Cast {
        /// Who votes.
        voter: ServerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// What is said.
        kind: VoteKind,
    },
    /// The vote that is there goes on: `at` is the database's now, `since` stays.
    Renew,
}

/// What happens to the alone mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AloneSet {
    /// Nothing.
    #[default]
    Keep,
    /// Taken back.
    Clear,
    /// `alone_since` and `alone_at` are the database's now.
    Mark,
    /// `alone_at` is the database's now.
    Renew,
}

/// A write of the pool's row. Its version grows by one; a pool whose version is another is a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolWrite {
    /// The version it was read with.
    pub version: i64,
    /// `Some(Some(why))` freezes, `Some(None)` thaws, `None` leaves it (the write serialises: the first server of an
    /// empty pool).
    pub frozen: Option<Option<String>>,
}

/// A line for `event`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDraft {
    /// About which row; [`ServerId::NEW`] is the inserted one. `None`: about the pool.
    pub subject: Option<ServerId>,
    /// The subject's name.
    pub subject_name: String,
    /// Who says so.
    pub by: String,
    /// What happened, and how.
    pub body: EventBody,
}

/// A line of `event`, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Its number, growing.
    pub id: i64,
    /// When, on the database's clock.
    pub at: DbTime,
    /// About which row.
    pub subject: Option<ServerId>,
    /// Its name.
    pub subject_name: String,
    /// Who said so.
    pub by: String,
    /// What, and how.
    pub body: EventBody,
}

impl StoredEvent {
    /// The event's word.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.body.kind()
    }
}
