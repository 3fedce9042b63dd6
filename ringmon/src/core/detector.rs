//! From the readings of one watch to an opinion of one server.
//!
//! The thresholds are in [`Limits`] and nowhere else: what learns from the network later replaces that type.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::{LocalFault, WatchReading};
use super::{Time, Tuning, VoteKind};

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

impl State {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Alive => "alive",
            Self::AgentSilent => "agent_silent",
            Self::Suspect => "suspect",
        }
    }

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

/// How much silence is needed for what. The plain form: fixed numbers, the same for every watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    interval: Duration,
    deadline: Duration,
    pulse_gone: Duration,
    suspect_misses: u32,
    removal_misses: u32,
    removal_silence: Duration,
}

impl Limits {
    /// The limits of a profile.
    #[must_use]
    pub const fn new(tuning: &Tuning) -> Self {
        Self {
            interval: tuning.interval,
            deadline: tuning.deadline,
            pulse_gone: tuning.pulse_gone,
            suspect_misses: tuning.suspect_misses,
            removal_misses: tuning.removal_misses,
            removal_silence: tuning.removal_silence,
        }
    }

    /// Misses in a row that make a suspicion.
    #[must_use]
    pub const fn suspect_after(&self) -> u32 {
        self.suspect_misses
    }

    /// How long those take: the grace after a link came up.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.interval * self.suspect_misses + self.deadline
    }

    /// R6: whether a silence is long enough for a removal.
    #[must_use]
    pub fn enough(&self, silence: Duration, misses: u32) -> bool {
        misses >= self.removal_misses && silence >= self.removal_silence.max(self.interval * self.removal_misses)
    }

    /// R2: heard this long after a silence began, somebody else proves this server's own ears. Two servers' probes are up to an
    /// interval apart, so a reply that came merely "after" proves nothing when the own link died between the two.
    #[must_use]
    pub fn ears(&self) -> Duration {
        self.interval * 2 + self.deadline
    }
}

/// The opinion of one watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    state: State,
    /// Silence before this moment counts for nothing, through this fault.
    clean_from: Option<(Time, LocalFault)>,
    /// When the suspicion was formed, and the newest proof of life by then.
    suspected: Option<(Time, Option<Time>)>,
    void_told: bool,
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
    fn default() -> Self {
        Self { state: State::Waiting, clean_from: None, suspected: None, void_told: false }
    }
}

impl Detector {
    /// The state now.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Since when nothing was heard that ends the silence of this kind: what may be said of it in a vote.
    #[must_use]
    pub fn silent_since(&self, kind: VoteKind, reading: &WatchReading) -> Time {
        match kind {
            VoteKind::Host => self.clean_from.map_or(Time::ZERO, |(at, _)| at).max(reading.silent_since()),
            VoteKind::Agent => reading.pulseless_since(),
        }
    }

    /// Misses in a row that count: after a fault of this machine at most as many as probes had time to be missed since.
    #[must_use]
    pub fn misses(&self, now: Time, reading: &WatchReading, limits: &Limits) -> u32 {
        match self.clean_from {
            Some((from, _)) if from > reading.silent_since() => {
                let probes = now.since(from).as_nanos() / limits.interval.as_nanos().max(1);
                reading.consecutive.min(u32::try_from(probes).unwrap_or(u32::MAX))
            }
            Some(_) | None => reading.consecutive,
        }
    }

    /// A reading taken at `now`.
    pub fn observe(&mut self, now: Time, reading: &WatchReading, limits: &Limits) -> Option<Change> {
        if self.suspected.is_some_and(|(_, proof)| reading.last_proof() <= proof) {
            return None;
        }
        if self.misses(now, reading, limits) >= limits.suspect_after() {
            self.suspected = Some((now, reading.last_proof()));
            return self.go(State::Suspect);
        }
        if reading.consecutive >= limits.suspect_after() {
            return self.void();
        }
        self.void_told = false;
        self.suspected = None;
        self.go(Self::judge(self.state, reading, limits))
    }

    /// This server's own evidence from `from` to `until` counts for nothing.
    pub fn fault(&mut self, fault: LocalFault, from: Time, until: Time, reading: &WatchReading) -> Option<Change> {
        if until <= reading.silent_since() {
            return None;
        }
        if self.clean_from.is_none_or(|(at, _)| until > at) {
            self.clean_from = Some((until, fault));
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

    /// A host that was heard and is not missed. The pulse is compared with the last proof and not with `now`: silence ages a
    /// pulse too, and a probe a second must not make an agent look gone between two replies.
    fn judge(state: State, reading: &WatchReading, limits: &Limits) -> State {
        let Some(proof) = reading.last_proof() else { return state };
        if proof.since(reading.pulseless_since()) > limits.pulse_gone {
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
        let from = std::mem::replace(&mut self.state, to);
        (from != to).then_some(Change::Moved(from, to))
    }

    /// Tell of a void once a silence.
    fn void(&mut self) -> Option<Change> {
        let (_, fault) = self.clean_from?;
        (!std::mem::replace(&mut self.void_told, true)).then_some(Change::Void(fault))
    }
}

#[cfg(test)]
mod tests;
