//! Pauses that grow: between tries of the database, and between a removal and the next join.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Time;
use super::rng::Rng;

/// A pause that doubles with each failure. It is jittered so that the servers of a pool do not act at the same moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses from `first` to `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The next pause: between half of the doubled span and all of it, so it is never zero.
    pub fn next(&mut self, rng: &mut Rng) -> Duration {
        let span = self.first.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        rng.between(span / 2, span)
    }

    /// The next failure starts with the shortest pause again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Rejoins of one running process. A server that is removed again and again must not shake the ring every second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rejoin {
    pause: Backoff,
    member_since: Option<Time>,
}

impl Rejoin {
    /// A server that was a member for this long has proved itself: its next removal starts with a short pause again.
    const PROVED: Duration = Duration::from_secs(600);

    /// Pauses of 0.4 to 0.8 s at first, and of at most a minute.
    #[must_use]
    pub const fn new() -> Self {
        Self { pause: Backoff::new(Duration::from_millis(800), Duration::from_secs(60)), member_since: None }
    }

    /// The server was spliced in.
    pub const fn joined(&mut self, now: Time) {
        self.member_since = Some(now);
    }

    /// The server found itself removed: how long it waits before it joins.
    pub fn removed(&mut self, now: Time, rng: &mut Rng) -> Duration {
        if self.member_since.take().is_some_and(|since| now.since(since) >= Self::PROVED) {
            self.pause.reset();
        }
        self.pause.next(rng)
    }
}

impl Default for Rejoin {
    fn default() -> Self {
        Self::new()
    }
}
