//! Start: who has this server's name and address, and is there a kept place?

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::asks::{Asks, Me};
use super::contract::{Stopped, TableDone};
use super::entry::{NextPhase, Spliced, address_taken, new_row};
use super::facts::{Facts, Serving};
use super::table::Concern;
use crate::backoff::Backoff;
use crate::buddy::{Buddy, BuddyList};
use crate::detector::State;
use crate::edit::{Guard, Lookup, NewRow, Outcome, TableSnapshot};
use crate::event::EventBody;
use crate::law;
use crate::notice::{Notice, NoticeBody};
use crate::op::TableOp;
use crate::row::Mode;
use crate::{Incarnation, Purpose, ServerRow, Side, Time};

/// Looks for this server's row.
///
/// ```text
///             +--> no row has name or address ------------------------> Joining
///  FindSelf --+--> own address under own name ------------------------> TakeOver --> Member
///      ^      +--> own name at another address: is it silent? --yes, and the pool has removed the row --> Joining
///      |      |                                        +--it answers, or a buddy of it says so --> refused
///      |      +--> another name has the address -----------------------> refused
///      +-- database away (the kept buddies are watched meanwhile)
/// ```
///
/// To take over the row of another address is to remove a server, so it is left to those who may do that: this server
/// waits until the row is gone. It may be deaf, or a copy of a machine that lives, and cannot tell. Only where there is
/// nobody else to remove the row, because it is the only one, this server takes it over itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Starting {
    kept: Option<BuddyList>,
    rejoining: bool,
    find_at: Time,
    rival: Option<Box<Rival>>,
    conflicts: Backoff,
    /// What this server last asked its row to say of its service.
    written: Option<Serving>,
}

/// The server at another address that has this server's name.
#[derive(Debug, Serialize, Deserialize)]
struct Rival {
    row: ServerRow,
    since: Time,
    /// Its buddies, who are asked whether they hear it.
    buddies: Vec<Buddy>,
    /// What this server waits for, if it has been said.
    waiting: Option<String>,
}

impl Starting {
    /// In a pool of one: how long the server that has this name is given to answer. No removal needs a longer silence.
    const RIVAL: Duration = law::REMOVAL_SILENCE_MOST;

    pub fn new(kept: Option<BuddyList>, now: Time) -> Self {
        Self { kept, ..Self::again(now, false) }
    }

    pub fn again(at: Time, rejoining: bool) -> Self {
        let conflicts = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
        Self { kept: None, rejoining, find_at: at, rival: None, conflicts, written: None }
    }

    /// What this server waits for.
    pub fn waiting(&self) -> Option<&str> {
        self.rival.as_ref()?.waiting.as_deref()
    }

    pub const fn kept(&self) -> Option<&BuddyList> {
        self.kept.as_ref()
    }

    pub fn settle(&mut self, facts: &mut Facts, asks: &mut Asks) -> Option<NextPhase> {
        if asks.me().incarnation != Incarnation(0) {
            // While it holds on, its kernel is asked about its buddies.
            // A fault of this machine must not count against them.
            facts.identify(asks);
        }
        if let Some(rival) = &self.rival {
            let watch = facts.watches.of(rival.row.id);
            if watch.is_some_and(|w| w.reading.last_proof().is_some()) {
                return Some(rival.refused(""));
            }
        }
        let idle = !asks.busy(Concern::Join);
        if idle && asks.due(self.find_at) && asks.ready(Concern::Find) {
            let op = TableOp::FindSelf { name: facts.identity.card.name.clone(), address: facts.identity.card.address };
            asks.begin(Concern::Find, op);
        }
        None
    }

    /// R12: a buddy of the server that has this name answers whether it hears it.
    pub fn notice(&self, notice: &Notice) -> Option<NextPhase> {
        let NoticeBody::Proof { incarnation, .. } = notice.body else { return None };
        let rival = self.rival.as_ref().filter(|rival| incarnation >= rival.row.incarnation)?;
        let witness = rival.buddies.iter().find(|buddy| buddy.id == notice.from)?;
        Some(rival.refused(&format!(" ({} hears it, though this server does not)", witness.name)))
    }

