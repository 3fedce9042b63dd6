//! Notices under way: which to send again, and when. It has no clock and no socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringmon_core::Notice;

/// When a notice is sent, counted from its first send. The gaps grow, so it outlasts a short outage, and a dead
/// receiver costs only five datagrams.
const SENDS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(150),
    Duration::from_millis(400),
];
/// When an unacknowledged notice is forgotten, counted from its first send.
pub const FORGET: Duration = Duration::from_millis(800);
/// How many may be under way at a time.
pub const CAPACITY: usize = 256;

#[derive(Debug)]
pub struct Outbox {
    pending: BTreeMap<u64, Pending>,
    forget: Duration,
}

#[derive(Debug)]
struct Pending {
    to: SocketAddr,
    notice: Notice,
    began: Instant,
    sends: usize,
}

impl Pending {
    /// When it is sent again, or forgotten.
    fn due(&self, forget: Duration) -> Instant {
        self.began + SENDS.get(self.sends).copied().unwrap_or(forget)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    Send {
        to: SocketAddr,
        nonce: u64,
        notice: Notice,
        /// Whether it was sent before.
        again: bool,
    },
    /// It was never acknowledged by this receiver, and is forgotten.
    GaveUp(SocketAddr),
}

impl Outbox {
    #[must_use]
    pub fn new(forget: Duration) -> Self {
        Self { pending: BTreeMap::new(), forget }
    }

    /// Adds a notice, which is due at once. False if there is no room: then nothing was added.
    pub fn push(&mut self, now: Instant, nonce: u64, to: SocketAddr, notice: Notice) -> bool {
        if self.pending.len() >= CAPACITY {
            return false;
        }
        self.pending.insert(nonce, Pending { to, notice, began: now, sends: 0 });
        true
    }

    /// `from` acknowledges `nonce`. False if no such notice was under way to it.
    pub fn acknowledged(&mut self, from: SocketAddr, nonce: u64) -> bool {
        let ours = self.pending.get(&nonce).is_some_and(|pending| pending.to == from);
        if ours {
            self.pending.remove(&nonce);
        }
        ours
    }

    /// When something is due next.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.pending.values().map(|pending| pending.due(self.forget)).min()
    }

    /// A notice that is due at `now`; `None`: no more.
    pub fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let forget = self.forget;
        let (&nonce, pending) = self.pending.iter_mut().find(|(_, pending)| pending.due(forget) <= now)?;
        if pending.sends == SENDS.len() {
            let to = pending.to;
            self.pending.remove(&nonce);
            return Some(Due::GaveUp(to));
        }
        pending.sends += 1;
        Some(Due::Send { to: pending.to, nonce, notice: pending.notice.clone(), again: pending.sends > 1 })
    }
}
