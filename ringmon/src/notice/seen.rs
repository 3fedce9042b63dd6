//! Which notices were already handed to the agent.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// Remembers the most recent notices, so that a retry or a replayed datagram is not handed on again. One older than all
/// of these would be, and so would any after a restart. Most kinds make their receiver read its row. Others can make it
/// wait longer before a removal, probe, or stop telling a router; and a proof counts, where servers are probed in wire
/// version 1 (`docs/notices.md`, "What it does not protect").
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
pub struct Seen {
    order: VecDeque<(SocketAddr, u64)>,
    set: BTreeSet<(SocketAddr, u64)>,
}

impl Seen {
    /// Whether this notice was already handed on.
    #[must_use]
    pub fn contains(&self, from: SocketAddr, nonce: u64) -> bool {
        self.set.contains(&(from, nonce))
    }

    pub fn insert(&mut self, from: SocketAddr, nonce: u64) {
        if !self.set.insert((from, nonce)) {
            return;
        }
        self.order.push_back((from, nonce));
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }
}
