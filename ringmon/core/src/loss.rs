//! How much a watch loses by itself, and so how many misses in a row are needed before they mean anything.
//!
//! The model: each probe or its reply gets lost independently with probability p. Then n misses in a row happen by
//! chance with probability p^n, counted from any one probe, and n = ceil(ln alpha / ln p) keeps that below alpha.
//! `docs/detector.md` says where the model is wrong and what covers these cases.

use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::evidence::WatchReading;
use super::law;

/// A suspicion needs so many misses in a row that they happen by chance less often than once in 1 / `ALPHA` probes.
pub const ALPHA: f64 = 1e-9;
/// Every network is assumed to lose at least this share.
const FLOOR: f64 = 0.001;
/// No more than this many misses are required. Beyond it (p above 0.72) a watch says nothing useful in time.
const MOST: u32 = 64;
/// Length of the long window, in probes.
const LONG: u64 = 512;
/// Length of the short window, in probes. It shows what has just become worse.
const SHORT: u64 = 64;
/// Probes between two marks.
const STEP: u64 = 16;

/// Probes sent and lost since a watch began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    sent: u64,
    lost: u64,
}

/// What one watch knows about its own loss.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Loss {
    /// Oldest first. The oldest is about [`LONG`] probes back.
    marks: VecDeque<Mark>,
    now: Mark,
    /// Misses that the datapath had counted at the last calm reading.
    misses: u64,
    /// The misses of the current run, if there is one.
    run: u32,
    needed: u32,
}

impl Default for Loss {
    /// The state of a new watch: as if 64 probes had left and one of them had been lost.
    fn default() -> Self {
        let now = Mark { sent: SHORT, lost: 1 };
        let marks = VecDeque::from([Mark::default()]);
        let mut loss = Self { marks, now, misses: 0, run: 0, needed: 0 };
        loss.needed = needed(loss.share());
        loss
    }
}

impl Loss {
    /// How many misses in a row make a suspicion. The number does not change during a run of misses: a run is not
    /// evidence against itself.
    #[must_use]
    pub const fn needed(&self) -> u32 {
        self.needed
    }

    /// Takes in a reading. The misses of a run count when the run is over. A run that was long enough for a suspicion
    /// was an outage, which says almost nothing about chance: it counts as one miss.
    pub fn observe(&mut self, reading: &WatchReading) {
        if reading.consecutive > 0 {
            self.run = self.run.max(reading.consecutive);
            return;
        }
        let outage = if self.run >= self.needed { self.run - 1 } else { 0 };
        let lost = reading.misses.saturating_sub(self.misses).saturating_sub(u64::from(outage));
        let sent = SHORT + reading.sent + reading.unresolved;
        if self.run == 0 && lost == 0 && sent < self.now.sent + STEP {
            return;
        }
        (self.misses, self.run) = (reading.misses, 0);
        self.now = Mark { sent: sent.saturating_sub(u64::from(outage)).max(self.now.sent), lost: self.now.lost + lost };
        if self.marks.back().is_none_or(|last| self.now.sent >= last.sent + STEP) {
            self.marks.push_back(self.now);
        }
        while self.marks.get(1).is_some_and(|next| next.sent + LONG <= self.now.sent) {
            self.marks.pop_front();
        }
        self.needed = needed(self.share());
    }

    /// The share of probes that is lost (0 to 1), with a margin for its uncertainty.
    #[must_use]
    pub fn share(&self) -> f64 {
        let (long, count) = self.window(LONG);
        let (short, few) = self.window(SHORT);
        // The short window is worse than the long one by more than chance explains.
        if short > long + 3.0 * sigma(long.max(FLOOR), few) {
            short + 2.0 * sigma(short, few)
        } else {
            long + 2.0 * sigma(long, count)
        }
    }

    /// The mean over the last `probes`, and the number of probes that it covers.
    fn window(&self, probes: u64) -> (f64, f64) {
        let within = |mark: &&Mark| mark.sent + probes >= self.now.sent;
        let from = self.marks.iter().find(within).or(self.marks.back()).copied().unwrap_or_default();
        let count = (self.now.sent - from.sent).max(1) as f64;
        let lost = (self.now.lost - from.lost) as f64;
        ((lost / count).min(1.0), count)
    }
}

/// Standard deviation of the mean of `count` independent probes (binomial).
fn sigma(share: f64, count: f64) -> f64 {
    libm::sqrt(share * (1.0 - share) / count.max(1.0))
}

/// How many misses in a row chance produces less often than [`ALPHA`].
#[must_use]
pub fn needed(share: f64) -> u32 {
    let share = share.max(FLOOR);
    if share >= 0.99 {
        return MOST;
    }
    let many = libm::ceil(libm::log(ALPHA) / libm::log(share));
    (many as u32).clamp(law::SUSPECT_MISSES, MOST)
}

#[cfg(test)]
mod tests;
