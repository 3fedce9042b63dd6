//! Time as classes: what an age can be told apart by, and in which order the ages of one suspect stand.

use std::time::Duration;

/// What a stamp is for, and so which borders its age has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sort {
    /// A server has not heard another one since then.
    Silence,
    /// A vote was cast: a challenge.
    Since,
    /// An answer was written.
    Answer,
    /// A vote was renewed.
    At,
    /// An alone mark was written.
    AloneSince,
    /// An alone mark was renewed.
    AloneAt,
    /// An operation has read the clock.
    Read,
    /// The database serves a server again.
    Served,
}

/// A moment, as far as it matters: its age is in one of the classes of its sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which class: 0 is the youngest.
    pub class: u8,
    /// Grows with each new stamp. Only its order counts.
    pub born: u32,
}

/// The borders between the classes of each sort, in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Borders {
    /// How long the accused needs to answer.
    pub wait: u64,
    /// How long an alone mark must have stood.
    pub alone: u64,
    /// Whether a server may remove all others.
    pub lonely: bool,
}

impl Borders {
    /// Three misses: a suspicion.
    pub const SUSPECT: u8 = 1;
    /// A silence that is long enough for a removal (R6).
    pub const ENOUGH: u8 = 2;
    /// A challenge that the accused had the time to answer; a database that has served for that long.
    pub const WAITED: u8 = 1;
    /// An answer that may be written again.
    pub const RENEW: u8 = 1;
    /// An answer of which the next one is overdue. It counts only for a silence that began before it.
    pub const OVERDUE: u8 = 2;

    /// Where a class of this sort begins, for each class but the first.
    pub fn of(&self, sort: Sort) -> [u64; 3] {
        const NEVER: u64 = u64::MAX;
        match sort {
            Sort::Silence => [25, 100, if self.lonely { 3_500 } else { NEVER }],
            Sort::Since | Sort::Served => [self.wait, NEVER, NEVER],
            Sort::Answer => [400, 600 + self.wait, 1_500 + self.wait],
            Sort::At => [1_500, 30_000, NEVER],
            Sort::AloneSince => [self.alone, 3_000, NEVER],
            Sort::AloneAt => [1_500, NEVER, NEVER],
            Sort::Read => [500, NEVER, NEVER],
        }
    }

    /// The least age of this class.
    pub fn low(&self, sort: Sort, class: u8) -> u64 {
        class.checked_sub(1).map_or(0, |at| self.of(sort)[usize::from(at)])
    }

    /// The age at which this class ends.
    pub fn high(&self, sort: Sort, class: u8) -> Option<u64> {
        self.of(sort).get(usize::from(class)).copied().filter(|border| *border != u64::MAX)
    }
}

/// An age that stands for its class, and for the `place`-th in it.
pub(super) fn age(low: u64, place: u64) -> Duration {
    Duration::from_millis(low) + Duration::from_micros(1 + place)
}
