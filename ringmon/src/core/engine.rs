//! The one state machine of an agent: evidence in, decisions out.
//!
//! Call order, after quinn-proto: [`Engine::handle`] for each input and [`Engine::handle_timeout`] when
//! [`Engine::poll_timeout`] is due; after either, drain [`Engine::poll_output`] until `None`, then ask
//! [`Engine::poll_timeout`] again. No call blocks, reads a clock or fails.

use std::time::Duration;

use serde::Serialize;

use super::edit::{Outcome, TableSnapshot};
use super::event::Event;
use super::evidence::{LocalFault, WatchId, WatchReading, WatchSpec};
use super::notice::Notice;
use super::row::{Address, Health, Mode};
use super::{BootToken, Incarnation, ServerId, Time, Tuning};

/// What does not change while an agent runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Own name.
    pub name: String,
    /// Own address.
    pub address: Address,
    /// Own notice port.
    pub notice_port: u16,
    /// Where clients go, if not `address`.
    pub route_address: Option<Address>,
    /// Port for clients.
    pub route_port: Option<u16>,
    /// Share of clients.
    pub weight: u16,
    /// Own installation.
    pub boot: BootToken,
    /// What this agent itself may do.
    pub mode: Mode,
    /// Its constants.
    pub tuning: Tuning,
    /// Seed of every random choice.
    pub seed: u64,
}

/// A server as an agent keeps it on disk and watches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Buddy {
    /// Its row.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Its notice port.
    pub notice_port: u16,
    /// Its incarnation, as last read.
    pub incarnation: Incarnation,
}

/// The buddy list: kept on disk, used at start when the database is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct BuddyList {
    /// Own row.
    pub id: ServerId,
    /// Own incarnation.
    pub incarnation: Incarnation,
    /// Next on the ring; `None` in a ring of one.
    pub first: Option<Buddy>,
    /// Previous on the ring; `None` in a ring of one.
    pub second: Option<Buddy>,
}

/// What happens to an engine.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin: join, or take the kept place. The buddy list is what the disk had.
    Start {
        /// From the state directory, if it was there and sound.
        kept: Option<BuddyList>,
    },
    /// The state of a watch, now. Fed on every change a datapath reports, and at least every 50 ms. In one turn of the
    /// loop, faults and the link come first, then the readings of every watch, then [`Engine::handle_timeout`].
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
    /// A notice arrived, authenticated.
    Notice(Notice),
    /// The own service check changed.
    Service(Health),
    /// Clean shutdown: leave the ring (true) or only stop (false).
    Stop {
        /// `--on-stop leave`.
        leave: bool,
    },
}

/// A table operation's end.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFailure {
    /// The true cause, for people.
    pub cause: String,
    /// Whether asking again may help without anybody's doing.
    pub transient: bool,
}

/// What an engine asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Begin this watch; of one that runs (same slot and generation): change its interval and its purpose, and keep its evidence.
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

pub use super::op::TableOp;

/// What an agent shows of itself: status, metrics and the dashboard read this and never the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Time,
    /// Own name.
    pub server: String,
    /// `starting`, `joining`, `member`, `removed`, `leaving`, `stopped`.
    pub phase: &'static str,
    /// Own row, once there is one.
    pub id: Option<ServerId>,
    /// Own incarnation.
    pub incarnation: Incarnation,
    /// Own buddies, as last read.
    pub buddies: Option<BuddyList>,
    /// Every watch.
    pub watches: Vec<WatchView>,
    /// Since when the database is away (monotonic), and why.
    pub database_away: Option<(Time, String)>,
    /// 99th percentile of the time of this agent's own table operations.
    pub database_p99: Duration,
    /// Why the pool is frozen, if it is.
    pub frozen: Option<String>,
    /// `act` or `observe`: the stricter of the pool's and the agent's.
    pub mode: Mode,
    /// Joins after a removal.
    pub rejoins: u64,
    /// Suspicions that did not count, by reason.
    pub voids: std::collections::BTreeMap<LocalFault, u64>,
    /// Removals that were due and not made, by rule.
    pub held: std::collections::BTreeMap<super::edit::Held, u64>,
    /// Votes written.
    pub votes: u64,
    /// Removals made by this agent.
    pub removals: u64,
}

/// One watch, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WatchView {
    /// Which.
    pub id: WatchId,
    /// Whom.
    pub server: ServerId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Why.
    pub purpose: super::Purpose,
    /// `waiting` (never heard), `alive`, `agent_silent`, `suspect`.
    pub state: &'static str,
    /// The evidence.
    pub reading: WatchReading,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    identity: Identity,
}

impl Engine {
    /// An engine that has not started.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity }
    }

    /// Something happened at `now`, which never goes backwards.
    pub fn handle(&mut self, now: Time, input: Input) {
        let _ = (now, input);
        todo!("core helper")
    }

    /// The moment of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
        todo!("core helper")
    }

    /// When to call [`Self::handle_timeout`] at the latest; `None`: only inputs matter.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// A copy of everything worth showing.
    #[must_use]
    pub fn snapshot(&self, now: Time) -> Snapshot {
        Snapshot { at: now, server: self.identity.name.clone(), ..Snapshot::default() }
    }
}
