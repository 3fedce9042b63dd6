//! Start: whose is the name, whose is the address, and is there a place that was kept?

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Next;
use super::common::Common;
use super::contract::{Buddy, BuddyList, Output, Stopped, TableDone};
use super::joining::{Spliced, new_row};
use super::table::Concern;
use crate::backoff::Backoff;
use crate::edit::{Guard, Lookup, Outcome, TableSnapshot};
use crate::op::TableOp;
use crate::{Purpose, ServerRow, Time};

/// Looking for the own row.
///
/// ```text
///             +--> nobody has name or address ------------------------> Joining
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
}

/// Another installation that holds the own name.
#[derive(Debug, Serialize, Deserialize)]
struct Rival {
    row: ServerRow,
    since: Time,
}

impl Starting {
    /// How long a server that holds the own name has to answer.
    const RIVAL: Duration = Duration::from_secs(2);

    pub fn new(kept: Option<BuddyList>, now: Time) -> Self {
        Self { kept, ..Self::again(now, false) }
    }

    pub fn again(at: Time, rejoining: bool) -> Self {
        let conflicts = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
        Self { kept: None, rejoining, find_at: at, rival: None, conflicts }
    }

    pub const fn kept(&self) -> Option<&BuddyList> {
        self.kept.as_ref()
    }

    pub fn settle(&mut self, common: &mut Common) -> Option<Next> {
        if let Some(next) = self.rival(common) {
            return Some(next);
        }
        let idle = self.rival.is_none() && !common.tables.busy(Concern::Join);
        if idle && common.due(self.find_at) && common.ready(Concern::Find) {
            let op = TableOp::FindSelf { name: common.identity.name.clone(), address: common.identity.address };
            common.begin(Concern::Find, op);
        }
        None
    }

    /// Watch the server that holds the name, until it answers or has been silent for long enough.
    fn rival(&mut self, common: &mut Common) -> Option<Next> {
        let rival = self.rival.as_ref()?;
        let proof = common.watches.of(rival.row.id).and_then(|w| w.reading.last_proof());
        if proof.is_some() {
            let (name, address) = (&rival.row.name, rival.row.address);
            return Some(Next::Stop(Stopped::Refused(format!(
                "name {name} is taken by a server at {address} that still answers; give this one another name, or stop that one"
            ))));
        }
        if common.due(rival.since + Self::RIVAL) {
            let row = Guard::from(&rival.row);
            self.rival = None;
            common.watch_only(&[]);
            Self::take_over(common, row);
        }
        None
    }

    fn take_over(common: &mut Common, row: Guard) {
        let new = new_row(common);
        common.begin(Concern::Join, TableOp::TakeOver { row, new });
    }

    pub fn table(&mut self, common: &mut Common, concern: Concern, done: TableDone) -> Option<Next> {
        let outcome = match done.result {
            Ok(outcome) => outcome,
            Err(failure) if failure.transient => {
                self.hold_on(common);
                return None;
            }
            Err(failure) => return Some(Next::Stop(Stopped::Refused(failure.cause))),
        };
        if concern == Concern::Find {
            return self.found(common, &done.snapshot);
        }
        if let Some(spliced) = Spliced::of(&outcome, self.rejoining, 1) {
            return Some(Next::Join(spliced));
        }
        if let Outcome::AddressTaken { name } = &outcome {
            return Some(address_taken(common, name));
        }
        // Somebody changed the row meanwhile: see who.
        self.find_at = common.now + self.conflicts.next(&mut common.rng);
        None
    }

    /// The database is away: answer and watch as what this server last was.
    fn hold_on(&mut self, common: &mut Common) {
        let Some(kept) = &self.kept else { return };
        let fresh = common.watches.is_empty();
        let wanted: Vec<(Buddy, Purpose)> =
            kept.first.iter().chain(&kept.second).map(|b| (b.clone(), Purpose::Buddy)).collect();
        if fresh {
            common.me = (kept.id, kept.incarnation);
            let health = common.health;
            common.say(Output::Identity { id: kept.id, incarnation: kept.incarnation, health });
            common.watch_only(&wanted);
        }
    }

    fn found(&mut self, common: &mut Common, seen: &TableSnapshot) -> Option<Next> {
        let (name, address) = (common.identity.name.clone(), common.identity.address);
        if let Some(row) = seen.row(&Lookup::Address(address)).filter(|r| r.name != name) {
            return Some(address_taken(common, &row.name));
        }
        let Some(row) = seen.row(&Lookup::Name(name)) else {
            return Some(Next::Place { rejoining: self.rejoining });
        };
        common.me.1 = common.me.1.max(row.incarnation);
        if row.boot == common.identity.boot || row.address == address {
            Self::take_over(common, Guard::from(row));
        } else {
            self.rival = Some(Rival { row: row.clone(), since: common.now });
            common.watch_only(&[(Buddy::from(row), Purpose::Join)]);
        }
        None
    }
}

/// A row of another name has this server's address; it cannot be asked, because its address is here.
pub(super) fn address_taken(common: &Common, name: &str) -> Next {
    let address = common.identity.address;
    Next::Stop(Stopped::Refused(format!(
        "address {address} is that of server {name} in this pool; if {name} is gone for good, remove it with \
         `ringmon leave {name}`, otherwise give this server its own address"
    )))
}
