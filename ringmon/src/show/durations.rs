//! How long things took, counted in a few classes.

use std::time::Duration;

use serde::Serialize;

/// A histogram of durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Durations {
    /// How many were in each class; the last one has no upper bound.
    pub counts: [u64; Self::BOUNDS_MS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Durations {
    /// The upper bounds of the classes, in milliseconds: from a local database to the time at which the store gives up.
    pub const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 2_500];

    /// Counts one.
    pub fn count(&mut self, took: Duration) {
        let class = Self::BOUNDS_MS.iter().position(|&ms| took <= Duration::from_millis(ms));
        self.counts[class.unwrap_or(Self::BOUNDS_MS.len())] += 1;
        self.sum += took;
    }
}
