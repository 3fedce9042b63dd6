//! What a server says of itself: the same words in its configuration, in its row, and to those that route clients to
//! it.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::id::BootToken;

/// An address of a server. (`core::net` is the clock-free, socket-free part of the standard library's `net`.)
pub type Address = core::net::IpAddr;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Unique in its pool, case-sensitive.
    pub name: String,
    /// Where it is probed; unique in its pool.
    pub address: Address,
    /// Where its notices go (UDP, at `address`).
    pub notice_port: u16,
    /// Where clients go.
    pub clients: Clients,
    /// Which installation holds the name.
    pub boot: BootToken,
}

/// How clients reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// Where they go; `None`: where it is probed.
    pub address: Option<Address>,
    /// At which port; `None`: at the one that a routing server is told.
    pub port: Option<u16>,
    /// Its share of them, relative to the other servers'.
    pub weight: u16,
}
