//! What operations on the server table come to.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::row::{Address, Mode, VoteKind};
use super::{Incarnation, ServerId};
use crate::words;

/// Who was removed, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The row that is gone.
    pub server: ServerId,
    /// Its name.
    pub name: String,
    /// Its address: where it is told so.
    pub address: Address,
    /// Its notice port.
    pub notice_port: u16,
    /// Host or agent.
    pub kind: VoteKind,
    /// The names of those who said so.
    pub voters: Vec<String>,
}

/// What an operation came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Only read.
    Read,
    /// The own row is there, with this incarnation. [`ServerId::NEW`]: see the snapshot by name; executors fill in the
    /// id of an inserted row.
    Joined {
        /// Own id.
        id: ServerId,
        /// Own incarnation.
        incarnation: Incarnation,
        /// Whether an existing row was taken over, with its place on the ring.
        kept_place: bool,
    },
    /// The row is gone, or was already.
    Left,
    /// Votes were written or renewed.
    Voted {
        /// Against whom.
        subjects: Vec<ServerId>,
    },
    /// Votes were taken back.
    Withdrawn,
    /// The alone mark was changed.
    AloneMarked,
    /// A run was spliced out; the two servers on its ends are buddies now.
    Removed {
        /// Who is gone.
        removed: Vec<Removal>,
        /// The servers on the ends of the run.
        ends: (ServerId, ServerId),
    },
    /// Something else was written (health, draining, thaw).
    Written,
    /// The pool was frozen by the brake, and nobody removed.
    Braked,
    /// Nothing written: the rule that held it back.
    Held(Held),
    /// Nothing written: the table is not as the operation believed. The snapshot has it as it is.
    Stale,
    /// Nothing written: the caller's check said no at the last moment (R7).
    Overtaken,
    /// Nothing written: the name is another server's, which still answers, or may.
    NameTaken {
        /// Where the other one is.
        address: Address,
    },
    /// Nothing written: the address is that of another row.
    AddressTaken {
        /// Whose.
        name: String,
    },
}

/// Why a removal that was asked for is not made, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The second witness has not spoken (or its vote expired, or died with its incarnation).
    NoSecondVote,
    /// R3: the votes are younger than H.
    TooYoung,
    /// R4: the suspect accuses one of its accusers.
    Mutual,
    /// R5: the first vote is older than this voter's silence.
    OtherSilence,
    /// R6: not silent for long enough.
    TooShort,
    /// The agent may still come back.
    AgentTimeout,
    /// R2: nobody with a fresh pulse was heard since the silence began.
    UnhealthyVoter,
    /// R2: another server is alone too, or accuses this one.
    AloneBlocked,
    /// R12: an asked witness heard the suspect: its links to this server are broken, not it.
    Proved,
    /// R11: the pool is frozen.
    Frozen,
    /// R11: the pool, or this agent, only observes.
    Observing,
}

words! { Held:
    NoSecondVote = "no_second_vote",
    TooYoung = "too_young",
    Mutual = "mutual",
    OtherSilence = "other_silence",
    TooShort = "too_short",
    AgentTimeout = "agent_timeout",
    UnhealthyVoter = "unhealthy_voter",
    AloneBlocked = "alone_blocked",
    Proved = "proved",
    Frozen = "frozen",
    Observing = "observing",
}

/// Whether this agent may write removals: the pool's word and its own, the stricter of the two.
#[must_use]
pub fn effective_mode(pool: Mode, own: Mode) -> Mode {
    match (pool, own) {
        (Mode::Act, Mode::Act) => Mode::Act,
        (Mode::Observe, Mode::Act | Mode::Observe) | (Mode::Act, Mode::Observe) => Mode::Observe,
    }
}
