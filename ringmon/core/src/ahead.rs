//! Looking past silent servers (R1, R9): how far the run goes, and who lives beyond it.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::buddy::Buddy;
use super::detector::State;
use super::{ServerId, VoteKind};

/// The servers on one side, nearest first: the buddy, its buddy, and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Nearest first.
    pub members: Vec<Buddy>,
    /// Whether that is the whole ring.
    pub whole: bool,
}

/// What a chain comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The silent ones, nearest first.
    pub silent: Vec<(ServerId, VoteKind)>,
    /// The first living one with a pulse, if it is found.
    pub far_end: Option<ServerId>,
    /// Everybody else on the ring is silent.
    pub all: bool,
}

impl Run {
    /// Nobody is silent, nobody is known.
    #[must_use]
    pub const fn none() -> Self {
        Self { silent: Vec::new(), far_end: None, all: false }
    }

    /// In a simulation without R9: nobody looks past a server that answers, and one without a pulse is as good a
    /// witness.
    pub(super) fn stop_at_agents(&mut self) {
        let Some(at) = self.silent.iter().position(|(_, kind)| *kind == VoteKind::Agent) else { return };
        // A direct buddy is still accused itself; whoever comes after it is believed to live.
        let end = at.max(1);
        let known = self.silent.get(end).map(|(id, _)| *id).or(self.far_end);
        self.silent.truncate(end);
        (self.far_end, self.all) = (known, self.all && known.is_none());
    }
}

impl Chain {
    /// Only the buddy is known yet.
    #[must_use]
    pub fn of(buddy: Buddy, whole: bool) -> Self {
        Self { members: vec![buddy], whole }
    }

    /// The run, by what is known of each member.
    pub fn run(&self, judged: impl Fn(ServerId) -> State) -> Run {
        let mut silent = Vec::new();
        for member in &self.members {
            match judged(member.id) {
                State::Suspect => silent.push((member.id, VoteKind::Host)),
                State::AgentSilent => silent.push((member.id, VoteKind::Agent)),
                State::Alive => return Run { silent, far_end: Some(member.id), all: false },
                State::Waiting => return Run { silent, far_end: None, all: false },
            }
        }
        let all = self.whole && !silent.is_empty();
        Run { silent, far_end: None, all }
    }

    /// One member.
    #[must_use]
    pub fn member(&self, id: ServerId) -> Option<&Buddy> {
        self.members.iter().find(|m| m.id == id)
    }

    /// Those among the first `window` to watch: all of them while nobody living is found, then only up to that one.
    pub fn watched<'a>(&'a self, run: &Run, window: usize) -> impl Iterator<Item = &'a Buddy> {
        let far = run.far_end.and_then(|id| self.members.iter().position(|m| m.id == id));
        self.members.iter().take(far.map_or(window, |at| at + 1))
    }
}

/// How many servers are looked at beyond the buddy: 16, then 32 more, and so on up to what one server can watch at a
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window(u16);

impl Window {
    /// Watches that looking ahead may hold, both sides together: what the datapath has, less buddies, join proofs and
    /// others' questions (R12).
    pub const MOST: u16 = 54;

    /// The first look.
    #[must_use]
    pub fn first(ahead: u16) -> Self {
        Self(ahead.clamp(1, Self::MOST))
    }

    /// The next one: twice as many more, as far as it goes.
    #[must_use]
    pub fn wider(self) -> Self {
        Self(self.0.saturating_mul(3).min(Self::MOST))
    }

    /// How many rows to read, the buddy's included.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.0 + 1
    }
}

/// Nearest first, both sides in turn, each server once, at most [`Window::MOST`] of them.
#[must_use]
pub fn share(sides: [Vec<&Buddy>; 2]) -> Vec<&Buddy> {
    let mut seen = BTreeSet::new();
    let mut chosen = Vec::new();
    for distance in 0..sides[0].len().max(sides[1].len()) {
        for side in &sides {
            let Some(buddy) = side.get(distance) else { continue };
            if chosen.len() < usize::from(Window::MOST) && seen.insert(buddy.id) {
                chosen.push(*buddy);
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
