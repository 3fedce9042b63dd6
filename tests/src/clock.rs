//! The clock of the events' `mono_ns`.

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` now, in nanoseconds. All agents of a lab run on the same clock.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has a monotonic clock");
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    whole(now.tv_sec()) * 1_000_000_000 + whole(now.tv_nsec())
}

/// Milliseconds from `from_ns` to `to_ns`, to a tenth; zero if they are the other way round.
#[must_use]
pub fn ms_between(from_ns: u64, to_ns: u64) -> f64 {
    let tenths = to_ns.saturating_sub(from_ns) / 100_000;
    u32::try_from(tenths).map_or(f64::MAX, |tenths| f64::from(tenths) / 10.0)
}
