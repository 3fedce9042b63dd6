//! The buckets of round-trip times: four to each doubling, so that a bound is at most a quarter off.

/// Buckets of a watch.
pub const BUCKETS: usize = 96;
/// Everything below 2^10 ns, about a microsecond, is the first bucket.
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

/// The bound above a bucket, in nanoseconds: everything in it is below this. The last has none.
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

#[cfg(test)]
mod tests {
    use super::*;

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
