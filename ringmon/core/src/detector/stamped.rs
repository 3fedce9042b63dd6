//! Misses that are facts whatever this server's threads and timers were doing.
//!
//! A probe left, and the kernel stamped that. Its deadline passed. After that, the way in to this server was open, as
//! the stamps of two frames of others show. Then its reply would be here. So a late sender, a late loop and a late
//! timer take nothing from such a miss.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::evidence::WatchReading;

/// The misses of the current run that are such facts.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stamped {
    /// When the first probe of the run left.
    from: Option<Time>,
    count: u32,
    /// So many misses will be, once the way in was open until then.
    open: Option<(u32, Time)>,
}

impl Stamped {
    /// Takes in a reading. Others show that the way in was open until `open_until`.
    pub fn observe(&mut self, reading: &WatchReading, open_until: Time) {
        let Some(deadline) = reading.run_until.filter(|_| reading.consecutive > 0) else {
            *self = Self::default();
            return;
        };
        if self.from != reading.run_from || reading.consecutive < self.count {
            // There was a reply between two readings.
            *self = Self { from: reading.run_from, ..Self::default() };
        }
        if let Some((count, _)) = self.open.filter(|(count, at)| open_until >= *at && reading.consecutive >= *count) {
            (self.count, self.open) = (count, None);
        }
        if open_until >= deadline {
            (self.count, self.open) = (reading.consecutive, None);
        } else if reading.consecutive > self.count {
            self.open.get_or_insert((reading.consecutive, deadline));
        }
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether more would be if others were heard now.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_ns(ms * 1_000_000)
    }

    fn missed(consecutive: u32, from: u64, until: u64) -> WatchReading {
        let (run_from, run_until) = (Some(at(from)), Some(at(until)));
        WatchReading { consecutive, run_from, run_until, ..WatchReading::default() }
    }

    #[test]
    fn a_miss_is_a_fact_once_others_are_heard_after_its_deadline() {
        let mut run = Stamped::default();
        run.observe(&missed(1, 20, 25), at(24));
        assert_eq!((run.count(), run.is_open()), (0, true));
        run.observe(&missed(3, 20, 29), at(26));
        assert_eq!((run.count(), run.is_open()), (1, true), "those that were missed by then");
        run.observe(&missed(4, 20, 31), at(31));
        assert_eq!((run.count(), run.is_open()), (4, false));
        run.observe(&missed(0, 20, 31), at(40));
        assert_eq!((run.count(), run.is_open()), (0, false), "a reply ends the run");
    }

    #[test]
    fn a_run_that_began_between_two_readings_has_nothing_of_the_last_one() {
        let mut run = Stamped::default();
        run.observe(&missed(9, 10, 25), at(30));
        assert_eq!(run.count(), 9);
        run.observe(&missed(2, 50, 60), at(50));
        assert_eq!(run.count(), 0);
    }
}
