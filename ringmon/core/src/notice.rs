//! What agents and routers tell each other. Notices are hints to read the table again, never the truth.

use serde::{Deserialize, Serialize};

use super::row::Address;
use super::{Incarnation, ServerId};

/// One notice. The notice room authenticates, acknowledges and retries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Id of the sender's row; [`ServerId::NEW`] before its row exists.
    pub from: ServerId,
    /// Incarnation of the sender.
    pub incarnation: Incarnation,
    /// What the notice says.
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
        /// The server that left or came.
        subject: ServerId,
    },
    /// You were removed: read your row.
    Removed {
        /// The receiver itself.
        subject: ServerId,
    },
    /// Probe `address` for a second, so that the server there sees that it is heard (joins).
    ProbeMe {
        /// Address to probe.
        address: Address,
    },
    /// R12: I do not hear `address`. Do you?
    Ask {
        /// Address of the suspect.
        address: Address,
    },
    /// R12: the answer to [`Self::Ask`]. The suspect was heard, with a pulse, after the question came. Silence is not
    /// an answer.
    Proof {
        /// The life that was heard. The question said of which server.
        incarnation: Incarnation,
        /// How many milliseconds before this notice was sent it was heard.
        age_ms: u32,
    },
    /// R6: I was removed although I was alive, and no server heard me for this long. Wait longer before you remove me
    /// again.
    Outage {
        /// Length of the silence, in milliseconds.
        silence_ms: u32,
    },
    /// From a router: tell me, at the address that this comes from, about every table change that you make or see.
    Follow {
        /// For this many seconds; 0: stop.
        seconds: u32,
    },
    /// To a router, or from an operator's command: the row of `subject` has changed or is gone. Read it.
    Changed {
        /// The server whose row changed.
        subject: ServerId,
    },
}
