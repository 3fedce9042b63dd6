//! How votes and removals of one side ended.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::{Attempt, OwnVote, SideWork};
use crate::edit::{Removal, TableSnapshot};
use crate::engine::asks::Asks;
use crate::engine::contract::TableDone;
use crate::engine::facts::Facts;
use crate::event::EventBody;
use crate::outcome::{Held, Outcome};
use crate::row::ServerRow;
use crate::{ServerId, Side, Time};

/// The coarsest clock that a database uses.
const CLOCK_STEP: Duration = Duration::from_millis(1);

/// What a member has to do after an operation ended.
#[derive(Debug, PartialEq)]
pub(in crate::engine::member) enum After {
    Nothing,
    /// Read this server's row again, now.
    Read,
    /// A run is out of the table.
    Removed(Vec<Removal>, (ServerId, ServerId)),
}

impl SideWork {
    /// An accusation or a withdrawal ended. `is_known`: whether this server's removal of that server was already
    /// recorded.
    pub fn done(
        &mut self,
        facts: &Facts,
        asks: &mut Asks,
        done: &TableDone,
        is_known: impl Fn(ServerId) -> bool,
    ) -> After {
        let attempt = core::mem::take(&mut self.attempt);
        let Ok(outcome) = &done.result else {
            self.failed(attempt);
            return After::Nothing;
        };
        self.look_for_cut(facts, &done.snapshot);
        match outcome {
            Outcome::Voted { subjects, held } => self.voted(facts, asks, subjects, *held, attempt),
            Outcome::Withdrawn => self.taken_back(facts, asks, attempt),
            Outcome::Removed { removed, ends } if removed.iter().any(|r| !is_known(r.server)) => {
                return After::Removed(removed.clone(), *ends);
            }
            Outcome::Held(held) => self.held(asks, *held, &done.snapshot),
            Outcome::Braked => self.held(asks, Held::Brake, &done.snapshot),
            Outcome::Overtaken => {
                asks.held(Held::Overtaken);
                self.retry(facts, asks);
            }
            // The removals in the answer were all recorded before: what this side knew when it asked is old.
            Outcome::Removed { .. }
            | Outcome::Stale
            | Outcome::Read
            | Outcome::Joined { .. }
            | Outcome::Left
            | Outcome::AloneMarked
            | Outcome::Written
            | Outcome::NameTaken { .. }
            | Outcome::AddressTaken { .. } => {
                self.look_again(facts.now);
                self.retry(facts, asks);
                self.taken_back(facts, asks, attempt);
                return After::Read;
            }
        }
        After::Nothing
    }

    /// It is unknown what was written: assume that the votes stand, so that they are taken back when they are no longer
    /// true.
    fn failed(&mut self, attempt: Attempt) {
        if let Attempt::Cast(votes) = attempt {
            for (id, vote) in votes {
                self.votes.entry(id).or_insert(vote);
            }
        }
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.sent = None;
        }
    }

    fn voted(&mut self, facts: &Facts, asks: &mut Asks, subjects: &[ServerId], held: Option<Held>, attempt: Attempt) {
        let Attempt::Cast(cast) = attempt else { return };
        for (id, vote) in cast.into_iter().filter(|(id, _)| subjects.contains(id)) {
            let vote = OwnVote { confirmed: true, ..vote };
            if self.votes.insert(id, vote) != Some(vote) {
                asks.tally_mut().votes += 1;
                let name = self.chain.member(id).map_or_else(|| id.to_string(), |b| b.name.clone());
                asks.event(&name, EventBody::Vote { kind: vote.kind, side: self.side });
                asks.tell_followers(id);
            }
        }
        let mut renewed = false;
        if let Some(suspicion) = &mut self.suspicion {
            renewed = suspicion.first_vote.is_some();
            suspicion.first_vote.get_or_insert(facts.now);
            suspicion.conflicts.reset();
        }
        // With its first vote nobody can be removed yet. Later it is news, also when the vote had to be renewed.
        if let Some(held) = held.filter(|_| renewed) {
            self.say_held(asks, held);
        }
        self.wait(asks);
    }

    /// Votes were taken back, or were already gone.
    fn taken_back(&mut self, facts: &Facts, asks: &mut Asks, attempt: Attempt) {
        let Attempt::TakeBack(subjects) = attempt else { return };
        for id in subjects {
            if let Some(vote) = self.votes.remove(&id).filter(|vote| vote.confirmed) {
                asks.event(&facts.watches.name_of(id), EventBody::VoteWithdrawn { kind: vote.kind });
                asks.tell_followers(id);
            }
        }
    }

    /// Counts it, and says it if the reason is new.
    fn say_held(&mut self, asks: &mut Asks, held: Held) {
        asks.held(held);
        let first = self.run.silent.first().and_then(|(id, _)| self.chain.member(*id));
        let name = first.map_or_else(String::new, |b| b.name.to_owned());
        let Some(suspicion) = &mut self.suspicion else { return };
        if suspicion.held.replace(held) != Some(held) {
            asks.event(&name, EventBody::Held { why: held });
        }
    }

    fn held(&mut self, asks: &mut Asks, held: Held, seen: &TableSnapshot) {
        self.say_held(asks, held);
        self.wait(asks);
        if held == Held::TooYoung
            && let Some(at) = self.old_enough_at(asks, seen)
            && let Some(suspicion) = &mut self.suspicion
        {
            suspicion.next = suspicion.next.min(at);
        }
    }

    /// R3: when the next of the suspects will have had its time to answer. Waiting for the next regular check, as for
    /// causes whose end cannot be computed, would cost up to as much again.
    fn old_enough_at(&self, asks: &Asks, seen: &TableSnapshot) -> Option<Time> {
        let rows: Vec<&ServerRow> = self.run.silent.iter().filter_map(|(id, _)| seen.rows.get(id)).collect();
        let wait = rows.iter().map(|row| row.wait()).max()?;
        let missing = |row: &&ServerRow| {
            let votes = Side::BOTH.into_iter().filter_map(|side| row.vote(side));
            let youngest = votes.filter_map(|vote| seen.db_now.since(vote.since)).min()?;
            Some(wait.saturating_sub(youngest))
        };
        let missing = rows.iter().filter_map(missing).filter(|missing| !missing.is_zero());
        let unserved = wait.saturating_sub(asks.tables().served(seen.read_at));
        missing.min().map(|missing| seen.read_at + missing.max(unserved) + CLOCK_STEP)
    }

    /// Checks again some time after the first vote, and then more and more seldom ([`Asks::next_check`]).
    fn wait(&mut self, asks: &mut Asks) {
        if let Some(suspicion) = &mut self.suspicion {
            let first = suspicion.first_vote.unwrap_or(suspicion.since);
            suspicion.next = asks.next_check(first);
        }
    }

    /// The table was not as expected: try again soon, with a new accusation.
    fn retry(&mut self, facts: &Facts, asks: &mut Asks) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.sent = None;
            suspicion.not_before = facts.now + suspicion.conflicts.next(asks.rng());
        }
    }
}
