//! When this server was last away: its agent had just started, or it heard nobody at all.
//!
//! Who comes back from an outage that all shared hears the others one after the other, as they come back themselves. So
//! a silence that has lasted since then says nothing yet. Each server that was not heard since gets a **grace**, in
//! which its silence is not enough for a removal (R6). Suspicions and votes go on, and whoever was heard once has the
//! usual times.
//!
//! How long this server was deaf cannot be told from silences alone: where both buddies die at once, it hears nobody
//! until its look ahead (R1) finds who lives beyond. That takes tenths of a second while the database answers. A gap of
//! [`law::DEAF`] without any reply is longer than that.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::evidence::WatchReading;
use crate::{Time, law};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Away {
    /// When this server began to hear again. Until it hears anybody: when its agent started.
    back: Time,
    grace: Duration,
    /// The newest reply on any watch; `None`: there was none since the start.
    heard_at: Option<Time>,
    /// When the last gap of a few intervals without any reply ended.
    resumed: Time,
}

impl Away {
    /// The agent has started. Nothing says how long the machine was away.
    pub fn started(now: Time) -> Self {
        Self { back: now, grace: law::GRACE_MOST, ..Self::default() }
    }

    /// This server joined: the pool lived without it, and both buddies were heard.
    pub fn joined(&mut self) {
        self.grace = Duration::ZERO;
    }

    /// A watch that is probed every `interval` read `old`, and now reads `new`.
    pub fn observe(&mut self, old: &WatchReading, new: &WatchReading, interval: Duration) {
        let Some(reply) = new.last_reply.filter(|reply| old.last_reply < Some(*reply)) else { return };
        let Some(last) = self.heard_at else {
            (self.back, self.heard_at) = (reply, Some(reply));
            return;
        };
        self.heard_at = Some(last.max(reply));
        let gap = reply.since(last);
        // If only this loop stood still, its kernel went on counting replies, and this server was not deaf.
        let replies = u32::try_from(new.replies.saturating_sub(old.replies)).unwrap_or(u32::MAX);
        let deaf = interval.saturating_mul(replies) < gap / 2;
        if deaf && gap > interval * 2 {
            self.resumed = reply;
        }
        if deaf && gap > law::DEAF.max(interval * 5) {
            (self.back, self.grace) = (reply, (gap * law::GRACE_TIMES).min(law::GRACE_MOST));
        }
    }

    /// When replies came again after the last gap of more than two intervals.
    pub const fn resumed(&self) -> Time {
        self.resumed
    }

    /// Until when a server that was last heard then has its grace; `None`: it was heard since, and has none.
    pub fn grace(&self, heard: Option<Time>) -> Option<Time> {
        (heard < Some(self.back)).then(|| self.back + self.grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(20);

    fn at(ms: u64) -> Time {
        Time::from_ns(ms * 1_000_000)
    }

    /// A reading with this many replies, the last of them at this time.
    fn heard(ms: u64, replies: u64) -> WatchReading {
        WatchReading { last_reply: Some(at(ms)), replies, ..WatchReading::default() }
    }

    fn started(ms: u64) -> Away {
        let mut away = Away::started(at(0));
        away.observe(&WatchReading::default(), &heard(ms, 1), INTERVAL);
        away
    }

    #[test]
    fn a_start_lasts_until_somebody_is_heard_and_nobody_else_is_dead_for_a_while() {
        let mut away = Away::started(at(0));
        assert_eq!(away.grace(None), Some(at(0) + law::GRACE_MOST));
        away.observe(&WatchReading::default(), &heard(7000, 1), INTERVAL);
        assert_eq!(away.grace(None), Some(at(7000) + law::GRACE_MOST));
        assert_eq!(away.grace(Some(at(7000))), None, "heard once");
        away.joined();
        assert_eq!(away.grace(None), Some(at(7000)), "a joined server gives none");
    }

    #[test]
    fn ten_times_as_long_as_it_was_deaf_but_a_minute_at_most() {
        for (deaf, grace) in [(1500, 15_000), (2000, 20_000), (30_000, 60_000)] {
            let mut away = started(0);
            away.observe(&heard(0, 1), &heard(deaf, 2), INTERVAL);
            assert_eq!(away.grace(Some(at(0))), Some(at(deaf + grace)), "deaf for {deaf} ms");
            assert_eq!(away.grace(Some(at(deaf))), None);
        }
    }

    /// Both buddies die, and the look ahead finds a living server.
    #[test]
    fn a_gap_as_short_as_a_look_ahead_is_no_deafness() {
        let mut away = started(0);
        away.observe(&WatchReading::default(), &heard(900, 1), INTERVAL);
        assert_eq!(away.grace(Some(at(0))), None, "heard since the start");
    }

    #[test]
    fn a_loop_that_stood_still_was_not_deaf_if_its_kernel_heard() {
        let mut away = started(0);
        away.observe(&heard(0, 1), &heard(5000, 240), INTERVAL);
        assert_eq!(away.grace(Some(at(0))), None);
        away.observe(&heard(5000, 240), &heard(10_000, 242), INTERVAL);
        assert!(away.grace(Some(at(5000))).is_some(), "the whole machine stood still");
    }

    #[test]
    fn a_gap_ends_with_the_first_reply_after_it() {
        let mut away = started(0);
        away.observe(&heard(0, 1), &heard(300, 2), INTERVAL);
        assert_eq!(away.resumed(), at(300));
        away.observe(&heard(300, 2), &heard(400, 7), INTERVAL);
        assert_eq!(away.resumed(), at(300), "this one was only read late");
    }

    #[test]
    fn slow_probes_are_no_deafness() {
        let (slow, mut away) = (Duration::from_secs(1), started(0));
        away.observe(&heard(0, 1), &heard(3000, 2), slow);
        assert_eq!(away.grace(Some(at(0))), None);
    }
}
