//! The clock of `bpf_ktime_get_ns`.

use nix::time::{ClockId, clock_gettime};

use ringmon_core::Time;

#[must_use]
pub fn now() -> Time {
    // This cannot fail: the clock exists, and the memory is ours.
    let spec = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    let seconds = u64::try_from(spec.tv_sec()).unwrap_or(0);
    Time::from_ns(seconds * 1_000_000_000 + u64::try_from(spec.tv_nsec()).unwrap_or(0))
}
