//! What agents report, and what the `event` table keeps: one enum whose JSON users script against.
//!
//! `kind` is the word for the event, `detail` an object with its circumstances. An agent's event log, `ringmon events`
//! and the table use the same names. Names of durations end in `_ms`: an agent measures them with fractions, the table
//! has whole numbers.

mod detail;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;

use serde::{Deserialize, Serialize};

pub use self::detail::{
    Braked, Cause, Evidence, Frozen, Joined, Left, LinkPair, Relinked, Removed, Repaired, RowSeen, Service, Suspected,
    VoteSeen, WentBack,
};
use super::blindness::Blindness;
use super::evidence::LocalFault;
use super::host::HostChange;
use super::outcome::Held;
use super::row::{Side, VoteKind};
use super::{Incarnation, ServerId, Time};
use crate::words;

/// What happened. The names are a contract, because users script against them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The server was spliced in.
    Joined,
    /// The buddies changed.
    Buddies,
    /// The first authenticated reply of a watch, of a new incarnation, or after a suspicion.
    Alive,
    /// This server's own judgement: no replies.
    Suspect,
    /// A vote was written.
    Vote,
    /// A vote was taken back.
    VoteWithdrawn,
    /// The server is out of the table: the commit was seen.
    Down,
    /// Its host answers for itself: its agent has ended, and may be starting again.
    AgentGone,
    /// Its pulse is gone; nothing was removed.
    AgentSilent,
    /// Its pulse came back before it was removed.
    AgentBack,
    /// It was removed because its agent did not come back.
    AgentLost,
    /// The server left in a clean shutdown.
    Left,
    /// This server is back after a removal, with a new incarnation.
    Rejoined,
    /// This server found itself removed.
    Removed,
    /// The pool is frozen: no server is removed.
    Frozen,
    /// The pool is no longer frozen.
    Thawed,
    /// The brake holds back a removal (R11).
    Braked,
    /// An operator said that a removed server is gone for good: the brake counts it no longer (R11).
    Forgotten,
    /// An operator repaired the ring's links.
    Repaired,
    /// A suspicion did not count, and why.
    Void,
    /// A removal was due and was not made, and why.
    Held,
    /// An asked witness hears a server that this one does not hear: a broken link.
    BrokenLink,
    /// This server moves to another place on the ring, because it hears neither of its buddies.
    Moving,
    /// This server cannot enter the ring yet, and why.
    Waiting,
    /// The database does not answer, and why.
    DatabaseAway,
    /// The database answers again.
    DatabaseBack,
    /// The table is as it was some time ago: a restore, or a failover that lost commits. This server starts from what
    /// is there.
    TableWentBack,
    /// This server cannot see the subject, or anybody if that is itself, and why.
    Blind,
    /// It sees again.
    SeesAgain,
    /// The interface or the address that this server probes from changed, and how.
    HostChanged,
    /// A service check changed, or new clients should stay away or come again (`draining`).
    Service,
}

words! { EventKind:
    Joined = "joined",
    Buddies = "buddies",
    Alive = "alive",
    Suspect = "suspect",
    Vote = "vote",
    VoteWithdrawn = "vote_withdrawn",
    Down = "down",
    AgentGone = "agent_gone",
    AgentSilent = "agent_silent",
    AgentBack = "agent_back",
    AgentLost = "agent_lost",
    Left = "left",
    Rejoined = "rejoined",
    Removed = "removed",
    Frozen = "frozen",
    Thawed = "thawed",
    Braked = "braked",
    Forgotten = "forgotten",
    Repaired = "repaired",
    Void = "void",
    Held = "held",
    BrokenLink = "broken_link",
    Moving = "moving",
    Waiting = "waiting",
    DatabaseAway = "database_away",
    DatabaseBack = "database_back",
    TableWentBack = "table_went_back",
    Blind = "blind",
    SeesAgain = "sees_again",
    HostChanged = "host_changed",
    Service = "service",
}

