//! What is published: a list of servers, and why each is routed or not.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::row::Address;
use crate::{Incarnation, ServerId, words};

/// Why a server is routed, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Routed: nothing is known against it.
    Active,
    /// Not routed: an operator or its own clean shutdown asked for no new clients.
    Draining,
    /// Not routed: its own service check fails.
    Failing,
    /// Not routed: a buddy does not hear it and has voted against it.
    Suspect,
    /// Routed, although nothing supports it: the list is frozen, and the server was routed before.
    Kept,
}

words! { Standing:
    Active = "active",
    Draining = "draining",
    Failing = "failing",
    Suspect = "suspect",
    Kept = "kept",
}

impl Standing {
    /// Whether clients are sent there.
    #[must_use]
    pub const fn is_routed(self) -> bool {
        matches!(self, Self::Active | Self::Kept)
    }
}

/// One server, as clients and routing servers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Id of its row.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Incarnation of the server.
    pub incarnation: Incarnation,
    /// The address for clients.
    pub address: Address,
    /// The port for clients, if the server specifies one.
    pub port: Option<u16>,
    /// Its current share of clients, relative to the others. During its slow start it is lower than its configured
    /// weight.
    pub weight: u16,
    /// Whether it is routed, and why.
    pub standing: Standing,
}

/// Why the list is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// How many servers would be left.
    pub left: usize,
    /// Out of how many.
    pub of: usize,
}

/// The list of servers that clients may be sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// All known servers, by name.
    pub servers: Vec<Route>,
    /// Why the list is frozen; `None`: it is not.
    pub panic: Option<Panic>,
    /// Names of servers that two witnesses found dead in the last minute and that are not back. There is no point in
    /// waiting for one of them.
    #[serde(default)]
    pub dead: Vec<String>,
}

impl Routes {
    /// The servers to which clients are sent.
    pub fn routed(&self) -> impl Iterator<Item = &Route> {
        self.servers.iter().filter(|route| route.standing.is_routed())
    }

    /// One of the routed servers, chosen by a random number from 0 to 1 and in proportion to the weights. Without
    /// weights, all are equally likely.
    #[must_use]
    pub fn pick(&self, random: f64) -> Option<&Route> {
        let total: u64 = self.routed().map(|route| u64::from(route.weight)).sum();
        let share = |route: &Route| if total == 0 { 1 } else { u64::from(route.weight) };
        let all: u64 = self.routed().map(share).sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "weights are small"
        )]
        let mut at = (random.clamp(0.0, 1.0) * all as f64) as u64;
        let last = self.routed().filter(|route| share(route) > 0).last();
        let hit = self.routed().find(|route| {
            let inside = at < share(route);
            at = at.saturating_sub(share(route));
            inside
        });
        hit.or(last)
    }
}
