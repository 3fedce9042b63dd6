//! What a server says about itself. The same fields appear in its configuration, in its row, and towards the routers
//! that send clients to it.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::id::BootToken;

/// Address of a server. (`core::net` is the part of the standard library's `net` without clocks and sockets.)
pub type Address = core::net::IpAddr;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Unique in its pool, case-sensitive.
    pub name: String,
    /// The address that is probed. Unique in its pool.
    pub address: Address,
    /// UDP port on which it takes notices, at `address`.
    pub notice_port: u16,
    /// How clients reach it.
    pub clients: Clients,
    /// The installation that has this name.
    pub boot: BootToken,
}

/// How clients reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// The address for clients; `None`: the same as the probed one.
    pub address: Option<Address>,
    /// The port for clients; `None`: the port that a router is configured with.
    pub port: Option<u16>,
    /// Its share of the clients, relative to the other servers.
    pub weight: u16,
}