    /// This server's name is in the table at another address.
    fn meet(&mut self, facts: &mut Facts, asks: &mut Asks, row: &ServerRow, seen: &TableSnapshot) {
        let known =
            self.rival.take().filter(|rival| rival.row.id == row.id && rival.row.incarnation == row.incarnation);
        let again = known.is_some();
        let (since, waiting) = known.map_or((facts.now, None), |rival| (rival.since, rival.waiting));
        let others = Side::BOTH.map(|side| row.buddy(side)).into_iter().filter(|id| *id != row.id);
        let buddies: Vec<Buddy> = others.filter_map(|id| seen.rows.get(&id)).map(Buddy::from).collect();
        self.find_at = facts.now + law::JOIN_PROOF;
        facts.watch_only(asks, &[(Buddy::from(row), Purpose::Join)]);
        let held = held(facts);
        let suspect = facts.watches.judge(row.id) == State::Suspect;
        if row.first_buddy == row.id && held.is_none() && suspect && facts.now >= since + Self::RIVAL {
            facts.watch_only(asks, &[]);
            self.take_over(facts, asks, Guard::from(row));
            return;
        }
        for buddy in &buddies {
            asks.send(buddy.address, buddy.notice_port, NoticeBody::Ask { address: row.card.address });
        }
        let mut rival = Rival { row: row.clone(), since, buddies, waiting };
        if again {
            rival.wait(asks, held);
        }
        self.rival = Some(Box::new(rival));
    }

    fn take_over(&mut self, facts: &Facts, asks: &mut Asks, row: Guard) {
        // The row has the word of an operator, unless the start brings another one.
        let new = NewRow { draining: facts.identity.start_drained, ..new_row(facts, asks) };
        self.written = Some(facts.serving());
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
        if let Some(spliced) = Spliced::of(outcome, self.rejoining, 1, self.written) {
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
        let Some(kept) = self.kept.as_ref().filter(|_| facts.watches.is_empty()) else { return };
        let buddies = kept.first.iter().chain(&kept.second);
        let wanted: Vec<(Buddy, Purpose)> = buddies.map(|buddy| (buddy.clone(), Purpose::Buddy)).collect();
        asks.i_am(Me::of(kept));
        facts.watch_only(asks, &wanted);
    }

    fn found(&mut self, facts: &mut Facts, asks: &mut Asks, seen: &TableSnapshot) -> Option<NextPhase> {
        let (name, address) = (facts.identity.card.name.clone(), facts.identity.card.address);
        if let Some(row) = seen.row(&Lookup::Address(address)).filter(|r| r.card.name != name) {
            return Some(address_taken(facts, &row.card.name));
        }
        // The row may be gone, or be as it was before the last life.
        self.kept.iter().for_each(|kept| live_after(asks, kept.incarnation));
        let Some(row) = seen.row(&Lookup::Name(name)) else {
            return Some(NextPhase::Joining { rejoining: self.rejoining });
        };
        live_after(asks, row.incarnation);
        // An operator may have ended the drain meanwhile. (That it drains may be this server's own word.)
        facts.drained &= row.draining || facts.identity.start_drained;
        if row.card.address == address {
            self.take_over(facts, asks, Guard::from(row));
        } else {
            self.meet(facts, asks, row, seen);
        }
        None
    }
}

impl Rival {
    fn refused(&self, how: &str) -> NextPhase {
        let (name, address) = (&self.row.card.name, self.row.card.address);
        NextPhase::Stopped(Stopped::Refused(format!(
            "name {name} is taken by a server at {address} that still answers{how}; \
             give this one another name, or stop that one"
        )))
    }

    /// Says what this server waits for, once.
    fn wait(&mut self, asks: &mut Asks, held: Option<&str>) {
        let (name, address) = (&self.row.card.name, self.row.card.address);
        let why = format!(
            "name {name} is in the table at {address}, which does not answer this server; it waits until the pool has \
             removed that row{}; if that server is gone for good, `ringmon leave {name}` does it at once",
            held.unwrap_or_default()
        );
        if self.waiting.as_ref() != Some(&why) {
            self.waiting = Some(why.clone());
            asks.own_event(EventBody::Waiting { why });
        }
    }
}

/// R8: the next life is younger than this one.
fn live_after(asks: &mut Asks, last: Incarnation) {
    let me = asks.me();
    asks.i_am(Me { incarnation: me.incarnation.max(last), ..me });
}

/// What keeps the pool from removing anybody (R11).
fn held(facts: &Facts) -> Option<&'static str> {
    let frozen = facts.pool.as_ref().is_some_and(|pool| pool.frozen.is_some());
    match facts.mode() {
        Mode::Observe => Some(", and nobody is removed while the pool or this agent only observes"),
        Mode::Act => frozen.then_some(", and nobody is removed while the pool is frozen"),
    }
}
