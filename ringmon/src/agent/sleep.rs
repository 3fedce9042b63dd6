//! Notices that the machine slept.

use std::time::Duration;

use nix::time::ClockId;

use crate::clock::read;

/// Notices that the machine slept: the boot-time clock counts suspend, the monotonic one does not (clock_gettime(2)).
#[derive(Debug)]
pub struct SleepWatch {
    apart: Duration,
}

impl SleepWatch {
    /// Smaller differences come from reading the two clocks one after the other.
    const NOISE: Duration = Duration::from_millis(50);

    /// Starts from the current difference of the clocks.
    #[must_use]
    pub fn new() -> Self {
        Self { apart: Self::apart() }
    }

    fn apart() -> Duration {
        read(ClockId::CLOCK_BOOTTIME).saturating_sub(read(ClockId::CLOCK_MONOTONIC))
    }

    /// How long the machine slept since the last call, if it did.
    pub fn slept(&mut self) -> Option<Duration> {
        let apart = Self::apart();
        let slept = apart.saturating_sub(self.apart);
        self.apart = apart;
        (slept > Self::NOISE).then_some(slept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_did_not_sleep_is_not_said_to_have() {
        let mut watch = SleepWatch::new();
        assert_eq!(watch.slept(), None);
    }

    #[test]
    fn a_gap_between_the_clocks_is_sleep_once() {
        let mut watch = SleepWatch::new();
        watch.apart = watch.apart.saturating_sub(Duration::from_secs(5));
        if SleepWatch::apart() >= Duration::from_secs(5) {
            assert!(watch.slept().is_some_and(|s| s >= Duration::from_millis(4900)));
        }
        assert_eq!(watch.slept(), None);
    }
}
