//! Notices under way: when to send which again. No clock and no socket of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringmon_core::Notice;

/// When a notice is sent, counted from its first send. The gaps grow, so that a short outage is outlived and a dead receiver costs
/// five datagrams.
const SENDS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(150),
    Duration::from_millis(400),
];
/// When an unacknowledged notice is forgotten, counted from its first send.
pub const FORGET: Duration = Duration::from_millis(800);
/// How many may be under way.
pub const CAPACITY: usize = 256;

/// Notices under way, by nonce.
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

/// What to do with a notice whose time has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Send it.
    Send {
        /// To whom.
        to: SocketAddr,
        /// With this nonce.
        nonce: u64,
        /// What.
        notice: Notice,
        /// Whether it was sent before.
        again: bool,
    },
    /// It was never acknowledged, and is gone.
    GaveUp,
}

impl Outbox {
    /// An empty one, which forgets a notice after `forget`.
    #[must_use]
    pub fn new(forget: Duration) -> Self {
        Self { pending: BTreeMap::new(), forget }
    }

    /// Takes a notice on; it is due at once. False if there is no room: nothing was taken.
    pub fn push(&mut self, now: Instant, nonce: u64, to: SocketAddr, notice: Notice) -> bool {
        if self.pending.len() >= CAPACITY {
            return false;
        }
        self.pending.insert(nonce, Pending { to, notice, began: now, sends: 0 });
        true
    }

    /// `from` acknowledges `nonce`. False if that was not under way to it.
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

    /// Something that is due at `now`, until `None`.
    pub fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let forget = self.forget;
        let (&nonce, pending) = self.pending.iter_mut().find(|(_, pending)| pending.due(forget) <= now)?;
        if pending.sends == SENDS.len() {
            self.pending.remove(&nonce);
            return Some(Due::GaveUp);
        }
        pending.sends += 1;
        Some(Due::Send { to: pending.to, nonce, notice: pending.notice.clone(), again: pending.sends > 1 })
    }
}
