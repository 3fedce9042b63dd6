//! Joining: pick a random place, prove that both future buddies hear this server and are heard by it, splice in. Beside
//! one that does not answer, the other one's proof is enough if it accuses its silent neighbour.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::asks::Asks;
use super::contract::TableDone;
use super::entry::{NextPhase, Spliced, address_taken, new_row};
use super::facts::{Facts, Serving};
use super::table::Concern;
use super::trial::Trial;
use crate::Time;
use crate::backoff::Backoff;
use crate::edit::{Lookup, Outcome, TableSnapshot};
use crate::event::EventBody;
use crate::op::{Place, TableOp};
use crate::row::{Address, ServerRow};

/// Looking for a place.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Joining {
    rejoining: bool,
    trial: Option<Box<Trial>>,
    attempts: u32,
    next_at: Time,
    conflicts: Backoff,
    /// What this server last asked its row to say of its service.
    written: Option<Serving>,
    /// Since a place had two ends that answer: how many places were tried, and the names of servers that do not answer.
    silent: (u32, BTreeSet<String>),
    /// The names of those that do.
    #[serde(default)]
    heard: BTreeSet<String>,
    waiting: Option<String>,
}

impl Joining {
    /// After this many places without two ends that answer, this server says so.
    const TRIED: u32 = 5;
    /// It names at most this many servers.
    const NAMED: usize = 32;

    pub fn new(facts: &Facts, rejoining: bool) -> Self {
        Self {
            rejoining,
            trial: None,
            attempts: 0,
            next_at: facts.now,
            conflicts: Backoff::new(Duration::from_millis(10), Duration::from_millis(250)),
            written: None,
            silent: (0, BTreeSet::new()),
            heard: BTreeSet::new(),
            waiting: None,
        }
    }

    /// This server answered a probe from `address`: half of the proof.
    pub fn answered(&mut self, address: Address, at: Time, proved: Option<Time>) {
        self.trial.iter_mut().for_each(|trial| trial.answered(address, at, proved));
    }

    pub fn settle(&mut self, facts: &mut Facts, asks: &mut Asks) -> Option<NextPhase> {
        if asks.busy(Concern::Join) || asks.busy(Concern::Place) {
            return None;
        }
        let Some(trial) = &self.trial else {
            if asks.due(self.next_at) && asks.ready(Concern::Place) {
                self.attempts += 1;
                let pick = asks.rng().pick();
                asks.begin(Concern::Place, TableOp::PickPlace { pick });
            }
            return None;
        };
        // A silent end is good enough if the table says that the other end does not hear it either.
        let place = trial.proved(facts, true);
        if place.is_some() {
            if asks.ready(Concern::Join) {
                self.join(facts, asks, place);
            }
        } else if asks.due(trial.over(facts)) {
            self.remember_silence(facts, asks);
            self.elsewhere(facts, asks, Duration::ZERO);
            return self.settle(facts, asks);
        }
        None
    }

    fn join(&mut self, facts: &Facts, asks: &mut Asks, place: Option<Place>) {
        let new = new_row(facts, asks);
        self.written = Some(facts.serving());
        asks.begin(Concern::Join, TableOp::Join { new, place });
    }

    /// Why this server is not on the ring yet, if that takes long.
    pub const fn waiting(&self) -> Option<&String> {
        self.waiting.as_ref()
    }

    /// A place was tried without success. If nobody ever answers, perhaps no server is left who could say that all
    /// others are gone. But a server that hears nobody may be deaf, so it tells an operator what to do. Where somebody
    /// answers, the network is to be mended, and nobody removed.
    fn remember_silence(&mut self, facts: &Facts, asks: &mut Asks) {
        let Some(trial) = self.trial.as_ref().filter(|_| facts.cut_off_since().is_none()) else { return };
        let name = |row: &ServerRow| row.card.name.clone();
        let names: BTreeSet<String> = trial.silent(facts).map(name).collect();
        if names.is_empty() {
            (self.silent, self.heard, self.waiting) = ((0, BTreeSet::new()), BTreeSet::new(), None);
            return;
        }
        self.silent.0 += 1;
        self.heard.extend(trial.ends().map(name));
        self.heard.retain(|one| !names.contains(one));
        self.silent.1.extend(names);
        self.silent.1.retain(|one| !self.heard.contains(one));
        let list = |names: &BTreeSet<String>, by: &str| {
            names.iter().map(String::as_str).take(Self::NAMED).collect::<Vec<_>>().join(by)
        };
        let silent = list(&self.silent.1, ", ");
        let why = if self.heard.is_empty() {
            format!(
                "no server of this pool answers this one, of those that it tried: {silent}; if the whole pool is gone \
                 for good, remove its servers, and this one begins another: `ringmon leave {}`",
                list(&self.silent.1, " ")
            )
        } else {
            format!(
                "{} answered this server, and {silent} did not. It joins between two that answer, or beside one that \
                 is missed by its neighbour too: look at the network between this server and those that do not answer",
                list(&self.heard, ", ")
            )
        };
        if self.silent.0 >= Self::TRIED && self.waiting.as_ref() != Some(&why) {
            self.waiting = Some(why.clone());
            asks.own_event(EventBody::Waiting { why });
        }
    }

    fn elsewhere(&mut self, facts: &mut Facts, asks: &mut Asks, pause: Duration) {
        self.trial = None;
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
        if let Some(spliced) = Spliced::of(outcome, self.rejoining, self.attempts, self.written) {
            return Some(NextPhase::Member(spliced));
        }
        if let Outcome::AddressTaken { name } = outcome {
            return Some(address_taken(facts, name));
        }
        let pause = self.conflicts.next(asks.rng());
        // The table went back in time, and this server's last row is there again.
        let there = done.snapshot.row(&Lookup::Name(facts.identity.card.name.clone())).is_some();
        if there || matches!(outcome, Outcome::NameTaken { .. }) {
            return Some(NextPhase::Starting { at: facts.now + pause, rejoining: self.rejoining });
        }
        self.remember_silence(facts, asks);
        self.elsewhere(facts, asks, pause);
        None
    }

    /// A place was picked: probe both ends, and ask both to probe this server.
    fn place(&mut self, facts: &mut Facts, asks: &mut Asks, seen: &TableSnapshot) {
        match Trial::of(seen, facts.now) {
            None => self.join(facts, asks, None),
            Some(Err(())) => {
                let pause = self.conflicts.next(asks.rng());
                self.elsewhere(facts, asks, pause);
            }
            Some(Ok(trial)) => {
                // Watches of an earlier attempt prove nothing for this one.
                facts.watch_only(asks, &[]);
                facts.watch_only(asks, &trial.probed());
                trial.begin(facts, asks);
                self.trial = Some(Box::new(trial));
            }
        }
    }
}
