//! What is wrong with the servers' hosts, or with the network, while something is measured.

use std::fmt;

use crate::cells::Kind;

/// One such state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Real-time hogs above the agents' priority take 60 % of each processor, 6 ms at a time.
    Fifo,
    /// Real-time threads above the agents' priority sleep 100 us at a time.
    Timers,
    /// Each detector shares 10 ms of processor time in 100 ms with a hog, and has no real-time priority.
    Quota,
    /// Each detector shares less memory with a writer of files than the two want.
    Memory,
    /// A fifth of all frames is lost each way, those that resolve addresses too.
    LossArp,
    /// All detectors have just started again.
    Young,
}

/// In the order of measurement.
pub const ALL: [Condition; 6] =
    [Condition::Young, Condition::Fifo, Condition::Timers, Condition::Quota, Condition::Memory, Condition::LossArp];

impl Condition {
    /// As on the command line: alone, and with `crash-` before it.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Fifo => ("fifo", "crash-fifo"),
            Self::Timers => ("timers", "crash-timers"),
            Self::Quota => ("quota", "crash-quota"),
            Self::Memory => ("memory", "crash-memory"),
            Self::LossArp => ("loss-arp", "crash-loss-arp"),
            Self::Young => ("young", "crash-young"),
        }
    }

    /// The control group that each detector runs in, if it needs one.
    #[must_use]
    pub const fn cell(self) -> Option<Kind> {
        match self {
            Self::Quota => Some(Kind::Quota),
            Self::Memory => Some(Kind::Memory),
            Self::Fifo | Self::Timers | Self::LossArp | Self::Young => None,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.names().0)
    }
}
