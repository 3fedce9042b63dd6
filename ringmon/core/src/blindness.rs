//! Why a server cannot see others. A blind server hears nobody because of itself, so its silences say nothing.

use serde::{Deserialize, Serialize};

use crate::words;

/// Why this server does not see another one, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// A filter of this machine drops its probes (EPERM).
    Filtered,
    /// A route of this machine forbids them, or leads nowhere.
    NoRoute,
    /// This machine no longer has the address that probes are sent from.
    NoAddress,
    /// The interface is gone.
    NoDevice,
    /// The interface is down.
    LinkDown,
    /// The kernel's neighbour table is full, so no hardware address can be looked up.
    NeighboursFull,
    /// The kernel took the probes, and none was seen leaving.
    Unstamped,
    /// Probes leave and others' probes arrive here, but nobody answers.
    NoAnswer,
    /// Probes leave, and nothing of anybody arrives.
    ReceivePath,
    /// Nothing proves life and nothing is missed, for a cause that nobody has found.
    Unknown,
}

impl Blindness {
    /// Whether something here was found that holds probes up. Otherwise others may just be silent.
    #[must_use]
    pub const fn is_of_this_machine(self) -> bool {
        match self {
            Self::Filtered
            | Self::NoRoute
            | Self::NoAddress
            | Self::NoDevice
            | Self::LinkDown
            | Self::NeighboursFull
            | Self::Unstamped => true,
            Self::NoAnswer | Self::ReceivePath | Self::Unknown => false,
        }
    }
}

words! { Blindness:
    Filtered = "filtered",
    NoRoute = "no_route",
    NoAddress = "no_address",
    NoDevice = "no_device",
    LinkDown = "link_down",
    NeighboursFull = "neighbours_full",
    Unstamped = "unstamped",
    NoAnswer = "no_answer",
    ReceivePath = "receive_path",
    Unknown = "unknown",
}