/// What happened, and how: `{"kind": ..., "detail": {...}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
#[expect(missing_docs, reason = "EventKind says what each one is")]
pub enum EventBody {
    Joined(Joined),
    /// Names of the buddies; `None` in a ring of one.
    Buddies {
        first: Option<String>,
        second: Option<String>,
    },
    Alive {
        incarnation: Incarnation,
    },
    Suspect(Suspected),
    Vote {
        kind: VoteKind,
        side: Side,
    },
    VoteWithdrawn {
        kind: VoteKind,
    },
    Down(Removed),
    /// How long there was no pulse. The host answers for itself, so the agent has ended; it may be starting again.
    AgentGone {
        silence_ms: f64,
    },
    /// How long there was no pulse.
    AgentSilent {
        silence_ms: f64,
    },
    AgentBack {},
    AgentLost(Removed),
    Left(Left),
    Rejoined(Joined),
    /// The cause, if the table has an event about it.
    Removed {
        #[serde(flatten)]
        cause: Option<Box<Cause>>,
    },
    Frozen(Frozen),
    /// In the table: why the pool had been frozen.
    Thawed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    Braked(Braked),
    Forgotten {},
    Repaired(Repaired),
    /// How many suspicions the fault undid.
    Void {
        fault: LocalFault,
        suspicions: u64,
    },
    Held {
        why: Held,
    },
    /// The server that answered the question, and how long this one had not heard the subject.
    BrokenLink {
        witness: ServerId,
        silence_ms: Option<f64>,
    },
    Moving {
        misplaced_ms: f64,
    },
    Waiting {
        why: String,
    },
    DatabaseAway {
        cause: String,
    },
    DatabaseBack {
        away_ms: f64,
    },
    TableWentBack(WentBack),
    /// Whether this server sees nobody at all.
    Blind {
        all: bool,
        why: Blindness,
    },
    /// For how long it was blind.
    SeesAgain {
        all: bool,
        blind_ms: f64,
    },
    /// The interface has this name now, or had it last.
    HostChanged {
        change: HostChange,
        interface: String,
    },
    Service(Service),
}

impl EventBody {
    /// The kind of this event.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Joined(_) => EventKind::Joined,
            Self::Buddies { .. } => EventKind::Buddies,
            Self::Alive { .. } => EventKind::Alive,
            Self::Suspect(_) => EventKind::Suspect,
            Self::Vote { .. } => EventKind::Vote,
            Self::VoteWithdrawn { .. } => EventKind::VoteWithdrawn,
            Self::Down(_) => EventKind::Down,
            Self::AgentGone { .. } => EventKind::AgentGone,
            Self::AgentSilent { .. } => EventKind::AgentSilent,
            Self::AgentBack {} => EventKind::AgentBack,
            Self::AgentLost(_) => EventKind::AgentLost,
            Self::Left(_) => EventKind::Left,
            Self::Rejoined(_) => EventKind::Rejoined,
            Self::Removed { .. } => EventKind::Removed,
            Self::Frozen(_) => EventKind::Frozen,
            Self::Thawed { .. } => EventKind::Thawed,
            Self::Braked(_) => EventKind::Braked,
            Self::Forgotten {} => EventKind::Forgotten,
            Self::Repaired(_) => EventKind::Repaired,
            Self::Void { .. } => EventKind::Void,
            Self::Held { .. } => EventKind::Held,
            Self::BrokenLink { .. } => EventKind::BrokenLink,
            Self::Moving { .. } => EventKind::Moving,
            Self::Waiting { .. } => EventKind::Waiting,
            Self::DatabaseAway { .. } => EventKind::DatabaseAway,
            Self::DatabaseBack { .. } => EventKind::DatabaseBack,
            Self::TableWentBack(_) => EventKind::TableWentBack,
            Self::Blind { .. } => EventKind::Blind,
            Self::SeesAgain { .. } => EventKind::SeesAgain,
            Self::HostChanged { .. } => EventKind::HostChanged,
            Self::Service(_) => EventKind::Service,
        }
    }

    /// The event of a removal, of either kind.
    #[must_use]
    pub fn removed(kind: VoteKind, removed: Removed) -> Self {
        match kind {
            VoteKind::Host => Self::Down(removed),
            VoteKind::Agent => Self::AgentLost(removed),
        }
    }

    /// What is known about a removal, and its kind; `None`: this is another event.
    #[must_use]
    pub const fn removal(&self) -> Option<(VoteKind, &Removed)> {
        if let Self::Down(removed) = self {
            Some((VoteKind::Host, removed))
        } else if let Self::AgentLost(removed) = self {
            Some((VoteKind::Agent, removed))
        } else {
            None
        }
    }
}

/// One transition, as an agent reports it. The event log adds `at` (wall clock) and `server` (the reporting server).
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened, on this machine's monotonic clock.
    pub mono: Time,
    /// Name of the server or the pool that it is about.
    pub subject: String,
    /// What happened, and how.
    pub body: EventBody,
}

impl Event {
    /// The kind of this event.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.body.kind()
    }
}
