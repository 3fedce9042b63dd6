//! What goes into an engine and what comes out of it.

use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::buddy::BuddyList;
use crate::edit::{Outcome, TableSnapshot};
use crate::event::Event;
use crate::evidence::{LocalFault, WatchId, WatchReading, WatchSpec};
use crate::notice::Notice;
use crate::op::TableOp;
use crate::row::{Address, Card, Health, Mode};
use crate::{Incarnation, ServerId, Time, Tuning};

/// What does not change while an agent runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// What this server says of itself.
    pub card: Card,
    /// What this agent itself may do.
    pub mode: Mode,
    /// Its constants.
    pub tuning: Tuning,
    /// Seed of every random choice.
    pub seed: u64,
}

/// What happens to an engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Begin: join, or take the kept place. The buddy list is what the disk had.
    Start {
        /// From the state directory, if it was there and sound.
        kept: Option<BuddyList>,
    },
    /// The state of a watch, now. Fed on every change a datapath reports, and at least every 50 ms. In one turn of the
    /// loop, faults and the link come first, then the readings of every watch, then
    /// [`Engine::handle_timeout`](super::Engine::handle_timeout).
    Watch(WatchId, WatchReading),
    /// A well-tagged probe for a buddy came from an address that is not in this view (R10).
    Stranger(Address),
    /// A probe from `address` was answered by this machine, last at this time: half of a join's proof.
    Answered(Address, Time),
    /// This server's own evidence from `from` to `until` counts for nothing.
    Fault {
        /// Why.
        fault: LocalFault,
        /// Begin.
        from: Time,
        /// End.
        until: Time,
    },
    /// The interface went down (false) or came up.
    Link(bool),
    /// A table operation ended.
    Table(TableDone),
    /// A notice arrived, authenticated; with the address and port it came from.
    Notice(Notice, (Address, u16)),
    /// The own service check changed.
    Service(Health),
    /// Clean shutdown: leave the ring (true) or only stop (false).
    Stop {
        /// `--on-stop leave`.
        leave: bool,
    },
    /// A clean shutdown is near: no new clients from now on. A member has its row say so, and goes on as it was;
    /// [`Self::Stop`] comes later.
    Drain,
}

/// A table operation's end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableDone {
    /// Which one.
    pub ticket: u64,
    /// What it came to, or why the database did not do it.
    pub result: Result<Outcome, TableFailure>,
    /// What was read in its last attempt.
    pub snapshot: TableSnapshot,
    /// How long all of it took.
    pub took: Duration,
}

/// The database did not do it. Nothing is known of what was written; every operation is idempotent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFailure {
    /// The true cause, for people.
    pub cause: String,
    /// Whether asking again may help without anybody's doing.
    pub transient: bool,
    /// The database answers, and only refused to write: rows are locked, it is read-only, its disk is full.
    #[serde(default)]
    pub readable: bool,
}

/// What an engine asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Begin this watch; of one that runs (same slot and generation): change its interval and its purpose, and keep its
    /// evidence.
    Watch(WatchSpec),
    /// End this watch.
    Unwatch(WatchId),
    /// Do this with the table; answer with [`Input::Table`]. At most a few at a time, one for each concern.
    Table {
        /// To be given back.
        ticket: u64,
        /// What.
        op: TableOp,
    },
    /// Send this notice; lost ones are retried by the notice room and then forgotten.
    Send {
        /// Address of the receiver.
        to: Address,
        /// Its notice port.
        port: u16,
        /// What.
        notice: Notice,
    },
    /// Tell of this transition.
    Event(Event),
    /// Keep this on disk.
    Keep(BuddyList),
    /// From now on answer probes in this incarnation and health.
    Identity {
        /// Own row.
        id: ServerId,
        /// Own incarnation.
        incarnation: Incarnation,
        /// Own service health.
        health: Health,
    },
    /// Done after [`Input::Stop`], or given up for good: nothing more will come.
    Stopped(Stopped),
}

/// How an engine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The row is gone from the table.
    Left,
    /// The row stays, as asked.
    Stayed,
    /// The row stays, because the database did not answer: why.
    RowRemains(String),
    /// It was made to leave by an operator.
    LeftByOperator,
    /// A configuration error: what to say.
    Refused(String),
}
