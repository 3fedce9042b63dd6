//! How the core reads and edits the server table without touching a database.
//!
//! An operation ([`TableOp`](super::op::TableOp)) is a pure function of what was read so far:
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
//!    everything is rolled back and the operation starts again from an empty snapshot ([`TableSnapshot::again`] is
//!    set), after a jittered pause.
//! 3. Every statement also requires that the database's clock is not past [`Plan::deadline`] (R7).
//! 4. With [`Plan::recheck`] set, the caller's check runs before the last statement and before COMMIT. If it says no,
//!    or what was read is not of now ([`TableSnapshot::is_of_now`]), roll back, and the operation ends as
//!    [`Outcome::Overtaken`]. (A plan of one row commits with its only statement: a store asks once.)
//!    An answer compares only its row's incarnation, and ends as [`Outcome::Stale`] if it matches none.
//! 5. Every update sets `version = version + 1`, whatever else it sets.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

mod guard;

pub use guard::{Guard, OwnWord, Same};

use super::event::{EventBody, EventKind};
pub use super::outcome::{Held, Outcome, Removal, effective_mode};
use super::row::{Address, Card, Health, PoolRow, ServerRow, Side, VoteKind};
use super::{DbTime, Incarnation, ServerId, Time, law};

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
    /// Up to `count` servers along the ring. The walk starts with the buddy of `from` on `side` and ends before it
    /// reaches `from` again.
    Walk {
        /// The server to start from. It is not part of the answer.
        from: ServerId,
        /// In which direction.
        side: Side,
        /// How many rows at most.
        count: u16,
    },
    /// How many servers are gone: the names that were removed (`down` or `agent_lost`) in this time up to now, are not
    /// in the table, and were not forgotten since.
    Gone(Duration),
    /// How often the brake spoke (`braked`) in this time up to now.
    Braked(Duration),
    /// How many servers the pool has.
    Members,
    /// The newest event about a server, whether the server is in the table or not.
    LastEvent(ServerId),
}

/// What was read in one attempt. A lookup that was made and found nothing has a key with an empty answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TableSnapshot {
    /// This machine's clock just before the database's clock was read.
    pub read_at: Time,
    /// The database's clock, read before anything else (R7).
    pub db_now: DbTime,
    /// The pool's row. It is always read.
    pub pool: Option<PoolRow>,
    /// Every server row that any lookup read.
    pub rows: BTreeMap<ServerId, ServerRow>,
    /// The rows that answer each lookup, in the order that the lookup asked for.
    pub answers: BTreeMap<Lookup, Vec<ServerId>>,
    /// Answers to [`Lookup::Gone`], [`Lookup::Braked`] and [`Lookup::Members`].
    pub counts: BTreeMap<Lookup, u64>,
    /// Answers to [`Lookup::LastEvent`].
    pub events: BTreeMap<ServerId, Option<StoredEvent>>,
    /// Whether an earlier attempt of the same operation met another's change. What the operation was asked with may be
    /// out of date by now.
    pub again: bool,
    /// Whether the database took something that this attempt wrote.
    pub wrote: bool,
}

impl TableSnapshot {
    /// R7: whether what was read is of now, by this machine's own clock. The database's clock may have stepped back
    /// since.
    #[must_use]
    pub fn is_of_now(&self, now: Time, deadline: DbTime) -> bool {
        now.since(self.read_at) <= deadline.since(self.db_now).unwrap_or_default().max(law::WRITE_WITHIN)
    }

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
            Lookup::Gone(_) | Lookup::Braked(_) | Lookup::Members => self.counts.contains_key(lookup),
            Lookup::Id(_) | Lookup::Name(_) | Lookup::Address(_) | Lookup::Pick(_) | Lookup::Walk { .. } => {
                self.answers.contains_key(lookup)
            }
        }
    }
}

/// What an operation does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Read these too, then call the operation again.
    Read(Vec<Lookup>),
    /// Write this. If every row matched, the operation has ended with the plan's outcome.
    Apply(Box<Plan>),
    /// The operation has ended, and nothing is written.
    Done(Outcome),
}

/// One transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// No statement takes effect after this moment on the database's clock (R7).
    pub deadline: DbTime,
    /// The changes of server rows, with at most one insert.
    pub writes: Vec<RowWrite>,
    /// A write of the pool's row, if this plan depends on it.
    pub pool: Option<PoolWrite>,
    /// Appended to `event` in the same transaction, stamped by the database.
    pub events: Vec<EventDraft>,
    /// Whether the caller is asked again before the last statement and before COMMIT (R7).
    pub recheck: bool,
    /// How the operation ends once this is committed.
    pub outcome: Outcome,
}

impl Plan {
    /// Whether it only writes an answer. If that matches no row, the row is gone or of another life: the operation ends
    /// as [`Outcome::Stale`].
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self.writes.as_slice(), [RowWrite::Answer { .. }])
    }

    /// Whether there is nothing in it to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.pool.is_none() && self.events.is_empty()
    }
}

