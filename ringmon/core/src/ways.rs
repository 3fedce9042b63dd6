//! Loss of each direction.
//!
//! The other server counts the probes of ours that it answers, and reports that count in each reply. Probes that left
//! and were not answered were lost on the way out. Probes that were answered and whose reply did not arrive were lost
//! on the way back. The counts are compared as they were when the last reply came: a probe that is under way at that
//! moment looks lost until the next reply.

use serde::{Deserialize, Serialize};

use super::evidence::WatchReading;

/// How many of a watch's probes were lost, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// The counts at which counting began: at the first reply, and again whenever the other server's counter started
    /// again.
    from: Option<Counts>,
    /// Probes lost before that.
    before: Lost,
    last: Counts,
}

/// Number of lost probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Probes lost on the way out.
    pub out: u64,
    /// Replies lost on the way back.
    pub back: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    sent: u64,
    answered: u64,
    replies: u64,
}

impl Ways {
    /// Takes in a reading.
    pub fn observe(&mut self, reading: &WatchReading) {
        let now = Counts { sent: reading.answered_of, answered: reading.answered, replies: reading.replies };
        if reading.last_reply.is_none() || now == self.last {
            return;
        }
        if self.from.is_none_or(|_| now.answered < self.last.answered) {
            self.before = self.lost();
            self.from = Some(now);
        }
        self.last = now;
    }

    /// Probes and replies lost up to the last reply.
    #[must_use]
    pub fn lost(&self) -> Lost {
        let Some(from) = self.from else { return self.before };
        let answered = self.last.answered.saturating_sub(from.answered);
        let less = |more: u64, some: u64| more.saturating_sub(some);
        Lost {
            out: self.before.out + less(less(self.last.sent, from.sent), answered),
            back: self.before.back + less(answered, less(self.last.replies, from.replies)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use crate::rng::Rng;

    /// Sends probes that get lost on either way with these chances (thousandths): what was lost, and what was made out
    /// of it.
    fn lose(seed: u64, probes: u64, out: u64, back: u64, forgets: bool) -> (Lost, Lost) {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let (mut ways, mut reading, mut truth, mut answered) =
            (Ways::default(), WatchReading::default(), Lost::default(), 70);
        for number in 0..probes {
            if forgets && number == probes / 2 {
                answered = 0;
            }
            reading.sent += 1;
            let counted = reading.last_reply.is_some();
            if rng.chance(out) {
                truth.out += u64::from(counted);
                continue;
            }
            answered += 1;
            if rng.chance(back) {
                truth.back += u64::from(counted);
                continue;
            }
            reading.replies += 1;
            reading.last_reply = Some(Time::from_ns(number + 1));
            (reading.answered, reading.answered_of) = (answered, reading.sent);
            ways.observe(&reading);
        }
        (truth, ways.lost())
    }

    #[test]
    fn loss_is_told_apart_by_its_direction() {
        let (truth, found) = lose(1, 10_000, 200, 0, false);
        assert_eq!(found.back, 0);
        assert!(truth.out.abs_diff(found.out) < 10, "{truth:?} {found:?}");
        let (truth, found) = lose(2, 10_000, 0, 200, false);
        assert_eq!(found.out, 0);
        assert!(truth.back.abs_diff(found.back) < 10, "{truth:?} {found:?}");
        let (truth, found) = lose(3, 10_000, 100, 300, false);
        assert!(truth.out.abs_diff(found.out) < 10 && truth.back.abs_diff(found.back) < 10, "{truth:?} {found:?}");
    }

    #[test]
    fn a_count_that_begins_anew_loses_nothing_that_was_known() {
        let (truth, found) = lose(4, 10_000, 100, 100, true);
        assert!(truth.out.abs_diff(found.out) < 20 && truth.back.abs_diff(found.back) < 20, "{truth:?} {found:?}");
    }

    #[test]
    fn nothing_is_lost_before_anything_was_heard() {
        let mut ways = Ways::default();
        ways.observe(&WatchReading { sent: 100, misses: 100, ..WatchReading::default() });
        assert_eq!(ways.lost(), Lost::default());
    }
}
