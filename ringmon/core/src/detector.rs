//! From the readings of one watch to an opinion of one server.
//!
//! What a watch has learned of its own loss ([`Loss`]) says how many misses in a row mean something; [`law`] and the
//! profile have the constants.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::{LocalFault, WatchReading};
use super::loss::Loss;
use super::{Time, Tuning, VoteKind, law};
use crate::words;

/// What a server is to the one that watches it.
///
/// ```text
///                    reply, fresh pulse
///    +---------+ -------------------------> +-------+
///    | Waiting |                            | Alive | <---------------------+
///    +---------+ ---+                       +-------+                       |
///      |   ^        | host answers,           |   | host answers,           |
///      |   |        | no pulse for long       |   | pulse too old           | pulse
///      |   |        v                         |   v                         | again
///      |   |     +-------------+ <------------|-- +-------------+ ----------+
///      |   |     | AgentSilent |              |   | AgentSilent |
///      |   |     +-------------+              |   +-------------+
///      |   |        | misses                  |      | misses
///      v   |        v                         v      v
///    +-----------------------------------------------------+   any proof of life
///    |                      Suspect                        | ---> Alive, AgentSilent or (plain echoes alone) Waiting
///    +-----------------------------------------------------+   own fault found afterwards: Alive or Waiting, as before
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Never heard with a pulse, and not missed for long enough.
    Waiting,
    /// Answers, and its agent beats.
    Alive,
    /// Answers, but its agent does not beat.
    AgentSilent,
    /// Does not answer.
    Suspect,
}

words!(State: Waiting = "waiting", Alive = "alive", AgentSilent = "agent_silent", Suspect = "suspect");

impl State {
    /// What a voter would say.
    #[must_use]
    pub const fn finding(self) -> Option<VoteKind> {
        match self {
            Self::Waiting | Self::Alive => None,
            Self::AgentSilent => Some(VoteKind::Agent),
            Self::Suspect => Some(VoteKind::Host),
        }
    }
}

/// A burst goes on for so many misses more than are needed, and ends after [`BURST_MOST`] in any case.
const BURST_MORE: u32 = 8;
/// Misses in a row after which no burst helps: the network may be what suffers.
const BURST_MOST: u32 = 96;

/// R6: how long a silence must last for a removal, where outages have `taught` so much, and `factor` says how late this
/// server is.
#[must_use]
pub fn silence_asked(taught: Duration, factor: u32) -> Duration {
    (law::REMOVAL_SILENCE * factor).max(taught).min(law::REMOVAL_SILENCE_MOST)
}

/// The opinion of one watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    state: State,
    loss: Loss,
    clean: Option<Clean>,
    /// When the suspicion was formed, and the newest proof of life by then.
    suspected: Option<(Time, Option<Time>)>,
    /// When the first miss of the present run was read.
    missed_at: Option<Time>,
    void_told: bool,
}

/// From when on silence counts again after a fault of this machine.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Clean {
    from: Time,
    fault: LocalFault,
    /// Misses counted by the datapath by then; not known before a deadline has passed since.
    misses: Option<u64>,
}

/// What a reading or a fault changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// From one state to another.
    Moved(State, State),
    /// A suspicion was due, or was formed, on evidence that does not count.
    Void(LocalFault),
}

impl Default for Detector {
    /// Of a watch that has just begun.
    fn default() -> Self {
        Self {
            state: State::Waiting,
            loss: Loss::default(),
            clean: None,
            suspected: None,
            missed_at: None,
            void_told: false,
        }
    }
}

impl Detector {
    /// The state now.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What the watch loses by itself.
    #[must_use]
    pub const fn loss(&self) -> &Loss {
        &self.loss
    }

    /// Misses in a row that make a suspicion now, by a server that is `factor` times as late as one that is well.
    #[must_use]
    pub fn needed(&self, factor: u32) -> u32 {
        self.loss.needed().saturating_mul(factor)
    }

    /// Since when nothing was heard that ends the silence of this kind: what may be said of it in a vote.
    #[must_use]
    pub fn silent_since(&self, kind: VoteKind, reading: &WatchReading) -> Time {
        match kind {
            VoteKind::Host => self.clean.map_or(Time::ZERO, |clean| clean.from).max(reading.silent_since()),
            VoteKind::Agent => reading.pulseless_since(),
        }
    }

