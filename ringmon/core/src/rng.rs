//! Random numbers from a seed: one seed replays one history.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one word of state,
/// and every seed is good. For jitter and places on the ring, never for secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rng(u64);

impl Rng {
    /// The generator for this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64-bit number.
    pub const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0. (The bias of the remainder is below 2^-32 for the ranges used here.)
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.word() % end }
    }

    /// A number from 0 to `i64::MAX`, to pick a random server with.
    pub fn pick(&mut self) -> i64 {
        i64::try_from(self.word() >> 1).unwrap_or(i64::MAX)
    }

    /// True with a probability of `permille` in a thousand.
    pub const fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// A span from `low` to `high`.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let width = u64::try_from(high.saturating_sub(low).as_nanos()).unwrap_or(u64::MAX);
        low + Duration::from_nanos(self.below(width.saturating_add(1)))
    }

    /// `span`, longer or shorter by up to `percent` per cent.
    pub fn around(&mut self, span: Duration, percent: u32) -> Duration {
        let off = span * percent / 100;
        self.between(span.saturating_sub(off), span + off)
    }
}
