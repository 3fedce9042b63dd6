//! What goes into an engine and what comes out of it.

use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::buddy::BuddyList;
use crate::edit::{Outcome, TableSnapshot};
use crate::event::Event;
use crate::evidence::{LocalFault, WatchId, WatchReading, WatchSpec};
use crate::host::HostChange;
use crate::notice::Notice;
use crate::op::TableOp;
use crate::row::{Address, Card, Health, Mode};
use crate::{Incarnation, ServerId, Time, Tuning};

/// What does not change while an agent runs, but for the weight ([`Input::Weight`]).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Name, addresses, ports, weight and boot token, as this server publishes them.
    pub card: Card,
    /// What this agent itself may do. The pool's mode can restrict it further.
    pub mode: Mode,
    /// The numbers of the profile, and the rules in force.
    pub tuning: Tuning,
    /// Seed of every random choice, so that a replay makes the same ones.
    pub seed: u64,
    /// At its start, an operator wants no clients here yet.
    #[serde(default)]
    pub start_drained: bool,
}

/// What happens to an engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Join the ring, or take the place that was kept.
    Start {
        /// The buddy list from the state directory, if it is there and intact.
        kept: Option<BuddyList>,
    },
    /// The current state of a watch. The loop passes it on every change that a datapath reports, and at least every
    /// 50 ms. In one turn of the loop, faults and the link come first, then the readings of every watch, then
    /// [`Engine::handle_timeout`](super::Engine::handle_timeout).
    Watch(WatchId, WatchReading),
    /// A probe for a buddy, with a valid tag, came from an address that is not in this view (R10).
    Stranger(Address),
    /// This machine answered a probe: half of a join's proof.
    Answered {
        /// Who sent the probe.
        address: Address,
        /// When the last one came.
        at: Time,
        /// When the sender is known to have lived: when a probe of its came whose answer it got. Probes that somebody
        /// sends again do not make this later. `None`: it has shown none, as in the first version of the wire format.
        #[serde(default)]
        proved: Option<Time>,
    },
    /// A prober asks this server to watch another one, so that its kernel can say whether it hears it (R12). The loop
    /// passes it on for every probe that still asks, or as often as it looks.
    Asked {
        /// Row of the other one.
        server: ServerId,
        /// Where it is.
        address: Address,
    },
    /// What this server observed between `from` and `until` does not count.
    Fault {
        /// What went wrong here.
        fault: LocalFault,
        /// Start of the span.
        from: Time,
        /// End of the span; it may lie in the future.
        until: Time,
    },
    /// The interface went down (false) or came up (true).
    Link(bool),
    /// The interface or the address of this server changed.
    Host {
        /// How.
        change: HostChange,
        /// The name of the interface now, or the last one.
        interface: String,
    },
    /// A table operation ended.
    Table(TableDone),
    /// An authenticated notice arrived from this address and port.
    Notice(Notice, (Address, u16)),
    /// The result of this server's service checks changed.
    Service(Health),
    /// An operator changed this server's share of the clients.
    Weight(u16),
    /// Clean shutdown: leave the ring (true), or only stop (false).
    Stop {
        /// `--on-stop leave`.
        leave: bool,
    },
    /// A clean shutdown is near: send no new clients here from now on. A member writes that into its row and goes on as
    /// before; [`Self::Stop`] comes later.
    Drain,
}

/// How a table operation ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableDone {
    /// The number from [`Output::Table`].
    pub ticket: u64,
    /// The outcome, or why the database did not do it.
    pub result: Result<Outcome, TableFailure>,
    /// What the last attempt read.
    pub snapshot: TableSnapshot,
    /// How long the operation took, from when it was its turn in its lane.
    pub took: Duration,
}

/// The database did not do it. It is unknown whether anything was written; every operation is idempotent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFailure {
    /// The real cause, as text for people.
    pub cause: String,
    /// Whether the same operation may succeed later without any change by an operator.
    pub transient: bool,
    /// The database answers and only refuses to write: rows are locked, it is read-only, or its disk is full.
    pub readable: bool,
    /// The database answers and writes, but others changed the same rows each time.
    #[serde(default)]
    pub overtaken: bool,
}

/// What an engine asks its caller to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Begin this watch. If a watch with this slot and generation already runs, change its interval and purpose, and
    /// keep its evidence.
    Watch(WatchSpec),
    /// End this watch.
    Unwatch(WatchId),
    /// Run this operation on the table and answer with [`Input::Table`]. Only a few run at a time: one for each
    /// concern.
    Table {
        /// To be returned in [`TableDone`].
        ticket: u64,
        /// The operation.
        op: TableOp,
    },
    /// Send this notice. The notice room retries a lost notice a few times and then gives up.
    Send {
        /// Address of the receiver.
        to: Address,
        /// UDP port on which the receiver takes notices.
        port: u16,
        /// The notice, with its sender.
        notice: Notice,
    },
    /// Report this transition.
    Event(Event),
    /// Write this list to disk.
    Keep(BuddyList),
    /// From now on, answer probes with this.
    Identity(Answers),
    /// The engine is done after [`Input::Stop`], or has given up for good. No output follows.
    Stopped(Stopped),
}

/// What this server's answers to probes say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Incarnation of this server.
    pub incarnation: Incarnation,
    /// Health of this server's service.
    pub health: Health,
    /// When the last fault of this machine ended, which made its own evidence void.
    pub clean: Time,
    /// Whether the database answers this server.
    pub database: bool,
    /// Whether this server cannot see a buddy, or anybody.
    #[serde(default)]
    pub blind: bool,
}

/// How an engine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The row is gone from the table.
    Left,
    /// The row stays, as requested.
    Stayed,
    /// The row stays because the database did not answer. The text says why.
    RowRemains(String),
    /// An operator made this server leave.
    LeftByOperator,
    /// A configuration error. The text is for the operator.
    Refused(String),
}
