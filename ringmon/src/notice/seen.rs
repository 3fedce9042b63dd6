//! Which notices were handed on already.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// The most recent notices, so that a retry or a replayed datagram is not handed on again. One that is older than all of these would be:
/// it makes its receiver re-read its row once, which is all a notice can do.
const REMEMBERED: usize = 4096;

/// Senders and nonces of recent notices.
#[derive(Debug, Default)]
pub struct Seen {
    order: VecDeque<(SocketAddr, u64)>,
    set: BTreeSet<(SocketAddr, u64)>,
}

impl Seen {
    /// Whether this notice was handed on.
    #[must_use]
    pub fn contains(&self, from: SocketAddr, nonce: u64) -> bool {
        self.set.contains(&(from, nonce))
    }

    /// It is handed on now.
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
