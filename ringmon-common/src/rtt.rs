//! Round-trip times. They have four buckets to each power of two, so that a bound is at most a quarter off. They also
//! say how long to wait for the next reply.

/// How many buckets a watch has.
pub const BUCKETS: usize = 96;
/// The first bucket holds everything below 2^10 ns, about a microsecond.
const FIRST_BIT: u32 = 10;

/// The bucket of a round trip.
#[inline(always)]
#[must_use]
pub const fn bucket(ns: u64) -> usize {
    if ns >> FIRST_BIT == 0 {
        return 0;
    }
    let bit = 63 - ns.leading_zeros();
    let index = 1 + ((bit - FIRST_BIT) * 4) as usize + (ns >> (bit - 2) & 3) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The upper bound of a bucket, in nanoseconds: everything in the bucket is below it. The last bucket has none.
#[must_use]
pub const fn upper_bound(bucket: usize) -> u64 {
    if bucket == 0 {
        return 1 << FIRST_BIT;
    }
    if bucket >= BUCKETS - 1 {
        return u64::MAX;
    }
    let bit = FIRST_BIT as usize + (bucket - 1) / 4;
    (1 << bit) + (((bucket - 1) % 4 + 1) as u64) * (1 << (bit - 2))
}

/// A smoothed round trip and its mean deviation; both are 0 before the first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Smooth {
    /// In nanoseconds.
    pub mean_ns: u64,
    /// In nanoseconds.
    pub deviation_ns: u64,
}

impl Smooth {
    /// Adds a round trip (RFC 6298, section 2: alpha 1/8, beta 1/4; the first one counts fully).
    #[inline(always)]
    #[must_use]
    pub const fn with(self, sample_ns: u64) -> Self {
        if self.mean_ns == 0 {
            return Self { mean_ns: sample_ns, deviation_ns: sample_ns / 2 };
        }
        let off = self.mean_ns.abs_diff(sample_ns);
        Self {
            mean_ns: self.mean_ns - self.mean_ns / 8 + sample_ns / 8,
            deviation_ns: self.deviation_ns - self.deviation_ns / 4 + off / 4,
        }
    }

    /// How long to wait for a reply: the mean plus four deviations, at least `least_ns` and at most `most_ns`.
    #[inline(always)]
    #[must_use]
    pub const fn deadline(self, least_ns: u64, most_ns: u64) -> u64 {
        let wanted = self.mean_ns.saturating_add(self.deviation_ns.saturating_mul(4));
        let wanted = if wanted > least_ns { wanted } else { least_ns };
        if wanted < most_ns { wanted } else { most_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_follows_the_round_trips_up_and_down_within_its_bounds() {
        let ms = 1_000_000;
        let after = |smooth: Smooth, sample: u64, times: usize| (0..times).fold(smooth, |s, _| s.with(sample));
        let near = after(Smooth::default(), ms / 10, 50);
        assert_eq!(near.deadline(5 * ms, 192 * ms), 5 * ms, "never below the least");
        let far = near.with(40 * ms).with(40 * ms);
        assert!(far.deadline(5 * ms, 192 * ms) > 40 * ms, "two late replies are enough: {far:?}");
        let settled = after(far, 40 * ms, 100);
        let deadline = settled.deadline(5 * ms, 192 * ms);
        assert!((40 * ms..45 * ms).contains(&deadline), "{settled:?}");
        assert!(after(settled, ms / 10, 100).deadline(5 * ms, 192 * ms) == 5 * ms);
        assert_eq!(after(Smooth::default(), 900 * ms, 9).deadline(5 * ms, 192 * ms), 192 * ms);
        assert_eq!(Smooth::default().with(u64::MAX).deadline(0, u64::MAX), u64::MAX, "nothing overflows");
    }

    #[test]
    fn every_time_is_below_its_buckets_bound_and_not_below_the_one_before() {
        let around = (0..40).flat_map(|bit| [0, 1, 2, 3].map(|quarter| (1_u64 << bit) + quarter * ((1 << bit) / 4)));
        for ns in around.flat_map(|ns| [ns.saturating_sub(1), ns, ns + 1]) {
            let found = bucket(ns);
            assert!(ns < upper_bound(found), "{ns} in {found}");
            assert!(found == 0 || ns >= upper_bound(found - 1), "{ns} in {found}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
