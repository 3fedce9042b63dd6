//! How healthy this server itself is. A server that is often late requires more evidence before it accuses others.
//!
//! After Lifeguard's local health multiplier (Dadgar, Phillips, Currey: "Lifeguard: Local Health Awareness for More
//! Accurate Failure Detection", DSN-W 2018, section III-A): a score from 0 to 8 that grows with each local fault and
//! shrinks with each second without one. Lifeguard stretches its timeouts by the score. ringmon requires that many
//! times the misses and the silence.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Time;

/// The highest score.
const MOST: u32 = 8;
/// The score drops by one after each such span without a fault.
const PER: Duration = Duration::from_secs(1);
/// Faults closer together than this count as one: several threads notice the same stall.
const SAME: Duration = Duration::from_millis(100);

/// The score of this server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lateness {
    score: u32,
    /// When the last fault was counted.
    at: Option<Time>,
}

impl Lateness {
    /// This machine was late.
    pub fn fault(&mut self, now: Time) {
        if self.at.is_some_and(|at| now.since(at) < SAME) {
            return;
        }
        self.score = (self.score(now) + 1).min(MOST);
        self.at = Some(now);
    }

    /// From 0 (no recent fault) to 8.
    #[must_use]
    pub fn score(&self, now: Time) -> u32 {
        let calm = self.at.map_or(Duration::ZERO, |at| now.since(at));
        self.score.saturating_sub(u32::try_from(calm.as_secs() / PER.as_secs()).unwrap_or(u32::MAX))
    }

    /// How many times the usual evidence is required.
    #[must_use]
    pub fn factor(&self, now: Time) -> u32 {
        self.score(now) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_ns(ms * 1_000_000)
    }

    #[test]
    fn each_late_moment_counts_once_and_the_score_has_an_end() {
        let mut late = Lateness::default();
        assert_eq!(late.factor(at(0)), 1);
        late.fault(at(1000));
        late.fault(at(1050));
        assert_eq!(late.factor(at(1050)), 2, "found twice");
        (0..50).for_each(|n| late.fault(at(2000 + n * 150)));
        assert_eq!(late.score(at(9400)), MOST);
    }

    #[test]
    fn it_is_forgiven_a_point_a_second() {
        let mut late = Lateness::default();
        (0..5).for_each(|n| late.fault(at(1000 + n * 150)));
        let scores: Vec<u32> = (0..7).map(|s| late.score(at(1600 + s * 1000))).collect();
        assert_eq!(scores, [5, 4, 3, 2, 1, 0, 0]);
    }
}
