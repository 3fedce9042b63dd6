//! R12: if a server hears neither buddy and is told that both are alive, its own links are broken. It tries other
//! places on the ring as a server that joins does, and goes to the first that is proved, in one operation. Until then
//! it stays where it is.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::proofs::Proofs;
use super::side::SideWork;
use super::view;
use crate::buddy::Buddy;
use crate::edit::TableSnapshot;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::engine::trial::Trial;
use crate::event::EventBody;
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::row::{Address, Mode};
use crate::time::millis;
use crate::{Purpose, Time, VoteKind};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Moving {
    /// Since when both buddies are silent here but heard by others.
    misplaced: Option<Time>,
    told: bool,
    trial: Option<Trial>,
    /// Places that were tried.
    tried: u32,
    next_at: Time,
}

impl Moving {
    /// Both buddies must have been silent and proved alive for this long before a server moves.
    const SURE: Duration = Duration::from_secs(2);
    /// After this many places without two good ends, one good end will do: it is one more than here.
    const PICKY: u32 = 3;
    /// Pause after a place that came to nothing.
    const PAUSE: Duration = Duration::from_millis(250);

    /// This server answered a probe from `address`.
    pub fn answered(&mut self, address: Address, at: Time, proved: Option<Time>) {
        self.trial.iter_mut().for_each(|trial| trial.answered(address, at, proved));
    }

    /// The servers at the ends of the place on trial.
    pub fn probed(&self) -> Vec<(Buddy, Purpose)> {
        self.trial.iter().flat_map(Trial::probed).collect()
    }

    pub fn settle(
        &mut self,
        facts: &Facts,
        asks: &mut Asks,
        proofs: &Proofs,
        place: &view::Place,
        sides: &[SideWork; 2],
    ) {
        if asks.busy(Concern::Move) {
            return;
        }
        if place.row.draining || !is_misplaced(facts, proofs, sides) {
            *self = Self::default();
            return;
        }
        let since = *self.misplaced.get_or_insert(facts.now);
        if !asks.due(since + Self::SURE) || asks.busy(Concern::Place) {
            return;
        }
        if !core::mem::replace(&mut self.told, true) {
            asks.own_event(EventBody::Moving { misplaced_ms: millis(facts.now.since(since)) });
        }
        let Some(trial) = &self.trial else {
            if asks.due(self.next_at) && asks.ready(Concern::Place) {
                self.tried += 1;
                let pick = asks.rng().pick();
                asks.begin(Concern::Place, TableOp::PickPlace { pick });
            }
            return;
        };
        if let Some(place) = trial.proved(facts, self.tried > Self::PICKY) {
            if asks.ready(Concern::Move) {
                let (me, misplaced) = (asks.me(), facts.now.since(since));
                asks.begin(Concern::Move, TableOp::Move { me: me.id, incarnation: me.incarnation, place, misplaced });
            }
        } else if asks.due(trial.over(facts)) {
            self.elsewhere(facts, asks);
        }
    }

    fn elsewhere(&mut self, facts: &Facts, asks: &mut Asks) {
        self.trial = None;
        self.next_at = facts.now + Self::PAUSE;
        asks.wake_at(self.next_at);
    }

    /// A place was picked.
    pub fn picked(&mut self, facts: &Facts, asks: &mut Asks, seen: &TableSnapshot) {
        let me = asks.me().id;
        match Trial::of(seen, facts.now) {
            Some(Ok(trial)) if trial.ends().all(|end| end.id != me) => {
                trial.begin(facts, asks);
                self.trial = Some(trial);
            }
            Some(Ok(_) | Err(())) | None => self.elsewhere(facts, asks),
        }
    }

    /// The move was tried: the servers next to the old place and the new one read their rows. If it came to nothing,
    /// they find them unchanged.
    pub fn done(&mut self, facts: &Facts, asks: &mut Asks, left: &[Buddy]) {
        let subject = asks.me().id;
        let ends: Vec<Buddy> = self.trial.iter().flat_map(Trial::ends).map(Buddy::from).collect();
        for buddy in left.iter().chain(&ends) {
            asks.send(buddy.address, buddy.notice_port, NoticeBody::Spliced { subject });
        }
        self.elsewhere(facts, asks);
    }
}

/// Whether both buddies are silent here but heard by others, and another place exists: two more servers that answer.
fn is_misplaced(facts: &Facts, proofs: &Proofs, sides: &[SideWork; 2]) -> bool {
    let proved = |work: &SideWork| {
        let first = work.run().silent.first().filter(|_| work.run().lost_buddy());
        let suspected = first.is_some_and(|(_, kind)| *kind == VoteKind::Host);
        suspected && work.members().first().is_some_and(|b| proofs.fresh(b.id, b.incarnation, facts.now))
    };
    let ends = sides.each_ref().map(|work| work.run().far_end);
    let elsewhere = matches!(ends, [Some(one), Some(other)] if one != other);
    let allowed = facts.mode() == Mode::Act && facts.pool.as_ref().is_some_and(|p| p.frozen.is_none());
    elsewhere && allowed && sides.iter().all(proved)
}
