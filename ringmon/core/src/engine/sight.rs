//! Whether one watch shows anything: life, or a miss.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::blindness::Blindness;
use crate::evidence::WatchReading;
use crate::{Time, Tuning};

/// A watch without any evidence for so long is blind, and for no less than [`PROBES`] intervals.
const BARREN: Duration = Duration::from_millis(300);
/// The same if nothing says what holds probes up: a sender that gets no CPU time for a moment is no news.
const UNEXPLAINED: Duration = Duration::from_millis(800);
/// A server that has heard nobody for so long is blind, and for no less than twice [`PROBES`] intervals. A look ahead
/// (R1) finds somebody beyond two dead buddies in less.
const UNHEARD: Duration = Duration::from_millis(600);
/// How many probes must have come to nothing.
const PROBES: u32 = 4;
/// Of the time between two looks this much counts: if this loop stood still, nothing is known of the time in between.
const LOOK: Duration = Duration::from_millis(100);
/// What one watch has seen of late.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Sight {
    looked: Option<Time>,
    proof: Option<Time>,
    misses: u64,
    /// For how long there was neither life nor a miss.
    barren: Duration,
    /// For how long there was no life.
    unheard: Duration,
    /// Why this watch sees nothing.
    blind: Option<Blindness>,
    /// Since when that was reported, if it was.
    pub told: Option<Time>,
}

/// How long a watch must hear nothing to count as deaf.
pub(super) fn deaf(tuning: &Tuning) -> Duration {
    UNHEARD.max(tuning.interval * PROBES * 2)
}

impl Sight {
    /// Looks at a reading. True: the watch is blind.
    pub fn look(&mut self, now: Time, reading: &WatchReading, tuning: &Tuning) -> bool {
        let passed = self.looked.replace(now).map_or(Duration::ZERO, |before| now.since(before)).min(LOOK);
        let lives = reading.last_proof() > self.proof;
        let news = lives || reading.misses > self.misses;
        (self.proof, self.misses) = (reading.last_proof().max(self.proof), reading.misses);
        self.unheard = if lives { Duration::ZERO } else { self.unheard + passed };
        self.barren = if news { Duration::ZERO } else { self.barren + passed };
        let blind = self.is_blind_for(Duration::ZERO, reading, tuning);
        self.blind = blind.then(|| reading.held_up.unwrap_or(Blindness::Unknown));
        blind
    }

    /// Whether the watch has been blind for this long.
    pub fn is_blind_for(&self, long: Duration, reading: &WatchReading, tuning: &Tuning) -> bool {
        let wait = reading.patience.max(tuning.deadline);
        let least = if reading.held_up.is_some() { BARREN } else { UNEXPLAINED };
        self.barren >= least.max(tuning.interval * PROBES) + wait + long
    }

    /// Why it is blind, if it is.
    pub const fn blind(&self) -> Option<Blindness> {
        self.blind
    }

    /// Whether this watch shows nobody alive: it is blind, or it has long missed its server. `None`: that is not known
    /// yet, because it has just begun, or because nothing says that its probes are missed.
    pub fn is_dark(&self, tuning: &Tuning) -> Option<bool> {
        if self.blind.is_some() {
            return Some(true);
        }
        if self.unheard < deaf(tuning) {
            return self.proof.map(|_| false);
        }
        (self.barren < BARREN.max(tuning.interval * PROBES)).then_some(true)
    }
}
