//! From the readings of one watch to a judgement of one server.
//!
//! What a watch has learned about its own loss ([`Loss`]) decides how many misses in a row mean something. [`law`] and
//! the profile hold the constants.

use core::time::Duration;

use serde::{Deserialize, Serialize};

mod stamped;

use self::stamped::Stamped;
use super::evidence::{LocalFault, WatchReading};
use super::loss::Loss;
use super::{Time, Tuning, VoteKind, law};
use crate::words;

/// The state of a server, as the server that watches it sees it.
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
///      |   |     | AgentSilent |              |   | AgentSilent |  <-- Restarting <-- a plain echo after replies
///      |   |     +-------------+              |   +-------------+      (for as long as the pulse is not too old)
///      |   |        | misses                  |      | misses
///      v   |        v                         v      v
///    +-----------------------------------------------------+   any proof of life
///    |                      Suspect                        | ---> Alive, AgentSilent or (plain echoes alone) Waiting
///    +-----------------------------------------------------+   own fault found afterwards: Alive or Waiting, as before
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Never heard with a pulse, and not missed for long enough to be suspect.
    Waiting,
    /// The host answers, and its agent has a pulse.
    Alive,
    /// The host answers for itself, after replies of its agent: the agent has ended. It may be starting again.
    /// Until its pulse is too old it is not accused.
    Restarting,
    /// The host answers, but its agent has no pulse.
    AgentSilent,
    /// The host does not answer.
    Suspect,
}

words! { State:
    Waiting = "waiting",
    Alive = "alive",
    Restarting = "restarting",
    AgentSilent = "agent_silent",
    Suspect = "suspect",
}

impl State {
    /// What a voter would say in this state.
    #[must_use]
    pub const fn finding(self) -> Option<VoteKind> {
        match self {
            Self::Waiting | Self::Alive | Self::Restarting => None,
            Self::AgentSilent => Some(VoteKind::Agent),
            Self::Suspect => Some(VoteKind::Host),
        }
    }
}

/// A burst lasts until this many misses more than needed, and in any case ends after [`BURST_MOST`].
const BURST_MORE: u32 = 8;
/// After this many misses in a row, a burst no longer helps: the network itself may be in trouble.
const BURST_MOST: u32 = 96;

/// R6: how long a silence must last for a removal, where past outages require `taught` and `factor` says how late this
/// server is.
#[must_use]
pub fn silence_asked(taught: Duration, factor: u32) -> Duration {
    (law::REMOVAL_SILENCE * factor).max(taught).min(law::REMOVAL_SILENCE_MOST)
}

/// The judgement of one watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    state: State,
    loss: Loss,
    clean: Option<Clean>,
    /// When the suspicion was formed, and the newest proof of life at that time.
    suspected: Option<(Time, Option<Time>)>,
    /// When the first miss of the current run was read.
    missed_at: Option<Time>,
    /// The misses of the current run that count although this server was late.
    #[serde(default)]
    stamped: Stamped,
    /// When the last fault ended that no stamps make up for.
    #[serde(default)]
    hard: Time,
    void_told: bool,
}

/// What the observing server knows of itself.
#[derive(Clone, Copy, Debug)]
pub struct Observer {
    /// The time.
    pub now: Time,
    /// It is this many times as late as a healthy one.
    pub factor: u32,
    /// Until when the way in was open, as frames of others show.
    pub open_until: Time,
}

/// From when silence counts again after a fault of this machine.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Clean {
    from: Time,
    fault: LocalFault,
    /// Misses that the datapath had counted by then. They are unknown until a deadline has passed since.
    misses: Option<u64>,
}

/// What a reading or a fault changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The state changed, from the first to the second.
    Moved(State, State),
    /// A suspicion was due or was formed, but its evidence does not count.
    Void(LocalFault),
}

impl Default for Detector {
    /// The state of a watch that has just begun.
    fn default() -> Self {
        Self {
            state: State::Waiting,
            loss: Loss::default(),
            clean: None,
            suspected: None,
            missed_at: None,
            stamped: Stamped::default(),
            hard: Time::ZERO,
            void_told: false,
        }
    }
}

impl Detector {
    /// The current state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How much the watch loses by itself.
    #[must_use]
    pub const fn loss(&self) -> &Loss {
        &self.loss
    }

    /// How many misses in a row make a suspicion now, if this server is `factor` times as late as a healthy one.
    #[must_use]
    pub fn needed(&self, factor: u32) -> u32 {
        self.loss.needed().saturating_mul(factor)
    }

    /// Since when nothing was heard that ends a silence of this kind. This is what a vote may claim.
    #[must_use]
    pub fn silent_since(&self, kind: VoteKind, reading: &WatchReading) -> Time {
        match kind {
            VoteKind::Host => {
                let heard = reading.silent_since();
                let stamped = reading.run_from.filter(|_| self.stamped(reading) > 0);
                // The stamps do not say that probes left before the first that was missed.
                self.doubted_until(reading).map_or(heard, |until| stamped.unwrap_or(until).max(heard))
            }
            VoteKind::Agent => reading.pulseless_since(),
        }
    }

