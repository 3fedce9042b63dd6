//! Which notices were already handed to the agent.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// Remembers the most recent notices, so that a retry or a replayed datagram is not handed on again. A notice older
/// than all of these would be: it makes its receiver read its row again once, and a notice can do no more than that.
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
