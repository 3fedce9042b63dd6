//! This machine's clocks: the monotonic one, which is that of `bpf_ktime_get_ns`, and the one on the wall.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use ringmon_core::Time;

/// The time since the machine started, without the time that it slept.
#[must_use]
pub fn now() -> Time {
    Time::ZERO + read(ClockId::CLOCK_MONOTONIC)
}

/// The wall clock, since 1970.
#[must_use]
pub fn wall() -> Duration {
    read(ClockId::CLOCK_REALTIME)
}

/// The clocks that are read exist on every Linux that can run the datapath, and clock_gettime(2) has no other error.
pub(crate) fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_backwards() {
        let first = now();
        assert!(now() >= first);
    }
}
