//! The window of a watch: how a probe gets into its place, and how a reply or the timer takes it out.
//!
//! ```text
//!   egress                         a reply, or the timer
//!   mark <- FREE                   is mark WAITING?
//!   ---------- barrier             ---------- barrier
//!   sent_ns, deadline_ns <- ..     .. <- sent_ns, deadline_ns
//!   ---------- barrier             ---------- barrier
//!   mark <- WAITING                mark: WAITING -> ANSWERED or MISSED
//! ```
//!
//! Each side may run on another CPU. So the mark is written and checked only by instructions that are barriers (see
//! [`crate::cell`]).
//!
//! Sequence number and state are one word. So a compare-and-swap takes the probe that was meant, and never the next
//! probe in the same place.

use crate::cell::Cell;
use crate::layout::{LATE_NS, WINDOW};

/// The states of a probe in the window.
pub mod state {
    /// It is being written. In an empty place: there is no probe.
    pub const FREE: u64 = 0;
    /// It left, and has no reply yet.
    pub const WAITING: u64 = 1;
    /// It has its reply.
    pub const ANSWERED: u64 = 2;
    /// Its deadline passed without a reply.
    pub const MISSED: u64 = 3;
}

/// Sequence numbers are below this: the state takes two bits.
pub const SEQ_END: u64 = 1 << 62;

/// A sequence number and a state in one word.
#[inline(always)]
#[must_use]
pub const fn mark(seq: u64, state: u64) -> u64 {
    seq << 2 | state
}

/// The sequence number in a mark.
#[inline(always)]
#[must_use]
pub const fn seq_of(mark: u64) -> u64 {
    mark >> 2
}

/// The times of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it left.
    pub sent_ns: u64,
    /// When it becomes a miss.
    pub deadline_ns: u64,
}

/// What the timer finds at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The probe has until then.
    Later(u64),
    /// The probe became a miss just now.
    Missed(Times),
    /// The probe does not wait, or no longer.
    Gone,
}

/// Why a reply takes no probe out of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// The probe had a reply before.
    Duplicate,
    /// The probe is not in the window, or the reply is too late.
    Stale,
}

/// The words of an [`Outstanding`](crate::layout::Outstanding).
#[derive(Clone, Copy, Debug)]
pub struct Place<C> {
    /// A [`mark`].
    pub mark: C,
    /// When it left.
    pub sent_ns: C,
    /// When it becomes a miss.
    pub deadline_ns: C,
}

impl<C: Cell> Place<C> {
    /// Whether this number was never in its place. The agent uses each once, so somebody else has it otherwise.
    #[inline(always)]
    #[must_use]
    pub fn is_new(&self, seq: u64) -> bool {
        seq_of(self.mark.get()) < seq
    }

    /// Enters a probe that leaves. Returns whether another one still waited here; that one is forgotten.
    #[inline(always)]
    pub fn enter(&self, seq: u64, times: Times) -> bool {
        let before = self.mark.swap(mark(seq, state::FREE));
        self.sent_ns.set(times.sent_ns);
        self.deadline_ns.set(times.deadline_ns);
        self.mark.swap(mark(seq, state::WAITING));
        before & 3 == state::WAITING && seq_of(before) != seq
    }

    /// Takes the probe to which a reply came.
    ///
    /// # Errors
    /// Nothing was taken.
    #[inline(always)]
    pub fn answer(&self, seq: u64, now: u64) -> Result<Times, Unasked> {
        let fresh = |times: Times| now <= times.deadline_ns + LATE_NS;
        if let Some(times) = self.take(seq, state::WAITING, |_| state::ANSWERED) {
            return Ok(times);
        }
        let late = self.take(seq, state::MISSED, |times| if fresh(times) { state::ANSWERED } else { state::MISSED });
        match late {
            Some(times) if fresh(times) => Ok(times),
            Some(_) => Err(Unasked::Stale),
            None => match self.take(seq, state::ANSWERED, |_| state::ANSWERED) {
                Some(times) if fresh(times) => Err(Unasked::Duplicate),
                Some(_) | None => Err(Unasked::Stale),
            },
        }
    }

    /// Takes the probe if its deadline has passed.
    #[inline(always)]
    pub fn expire(&self, seq: u64, now: u64) -> Due {
        let waits = |times: Times| times.deadline_ns > now;
        match self.take(seq, state::WAITING, |times| if waits(times) { state::WAITING } else { state::MISSED }) {
            Some(times) if waits(times) => Due::Later(times.deadline_ns),
            Some(times) => Due::Missed(times),
            None => Due::Gone,
        }
    }

    /// Changes the state of a probe from `from` to what `to` makes of its times, and returns the times.
    ///
    /// `None`: the probe is not in that state, or no longer.
    ///
    /// The times are those of this probe: it was in its place before they were read, and still is.
    #[inline(always)]
    fn take(&self, seq: u64, from: u64, to: impl FnOnce(Times) -> u64) -> Option<Times> {
        let from = mark(seq, from);
        if !self.mark.change(from, from) {
            return None;
        }
        let times = Times { sent_ns: self.sent_ns.get(), deadline_ns: self.deadline_ns.get() };
        self.mark.change(from, mark(seq, to(times))).then_some(times)
    }
}

/// Which probes of a watch may be outstanding. Two words of a [`Watch`](crate::layout::Watch).
#[derive(Clone, Copy, Debug)]
pub struct Span<C> {
    /// No probe before this one is outstanding.
    pub cursor: C,
    /// The highest number that left.
    pub last_sent: C,
}

impl<C: Cell> Span<C> {
    /// A probe has entered its place. It may be older than the last one, if it waited for its neighbour to resolve.
    #[inline(always)]
    pub fn entered(&self, seq: u64) {
        if seq > self.last_sent.get() {
            self.last_sent.set(seq);
        }
        if seq < self.cursor.get() {
            self.cursor.set(seq);
        }
    }

    /// The first probe that may be outstanding.
    #[inline(always)]
    pub fn first(&self) -> Option<u64> {
        let (cursor, last) = (self.cursor.get(), self.last_sent.get());
        if cursor > last {
            return None;
        }
        // Older probes have lost their places to newer ones.
        let oldest = (last + 1).saturating_sub(WINDOW as u64);
        if cursor < oldest {
            self.cursor.change(cursor, oldest);
        }
        Some(cursor.max(oldest))
    }

    /// Moves the cursor past this probe, which is the first one and does not wait.
    ///
    /// The probe may enter its place just now. Then either it sees that the cursor has moved, or it is seen here.
    #[inline(always)]
    pub fn pass(&self, seq: u64, place: &Place<C>) {
        if self.cursor.change(seq, seq + 1) && place.mark.get() == mark(seq, state::WAITING) {
            self.cursor.set(seq);
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