    /// R2: somebody who answers after this moment proves that this server could have heard its suspect. Of a host that
    /// is when its first miss was read: the probe that was missed left before, and so the own link works after it died,
    /// if it died.
    #[must_use]
    pub fn deaf_from(&self, kind: VoteKind, reading: &WatchReading, tuning: &Tuning) -> Time {
        let since = self.silent_since(kind, reading);
        match kind {
            VoteKind::Host => self.missed_at.map_or(since + tuning.ears(), |at| at.max(since)),
            VoteKind::Agent => since + tuning.ears(),
        }
    }

    /// Misses in a row that count: after a fault of this machine only those of probes that left afterwards.
    #[must_use]
    pub fn misses(&self, reading: &WatchReading) -> u32 {
        let clean = self.clean.filter(|clean| clean.from > reading.silent_since());
        let since = |before| u32::try_from(reading.misses.saturating_sub(before)).unwrap_or(u32::MAX);
        clean.map_or(reading.consecutive, |clean| clean.misses.map_or(0, since).min(reading.consecutive))
    }

    /// Whether it pays to probe faster: something was missed, and it is not known yet what that means. Bounded, as the
    /// network may be what suffers.
    #[must_use]
    pub fn wants_burst(&self, reading: &WatchReading, factor: u32) -> bool {
        let enough = self.needed(factor).max(law::REMOVAL_MISSES) + BURST_MORE;
        (1..enough.min(BURST_MOST)).contains(&reading.consecutive)
    }

    /// When the first miss of the present run was read.
    #[must_use]
    pub const fn missed_at(&self) -> Option<Time> {
        self.missed_at
    }

    /// A reading taken at `now`, by a server that is `factor` times as late as one that is well.
    pub fn observe(&mut self, now: Time, reading: &WatchReading, tuning: &Tuning, factor: u32) -> Option<Change> {
        self.missed_at = (reading.consecutive > 0).then(|| self.missed_at.unwrap_or(now));
        if let Some(clean) = self.clean.as_mut().filter(|clean| clean.misses.is_none()) {
            let settled = clean.from + tuning.deadline.max(reading.patience);
            clean.misses = (now >= settled).then_some(reading.misses);
        }
        self.loss.observe(reading);
        if self.suspected.is_some_and(|(_, proof)| reading.last_proof() <= proof) {
            return None;
        }
        let needed = self.needed(factor);
        if self.misses(reading) >= needed {
            self.suspected = Some((now, reading.last_proof()));
            return self.go(State::Suspect);
        }
        if reading.consecutive >= needed {
            return self.void();
        }
        self.void_told = false;
        self.suspected = None;
        self.go(Self::judge(self.state, reading, tuning))
    }

    /// This server's own evidence from `from` to `until` counts for nothing.
    pub fn fault(&mut self, fault: LocalFault, from: Time, until: Time, reading: &WatchReading) -> Option<Change> {
        if until <= reading.silent_since() {
            return None;
        }
        if self.clean.is_none_or(|clean| until > clean.from) {
            self.clean = Some(Clean { from: until, fault, misses: None });
        }
        let (formed, _) = self.suspected?;
        if from >= formed {
            return None;
        }
        self.suspected = None;
        self.state = if reading.last_pulse.is_some() { State::Alive } else { State::Waiting };
        self.void_told = true;
        Some(Change::Void(fault))
    }

    /// A host that was heard and is not missed. The pulse is compared with the last proof and not with `now`: silence
    /// ages a pulse too, and a probe a second must not make an agent look gone between two replies.
    fn judge(state: State, reading: &WatchReading, tuning: &Tuning) -> State {
        let Some(proof) = reading.last_proof() else { return state };
        if proof.since(reading.pulseless_since()) > tuning.pulse_gone {
            State::AgentSilent
        } else if reading.last_pulse.is_some() {
            State::Alive
        } else if state == State::Suspect {
            State::Waiting
        } else {
            state
        }
    }

    fn go(&mut self, to: State) -> Option<Change> {
        let from = core::mem::replace(&mut self.state, to);
        (from != to).then_some(Change::Moved(from, to))
    }

    /// Tell of a void once a silence.
    fn void(&mut self) -> Option<Change> {
        let fault = self.clean?.fault;
        (!core::mem::replace(&mut self.void_told, true)).then_some(Change::Void(fault))
    }
}

#[cfg(test)]
mod tests;