/// The write of one row of `server`.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a plan has a handful, for a moment")]
pub enum RowWrite {
    /// A new row, version 1, without votes.
    Insert {
        /// The content of the row.
        new: NewRow,
        /// Its first buddy; [`ServerId::NEW`] is itself.
        first_buddy: ServerId,
        /// Its second buddy; [`ServerId::NEW`] is itself.
        second_buddy: ServerId,
    },
    /// Change the row if it still is as the guard says.
    Update {
        /// The row, as read.
        guard: Guard,
        /// The columns that change.
        set: RowSet,
    },
    /// Delete the row if it still is as the guard says.
    Delete(Guard),
    /// A server writes its answer into its own row. Only the incarnation is compared: nothing that others write makes
    /// the answer wrong. Whoever would remove this server and did not see it compares it, and does not match.
    Answer {
        /// Id of the row.
        id: ServerId,
        /// The life that the row must have.
        life: Incarnation,
        /// What is written.
        set: AnswerSet,
    },
}

impl RowWrite {
    /// The row, unless it is a new one.
    #[must_use]
    pub const fn row(&self) -> Option<ServerId> {
        match self {
            Self::Insert { .. } => None,
            Self::Update { guard, .. } | Self::Delete(guard) => Some(guard.id),
            Self::Answer { id, .. } => Some(*id),
        }
    }
}

/// A server on its way into the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// Name, addresses, ports, weight and boot token.
    pub card: Card,
    /// Its incarnation. If it is not later than the database's clock, an operation makes it so (R8).
    pub incarnation: Incarnation,
    /// The number by which it is found in a random choice.
    pub pick: i64,
    /// Health of its service.
    pub health: Health,
    /// How long it needs to answer a vote.
    pub wait: Duration,
    /// Whether it gets no clients until an operator says so. Where it takes its row over, `false` leaves that as it is.
    pub draining: bool,
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
    /// New addresses, ports, weight and boot token. The name does not change.
    pub card: Option<Card>,
    /// The vote slot of the first-buddy side.
    pub vote_first: VoteSet,
    /// The vote slot of the second-buddy side.
    pub vote_second: VoteSet,
    /// What happens to the alone mark.
    pub alone: AloneSet,
    /// A new life of the server: how long it needs to answer. Its last life's answer is cleared.
    pub wait: Option<Duration>,
    /// Whether new clients should stay away.
    pub draining: Option<bool>,
    /// New health of the service.
    pub health: Option<Health>,
}

/// What a write does to a vote slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VoteSet {
    /// The slot stays as it is.
    #[default]
    Keep,
    /// The slot is emptied.
    Clear,
    /// A new vote: `since` and `at` are the database's now.
    Cast {
        /// Id of the voter's row.
        voter: ServerId,
        /// Incarnation of the voter.
        incarnation: Incarnation,
        /// Whether the host is silent or only its agent.
        kind: VoteKind,
    },
    /// The present vote goes on: `at` is the database's now, `since` stays.
    Renew,
}

/// What a write does to the alone mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AloneSet {
    /// The mark stays as it is.
    #[default]
    Keep,
    /// The mark is taken back.
    Clear,
    /// A new mark of this kind: `alone_since` and `alone_at` are the database's now.
    Mark(VoteKind),
    /// `alone_at` is the database's now; the rest stays.
    Renew,
}

/// What a server writes about its answers. The life is that of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerSet {
    /// How long it needs to answer.
    pub wait: Duration,
    /// The server that it hears, or itself: see [`Answer::hears`](crate::row::Answer::hears). The answer is of the
    /// database's now. `None`: the last answer stays.
    pub hears: Option<ServerId>,
}

/// A write of the pool's row. Its version grows by one. If the pool has another version by then, that is a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolWrite {
    /// The version that was read.
    pub version: i64,
    /// `Some(Some(why))` freezes, `Some(None)` thaws, `None` leaves it unchanged. The write alone serialises: the first
    /// server of an empty pool needs that.
    pub frozen: Option<Option<String>>,
}

/// A line to be written to `event`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDraft {
    /// The row that it is about; [`ServerId::NEW`] is the inserted one. `None`: it is about the pool.
    pub subject: Option<ServerId>,
    /// The subject's name.
    pub subject_name: String,
    /// Name of the server or operator that caused it.
    pub by: String,
    /// What happened, and how.
    pub body: EventBody,
}

impl EventDraft {
    /// An event about a server that is in the table.
    pub(crate) fn about(row: &ServerRow, by: &str, body: EventBody) -> Self {
        Self { subject: Some(row.id), subject_name: row.card.name.clone(), by: by.into(), body }
    }

    /// An event about the pool of this name.
    pub(crate) fn of_pool(pool: &str, by: &str, body: EventBody) -> Self {
        Self { subject: None, subject_name: pool.into(), by: by.into(), body }
    }
}

/// A line of `event`, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Its number, which grows with each line.
    pub id: i64,
    /// When it was written, on the database's clock.
    pub at: DbTime,
    /// The row that it is about; `None`: it is about the pool.
    pub subject: Option<ServerId>,
    /// Name of the subject.
    pub subject_name: String,
    /// Name of the server or operator that caused it.
    pub by: String,
    /// What happened, and how.
    pub body: EventBody,
}

impl StoredEvent {
    /// The kind of the event.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.body.kind()
    }
}
