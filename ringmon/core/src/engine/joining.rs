//! Joining: pick a random place, prove that both future buddies hear this server and are heard by it, splice in.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::asks::Asks;
use super::contract::TableDone;
use super::entry::{NextPhase, Spliced, address_taken, new_row};
use super::facts::Facts;
use super::table::Concern;
use crate::backoff::Backoff;
use crate::buddy::Buddy;
use crate::detector::State;
use crate::edit::{Guard, Lookup, Outcome, TableSnapshot};
use crate::law;
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::row::{Address, Health};
use crate::{Purpose, ServerRow, Time};

/// Looking for a place.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Joining {
    rejoining: bool,
    attempt: Option<Attempt>,
    attempts: u32,
    next_at: Time,
    conflicts: Backoff,
    /// The health that this server last asked its row to have.
    written_health: Option<Health>,
}

/// One place, between `ends[0]` and its first buddy `ends[1]`. In a ring of one, both are the same server.
#[derive(Debug, Serialize, Deserialize)]
struct Attempt {
    began: Time,
    ends: [ServerRow; 2],
    /// When this server last answered a probe from each end.
    answered: [Option<Time>; 2],
    spliced: bool,
}

impl Joining {
    pub fn new(facts: &Facts, rejoining: bool) -> Self {
        let conflicts = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
        Self { rejoining, attempt: None, attempts: 0, next_at: facts.now, conflicts, written_health: None }
    }

    /// This server answered a probe from `address`: half of the proof.
    pub fn answered(&mut self, address: Address, at: Time) {
        let Some(attempt) = &mut self.attempt else { return };
        for (end, answered) in attempt.ends.iter().zip(&mut attempt.answered) {
            if end.card.address == address {
                *answered = (*answered).max(Some(at));
            }
        }
    }

    pub fn settle(&mut self, facts: &mut Facts, asks: &mut Asks) -> Option<NextPhase> {
        if asks.busy(Concern::Join) || asks.busy(Concern::Place) {
            return None;
        }
        let Some(attempt) = &mut self.attempt else {
            if asks.due(self.next_at) && asks.ready(Concern::Place) {
                self.attempts += 1;
                let pick = asks.rng().pick();
                asks.begin(Concern::Place, TableOp::PickPlace { pick });
            }
            return None;
        };
        if attempt.proved(facts) {
            let place = Some((Guard::from(&attempt.ends[0]), Guard::from(&attempt.ends[1])));
            if !attempt.spliced && asks.ready(Concern::Join) {
                attempt.spliced = true;
                let new = new_row(facts, asks);
                self.written_health = Some(new.health);
                asks.begin(Concern::Join, TableOp::Join { new, place });
            }
        } else if asks.due(attempt.began + law::JOIN_PROOF) {
            self.elsewhere(facts, asks, Duration::ZERO);
            return self.settle(facts, asks);
        }
        None
    }

    fn elsewhere(&mut self, facts: &mut Facts, asks: &mut Asks, pause: Duration) {
        self.attempt = None;
        self.next_at = facts.now + pause;
        facts.watch_only(asks, &[]);
    }

    pub fn table(
        &mut self,
        facts: &mut Facts,
        asks: &mut Asks,
        concern: Concern,
        done: &TableDone,
    ) -> Option<NextPhase> {
        let Ok(outcome) = &done.result else {
            // The splice may have been committed all the same: look for the row.
            let at = asks.tables().quiet_until();
            return Some(NextPhase::Starting { at, rejoining: self.rejoining });
        };
        if concern == Concern::Place {
            self.place(facts, asks, &done.snapshot);
            return None;
        }
        if let Some(spliced) = Spliced::of(outcome, self.rejoining, self.attempts, self.written_health) {
            return Some(NextPhase::Member(spliced));
        }
        if let Outcome::AddressTaken { name } = outcome {
            return Some(address_taken(facts, name));
        }
        let pause = self.conflicts.next(asks.rng());
        if matches!(outcome, Outcome::NameTaken { .. } | Outcome::Joined { .. }) {
            return Some(NextPhase::Starting { at: facts.now + pause, rejoining: self.rejoining });
        }
        self.elsewhere(facts, asks, pause);
        None
    }

    /// A place was picked: probe both ends, and ask both to probe this server.
    fn place(&mut self, facts: &mut Facts, asks: &mut Asks, seen: &TableSnapshot) {
        let picked = seen.answers.iter().find(|(lookup, _)| matches!(lookup, Lookup::Pick(_)));
        let Some(chosen) = picked.and_then(|(_, ids)| seen.rows.get(ids.first()?)) else {
            let new = new_row(facts, asks);
            self.written_health = Some(new.health);
            asks.begin(Concern::Join, TableOp::Join { new, place: None });
            return;
        };
        let Some(first) = seen.rows.get(&chosen.first_buddy) else {
            let pause = self.conflicts.next(asks.rng());
            self.elsewhere(facts, asks, pause);
            return;
        };
        let ends = [chosen.clone(), first.clone()];
        // Watches of an earlier attempt prove nothing for this one.
        facts.watch_only(asks, &[]);
        let wanted: Vec<(Buddy, Purpose)> = ends.iter().map(|end| (Buddy::from(end), Purpose::Join)).collect();
        facts.watch_only(asks, &wanted);
        let address = facts.identity.card.address;
        let twice = ends[0].id == ends[1].id;
        for end in ends.iter().take(if twice { 1 } else { 2 }) {
            asks.send(end.card.address, end.card.notice_port, NoticeBody::ProbeMe { address });
        }
        self.attempt = Some(Attempt { began: facts.now, ends, answered: [None; 2], spliced: false });
    }
}

impl Attempt {
    /// Since the attempt began, both ends answered with a pulse, and this server answered both.
    fn proved(&self, facts: &Facts) -> bool {
        self.ends.iter().zip(&self.answered).all(|(end, answered)| {
            let heard = facts
                .watches
                .of(end.id)
                .is_some_and(|w| w.detector.state() == State::Alive && w.reading.last_reply >= Some(self.began));
            heard && *answered >= Some(self.began)
        })
    }
}
