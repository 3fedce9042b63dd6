//! How operations on the server table end.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::row::{Address, Mode, VoteKind};
use super::{Incarnation, ServerId};
use crate::words;

/// A removed server, and the servers that accused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Id of the row that is gone.
    pub server: ServerId,
    /// Name of the removed server.
    pub name: String,
    /// Address of the removed server. The notice of its removal goes there.
    pub address: Address,
    /// UDP port on which it takes notices.
    pub notice_port: u16,
    /// Whether the host was silent or only its agent.
    pub kind: VoteKind,
    /// The names of the accusers, the remover first.
    pub voters: Vec<String>,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The operation only read.
    Read,
    /// The row of this server is there, with this incarnation. In a plan, [`ServerId::NEW`] is the row that it inserts:
    /// executors fill in its id.
    Joined {
        /// Id of this server's row.
        id: ServerId,
        /// Incarnation of this server.
        incarnation: Incarnation,
        /// Whether an existing row was taken over, with its place on the ring.
        kept_place: bool,
    },
    /// The row is gone, or already was.
    Left,
    /// Votes were written or renewed.
    Voted {
        /// The accused servers.
        subjects: Vec<ServerId>,
        /// Why they were not removed. (Recordings of earlier versions do not say.)
        #[serde(default)]
        held: Option<Held>,
    },
    /// Votes were taken back.
    Withdrawn,
    /// The alone mark was changed.
    AloneMarked,
    /// A run was spliced out. The two servers at its ends are buddies now.
    Removed {
        /// The servers that are gone.
        removed: Vec<Removal>,
        /// The servers at the ends of the run.
        ends: (ServerId, ServerId),
    },
    /// Something else was written (health, draining, thaw).
    Written,
    /// The brake held the removal back, and an event says so.
    Braked,
    /// Nothing was written: this rule held it back.
    Held(Held),
    /// Nothing was written: the table is not as the operation assumed. The snapshot shows how it is.
    Stale,
    /// Nothing was written: the caller's check said no at the last moment, or a removal met another's change and has to
    /// be asked for again (R7).
    Overtaken,
    /// Nothing was written: the name belongs to another server that still answers, or may.
    NameTaken {
        /// Address of the other server.
        address: Address,
    },
    /// Nothing was written: the address belongs to another row.
    AddressTaken {
        /// Name of the server that has the address.
        name: String,
    },
}

/// Why a removal that was asked for is not made, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The second witness has not voted (or its vote expired, or ended with its incarnation).
    NoSecondVote,
    /// R3: the suspect has not had the time that it needs to answer.
    TooYoung,
    /// R4: the suspect answered: it hears another server, or it needs a moment to find one.
    Answered,
    /// R5: the first vote is older than this voter's silence.
    OtherSilence,
    /// R6: the silence is too short.
    TooShort,
    /// The agent may still come back: `agent_timeout` is not over.
    AgentTimeout,
    /// R2: this server hears nobody, and the pool's `alone` rule does not let it remove all others.
    UnhealthyVoter,
    /// R2: another server is alone too, or accuses this one.
    AloneBlocked,
    /// R12: an asked witness heard the suspect. Its links to this server are broken, and the suspect is not.
    Proved,
    /// R7: what it rests on changed meanwhile, or was too old before it could be committed. It is tried again.
    Overtaken,
    /// R11: the pool is frozen.
    Frozen,
    /// R11: the pool, or this agent, only observes.
    Observing,
    /// R11: the brake. So many servers are gone that these may not go as well.
    Brake,
}

words! { Held:
    NoSecondVote = "no_second_vote",
    TooYoung = "too_young",
    Answered = "answered",
    OtherSilence = "other_silence",
    TooShort = "too_short",
    AgentTimeout = "agent_timeout",
    UnhealthyVoter = "unhealthy_voter",
    AloneBlocked = "alone_blocked",
    Proved = "proved",
    Overtaken = "overtaken",
    Frozen = "frozen",
    Observing = "observing",
    Brake = "brake",
}

/// Whether this agent may write removals: the stricter of the pool's mode and its own.
#[must_use]
pub fn effective_mode(pool: Mode, own: Mode) -> Mode {
    match (pool, own) {
        (Mode::Act, Mode::Act) => Mode::Act,
        (Mode::Observe, Mode::Act | Mode::Observe) | (Mode::Act, Mode::Observe) => Mode::Observe,
    }
}
