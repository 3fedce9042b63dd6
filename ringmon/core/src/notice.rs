//! What agents and routers tell each other: hints to re-read, never the truth.

use serde::{Deserialize, Serialize};

use super::row::Address;
use super::{Incarnation, ServerId};

/// One notice. It is authenticated, acknowledged and retried by the notice room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who says so; [`ServerId::NEW`] before its row exists.
    pub from: ServerId,
    /// Which life of the sender.
    pub incarnation: Incarnation,
    /// What it says.
    pub body: NoticeBody,
}

/// What a notice says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeBody {
    /// I voted against `subject`: read its row.
    Voted {
        /// The suspect.
        subject: ServerId,
    },
    /// A splice that concerns you is committed: read your row.
    Spliced {
        /// Who left or came.
        subject: ServerId,
    },
    /// You were removed: read your row.
    Removed {
        /// You.
        subject: ServerId,
    },
    /// Probe `address` for a second, so that it sees itself heard (joins).
    ProbeMe {
        /// Where.
        address: Address,
    },
    /// R12: I do not hear `address`. Do you?
    Ask {
        /// Where the suspect is.
        address: Address,
    },
    /// R12: the answer to [`Self::Ask`]. It was heard, with a pulse, after the question came. Silence is no answer.
    Proof {
        /// The life that was heard; the question said of whom.
        incarnation: Incarnation,
        /// How long before this was sent.
        age_ms: u32,
    },
    /// R6: I was removed while I lived, and nobody heard me for so long. Wait for longer before you remove me again.
    Outage {
        /// For how long.
        silence_ms: u32,
    },
    /// From a router: tell me, where this comes from, of every change of the table that you make or see.
    Follow {
        /// For so long; 0: no more.
        seconds: u32,
    },
    /// To a router, or from an operator's command: the row of `subject` has changed, or is gone. Read it.
    Changed {
        /// Whose row.
        subject: ServerId,
    },
}
