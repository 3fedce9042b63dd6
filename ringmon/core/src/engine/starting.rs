//! Start: who has this server's name and address, and is there a kept place?

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::asks::{Asks, Me};
use super::contract::{Stopped, TableDone};
use super::entry::{NextPhase, Spliced, address_taken, new_row};
use super::facts::Facts;
use super::table::Concern;
use crate::backoff::Backoff;
use crate::buddy::{Buddy, BuddyList};
use crate::edit::{Guard, Lookup, Outcome, TableSnapshot};
use crate::op::TableOp;
use crate::row::Health;
use crate::{Purpose, ServerRow, Time};

/// Looks for this server's row.
///
/// ```text
///             +--> no row has name or address ------------------------> Joining
///  FindSelf --+--> own boot token, or own address under own name -----> TakeOver --> Member
///      ^      +--> another installation has the name: probe it --silent--^
///      |      |                                        +--answers--> refused
///      |      +--> another name has the address -------------------> refused
///      +-- database away (the kept buddies are watched meanwhile)
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Starting {
    kept: Option<BuddyList>,
    rejoining: bool,
    find_at: Time,
    rival: Option<Rival>,
    conflicts: Backoff,
    /// The health that this server last asked its row to have.
    written_health: Option<Health>,
}

/// Another installation that has this server's name.
#[derive(Debug, Serialize, Deserialize)]
struct Rival {
    row: ServerRow,
    since: Time,
}

impl Starting {
    /// How long the server that has this name is given to answer.
    const RIVAL: Duration = Duration::from_secs(2);

    pub fn new(kept: Option<BuddyList>, now: Time) -> Self {
        Self { kept, ..Self::again(now, false) }
    }

    pub fn again(at: Time, rejoining: bool) -> Self {
        let conflicts = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
        Self { kept: None, rejoining, find_at: at, rival: None, conflicts, written_health: None }
    }

    pub const fn kept(&self) -> Option<&BuddyList> {
        self.kept.as_ref()
    }

    pub fn settle(&mut self, facts: &mut Facts, asks: &mut Asks) -> Option<NextPhase> {
        if let Some(next) = self.rival(facts, asks) {
            return Some(next);
        }
        let idle = self.rival.is_none() && !asks.busy(Concern::Join);
        if idle && asks.due(self.find_at) && asks.ready(Concern::Find) {
            let op = TableOp::FindSelf { name: facts.identity.card.name.clone(), address: facts.identity.card.address };
            asks.begin(Concern::Find, op);
        }
        None
    }

    /// Watches the server that has this name, until it answers or has been silent for long enough.
    fn rival(&mut self, facts: &mut Facts, asks: &mut Asks) -> Option<NextPhase> {
        let rival = self.rival.as_ref()?;
        let proof = facts.watches.of(rival.row.id).and_then(|w| w.reading.last_proof());
        if proof.is_some() {
            let (name, address) = (&rival.row.card.name, rival.row.card.address);
            return Some(NextPhase::Stopped(Stopped::Refused(format!(
                "name {name} is taken by a server at {address} that still answers; \
                 give this one another name, or stop that one"
            ))));
        }
        if asks.due(rival.since + Self::RIVAL) {
            let row = Guard::from(&rival.row);
            self.rival = None;
            facts.watch_only(asks, &[]);
            self.take_over(facts, asks, row);
        }
        None
    }

    fn take_over(&mut self, facts: &Facts, asks: &mut Asks, row: Guard) {
        let new = new_row(facts, asks);
        self.written_health = Some(new.health);
        asks.begin(Concern::Join, TableOp::TakeOver { row, new });
    }

    pub fn table(
        &mut self,
        facts: &mut Facts,
        asks: &mut Asks,
        concern: Concern,
        done: &TableDone,
    ) -> Option<NextPhase> {
        let outcome = match &done.result {
            Ok(outcome) => outcome,
            Err(failure) if failure.transient => {
                self.hold_on(facts, asks);
                return None;
            }
            Err(failure) => return Some(NextPhase::Stopped(Stopped::Refused(failure.cause.clone()))),
        };
        if concern == Concern::Find {
            return self.found(facts, asks, &done.snapshot);
        }
        if let Some(spliced) = Spliced::of(outcome, self.rejoining, 1, self.written_health) {
            return Some(NextPhase::Member(spliced));
        }
        if let Outcome::AddressTaken { name } = outcome {
            return Some(address_taken(facts, name));
        }
        // Another agent changed the row in the meantime: read who.
        self.find_at = facts.now + self.conflicts.next(asks.rng());
        None
    }

    /// The database does not answer: answer probes and watch buddies as what this server last was.
    fn hold_on(&mut self, facts: &mut Facts, asks: &mut Asks) {
        let Some(kept) = &self.kept else { return };
        let fresh = facts.watches.is_empty();
        let wanted: Vec<(Buddy, Purpose)> =
            kept.first.iter().chain(&kept.second).map(|b| (b.clone(), Purpose::Buddy)).collect();
        if fresh {
            asks.i_am(Me::of(kept));
            facts.identify(asks);
            facts.watch_only(asks, &wanted);
        }
    }

    fn found(&mut self, facts: &mut Facts, asks: &mut Asks, seen: &TableSnapshot) -> Option<NextPhase> {
        let (name, address) = (facts.identity.card.name.clone(), facts.identity.card.address);
        if let Some(row) = seen.row(&Lookup::Address(address)).filter(|r| r.card.name != name) {
            return Some(address_taken(facts, &row.card.name));
        }
        let Some(row) = seen.row(&Lookup::Name(name)) else {
            return Some(NextPhase::Joining { rejoining: self.rejoining });
        };
        let me = asks.me();
        asks.i_am(Me { incarnation: me.incarnation.max(row.incarnation), ..me });
        if row.card.boot == facts.identity.card.boot || row.card.address == address {
            self.take_over(facts, asks, Guard::from(row));
        } else {
            self.rival = Some(Rival { row: row.clone(), since: facts.now });
            facts.watch_only(asks, &[(Buddy::from(row), Purpose::Join)]);
        }
        None
    }
}
