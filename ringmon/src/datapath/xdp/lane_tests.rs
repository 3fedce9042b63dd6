use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

proptest! {
    #[test]
fn the_next_slot_is_on_the_grid_and_within_one_interval(
        after in 0..u64::MAX / 4, interval in 1..2000 * MS, seed: u64,
    ) {
        let next = next_slot(Time::from_ns(after), Duration::from_nanos(interval), seed).as_ns();
        prop_assert!(next > after && next - after <= interval);
        prop_assert_eq!(next % interval, seed % interval);
    }

    /// Bursts of 2 ms coincide with the probes of 20 ms, whatever the phase.
    #[test]
fn the_grid_of_a_divisor_contains_the_other(
        after in 0..u64::MAX / 4, divisor in 1..100_u64, times in 1..50_u64, seed: u64,
    ) {
        let (short, long) = (divisor * MS, divisor * times * MS);
        let coarse = next_slot(Time::from_ns(after), Duration::from_nanos(long), seed);
        let fine = next_slot(coarse - Duration::from_nanos(1), Duration::from_nanos(short), seed);
        prop_assert_eq!(fine, coarse);
    }
}

#[test]
fn servers_of_a_pool_have_phases_of_their_own() {
    let slots =
        [1, 2, 3].map(|seed| next_slot(Time::from_ns(1000 * MS), Duration::from_millis(20), seed * 0x9e37_79b9));
    assert!(slots[0] != slots[1] && slots[1] != slots[2]);
}
