//! Looking past silent servers (R1, R9): how far the run goes, and which server lives beyond it.

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
    /// Whether these are all other servers of the ring.
    pub whole: bool,
}

/// The silent part of a chain, and what is before and beyond it.
///
/// A *mute* server is heard, and the database does not answer it. It can neither vote nor answer votes, so it is looked
/// past, until a server is found that can. In the middle of a run only one that hears nobody is looked past. Of any
/// other the kernel can be asked, so it is the far end: it may hear those beyond it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The mute servers before the first silent one, nearest first.
    pub past: Vec<ServerId>,
    /// The silent servers, nearest first.
    pub silent: Vec<(ServerId, VoteKind)>,
    /// The mute servers among them.
    pub among: Vec<ServerId>,
    /// The first living server with a pulse beyond them, if it was found.
    pub far_end: Option<ServerId>,
    /// The far end and those after it, as far as they are mute.
    pub beyond: Vec<ServerId>,
    /// Whether all other servers on the ring are silent.
    pub all: bool,
    /// How many servers must be watched to see this; `None`: no living server that can vote was found.
    seen: Option<usize>,
}

/// What is known of one server of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What its watch says.
    pub state: State,
    /// Whether it is heard, and the database does not answer it.
    pub mute: bool,
    /// Whether a mute server hears nobody.
    pub deaf: bool,
}

impl Run {
    /// Whether the direct buddy is silent.
    #[must_use]
    pub fn lost_buddy(&self) -> bool {
        self.past.is_empty() && !self.silent.is_empty()
    }

    /// Whether all servers of this window are looked past, and none was found that can vote.
    #[must_use]
    pub const fn fills(&self, window: Window) -> bool {
        let passed = self.past.len() + self.silent.len() + self.among.len() + self.beyond.len();
        self.seen.is_none() && passed >= window.rows() as usize
    }

    /// Whether there is nothing to look past.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.past.is_empty() && self.silent.is_empty()
    }

    /// A mute server is a far end as well: it lives, and its kernel can be asked.
    fn ended(mut self) -> Self {
        self.far_end = self.beyond.first().copied().or(self.far_end);
        self
    }

    /// In a simulation without R9: servers do not look past one that answers, and a server without a pulse counts as a
    /// full witness.
    pub(super) fn stop_at_agents(&mut self) {
        let Some(at) = self.silent.iter().position(|(_, kind)| *kind == VoteKind::Agent) else { return };
        // A direct buddy is still accused itself. Any server after it is taken to be alive.
        let end = at.max(1);
        let known = self.silent.get(end).map(|(id, _)| *id).or(self.far_end);
        self.silent.truncate(end);
        (self.far_end, self.all) = (known, self.all && known.is_none());
        (self.among, self.beyond) = (Vec::new(), Vec::new());
    }
}

impl Chain {
    /// A chain of which only the buddy is known so far.
    #[must_use]
    pub fn of(buddy: Buddy, whole: bool) -> Self {
        Self { members: vec![buddy], whole }
    }

    /// The run, given what is known of each member.
    pub fn run(&self, judged: impl Fn(ServerId) -> Judged) -> Run {
        let mut run = Run::default();
        let mut asked = false;
        for (place, member) in self.members.iter().enumerate() {
            let Judged { state, mute, deaf } = judged(member.id);
            match state.finding() {
                Some(_) if asked => {
                    run.seen = Some(place + 1);
                    return run.ended();
                }
                Some(kind) => {
                    run.silent.push((member.id, kind));
                    run.among.append(&mut run.beyond);
                }
                None if state == State::Waiting => return run.ended(),
                None if mute && run.silent.is_empty() => run.past.push(member.id),
                None if mute => {
                    run.beyond.push(member.id);
                    asked |= !deaf;
                }
                None => {
                    run.far_end = Some(member.id);
                    run.seen = Some(place + 1);
                    return run.ended();
                }
            }
        }
        let heard = run.past.len() + run.among.len() + run.beyond.len();
        run.all = self.whole && heard == 0 && !run.silent.is_empty();
        run.ended()
    }

    /// The member with this id.
    #[must_use]
    pub fn member(&self, id: ServerId) -> Option<&Buddy> {
        self.members.iter().find(|m| m.id == id)
    }

    /// The members among the first `window` that must be watched: all of them until a living server is found that can
    /// vote, then only up to that one.
    pub fn watched<'a>(&'a self, run: &Run, window: usize) -> impl Iterator<Item = &'a Buddy> {
        self.members.iter().take(run.seen.unwrap_or(window))
    }
}

/// How many servers are looked at beyond the buddy: 16, then 32 more, and so on, up to as many as one server can watch
/// at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window(u16);

impl Window {
    /// How many watches looking ahead may hold, on both sides together: those of the datapath, less the ones for
    /// buddies, another place, join proofs, and others' questions and own ones (R12).
    pub const MOST: u16 = 45;

    /// The window of the first look.
    #[must_use]
    pub fn first(ahead: u16) -> Self {
        Self(ahead.clamp(1, Self::MOST))
    }

    /// The next window: twice as many more, up to the limit.
    #[must_use]
    pub fn wider(self) -> Self {
        Self(self.0.saturating_mul(3).min(Self::MOST))
    }

    /// How many rows to read, including the buddy's.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.0 + 1
    }
}

/// Nearest first, taking both sides in turn, each server once, at most [`Window::MOST`] in all.
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
