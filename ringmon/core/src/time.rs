//! The two clocks: this machine's monotonic one and the database's.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on this machine's monotonic clock, in nanoseconds: the clock of `bpf_ktime_get_ns`,
/// which is `CLOCK_MONOTONIC` (bpf-helpers(7)). It stands still during suspend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(u64);

impl Time {
    /// The clock's zero: the boot of this machine.
    pub const ZERO: Self = Self(0);

    /// A point `ns` nanoseconds after the clock's zero.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock's zero.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A point on the database's clock, in microseconds since 1970-01-01T00:00:00Z.
///
/// Votes and removals are stamped and compared on this clock alone (R7): the servers' own wall
/// clocks are never compared with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DbTime(i64);

impl DbTime {
    /// A point `us` microseconds after the Unix epoch.
    #[must_use]
    pub const fn from_us(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_us(self) -> i64 {
        self.0
    }

    /// Time from `earlier` to `self`; `None` if `earlier` is later: a stamp from the future does not count (R7).
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0.checked_sub(earlier.0)?).ok().map(Duration::from_micros)
    }

    /// Whether this stamp, read while the clock showed about `now`, is young enough to *protect* a server. It may be a
    /// little later than `now`: the clock is read first, and the row may have been written just before it was read. A
    /// stamp far in the future is of a clock that was set back since, and does not count (R7).
    #[must_use]
    pub fn is_recent(self, now: Self, within: Duration) -> bool {
        match now.since(self) {
            Some(age) => age <= within,
            None => self <= now + within,
        }
    }
}

impl Add<Duration> for DbTime {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for DbTime {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for DbTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us", self.0)
    }
}

/// Milliseconds with three decimal places, for people.
#[must_use]
pub fn millis(span: Duration) -> f64 {
    libm::round(span.as_secs_f64() * 1e6) / 1e3
}