    /// R2: another server that answers after this moment proves that this server could have heard its suspect. For a
    /// host, that is when its first miss was read. The missed probe left before that, so this server's own link has
    /// worked since the host died, if it died.
    #[must_use]
    pub fn deaf_from(&self, kind: VoteKind, reading: &WatchReading, tuning: &Tuning) -> Time {
        let since = self.silent_since(kind, reading);
        match kind {
            VoteKind::Host => self.missed_at.map_or(since + tuning.ears(), |at| at.max(since)),
            VoteKind::Agent => since + tuning.ears(),
        }
    }

    /// Misses in a row that count. After a fault of this machine, only misses of probes that left afterwards count, and
    /// those that are [stamped](Self::stamped).
    #[must_use]
    pub fn misses(&self, reading: &WatchReading) -> u32 {
        let clean = self.clean.filter(|_| self.doubted_until(reading).is_some());
        let since = |before| u32::try_from(reading.misses.saturating_sub(before)).unwrap_or(u32::MAX);
        let later = clean.map_or(reading.consecutive, |clean| clean.misses.map_or(0, since).min(reading.consecutive));
        later.max(self.stamped(reading))
    }

    /// Misses in a row that count however late this server is: the stamps of other servers' frames show that their
    /// replies would be here.
    #[must_use]
    pub fn stamped(&self, reading: &WatchReading) -> u32 {
        let left = reading.run_from.is_some_and(|left| left >= self.hard);
        if left && reading.consecutive > 0 { self.stamped.count().min(reading.consecutive) } else { 0 }
    }

    /// Whether these are enough for a suspicion.
    #[must_use]
    pub fn is_stamped(&self, reading: &WatchReading) -> bool {
        self.stamped(reading) >= self.needed(1)
    }

    /// Whether it helps to hear others now: misses wait for that, and this server's lateness puts them in doubt.
    #[must_use]
    pub fn wants_others(&self, reading: &WatchReading, factor: u32) -> bool {
        let late = factor > 1 || self.doubted_until(reading).is_some();
        late && self.stamped.is_open() && self.wants_burst(reading, 1)
    }

    /// The end of a fault of this machine that reaches into this silence.
    fn doubted_until(&self, reading: &WatchReading) -> Option<Time> {
        self.clean.map(|clean| clean.from).filter(|until| *until > reading.silent_since())
    }

    /// Whether it helps to probe faster: a probe was missed, and its meaning is not known yet. Limited, because the
    /// network itself may be in trouble.
    #[must_use]
    pub fn wants_burst(&self, reading: &WatchReading, factor: u32) -> bool {
        let enough = self.needed(factor).max(law::REMOVAL_MISSES) + BURST_MORE;
        (1..enough.min(BURST_MOST)).contains(&reading.consecutive)
    }

    /// When the first miss of the current run was read.
    #[must_use]
    pub const fn missed_at(&self) -> Option<Time> {
        self.missed_at
    }

    /// Takes in a reading.
    pub fn observe(&mut self, observer: Observer, reading: &WatchReading, tuning: &Tuning) -> Option<Change> {
        let Observer { now, factor, open_until } = observer;
        self.stamped.observe(reading, open_until);
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
        if self.misses(reading) >= needed || self.is_stamped(reading) {
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

    /// What this server observed between `from` and `until` does not count.
    pub fn fault(&mut self, fault: LocalFault, from: Time, until: Time, reading: &WatchReading) -> Option<Change> {
        if until <= reading.silent_since() {
            return None;
        }
        if self.clean.is_none_or(|clean| until > clean.from) {
            self.clean = Some(Clean { from: until, fault, misses: None });
        }
        if !fault.is_lateness() {
            self.hard = self.hard.max(until);
        }
        let (formed, _) = self.suspected?;
        if from >= formed || self.is_stamped(reading) {
            return None;
        }
        self.suspected = None;
        self.state = if reading.last_pulse.is_some() { State::Alive } else { State::Waiting };
        self.void_told = true;
        Some(Change::Void(fault))
    }

    /// The state of a host that was heard and is not missed. The pulse is compared with the last proof, not with `now`:
    /// a pulse also gets old during silence, and at one probe a second an agent must not look gone between two replies.
    fn judge(state: State, reading: &WatchReading, tuning: &Tuning) -> State {
        let Some(proof) = reading.last_proof() else { return state };
        if proof.since(reading.pulseless_since()) > tuning.pulse_gone {
            State::AgentSilent
        } else if reading.last_reply.is_some() && reading.last_plain > reading.last_reply {
            State::Restarting
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

    /// Reports a void once per silence.
    fn void(&mut self) -> Option<Change> {
        let fault = self.clean?.fault;
        (!core::mem::replace(&mut self.void_told, true)).then_some(Change::Void(fault))
    }
}

#[cfg(test)]
mod tests;
