//! This machine's monotonic clock.

use nix::time::{ClockId, clock_gettime};

use ringmon_core::Time;

/// The time on it. (Linux always has it, clock_gettime(2).)
pub fn now() -> Time {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(|now| Time::from_ns(u64::try_from(std::time::Duration::from(now).as_nanos()).unwrap_or(u64::MAX)))
        .unwrap_or(Time::ZERO)
}
