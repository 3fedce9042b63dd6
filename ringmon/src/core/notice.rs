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
    /// Probe `address` for a second, so that it sees itself heard (joins; later R12).
    ProbeMe {
        /// Where.
        address: Address,
    },
}
