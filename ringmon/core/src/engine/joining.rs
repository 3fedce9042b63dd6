//! Joining: a random place, the proof that both future buddies are heard and hear, the splice.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Next;
use super::common::Common;
use super::contract::{Buddy, Identity, TableDone};
use super::starting::address_taken;
use super::table::Concern;
use crate::backoff::Backoff;
use crate::edit::{Guard, Lookup, NewRow, Outcome, TableSnapshot};
use crate::law;
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::row::Address;
use crate::{Incarnation, Purpose, ServerId, ServerRow, Time};

/// Looking for a place.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Joining {
    rejoining: bool,
    attempt: Option<Attempt>,
    attempts: u32,
    next_at: Time,
    conflicts: Backoff,
}

/// One place: between `ends[0]` and its first buddy `ends[1]`, which in a ring of one is itself.
#[derive(Debug, Serialize, Deserialize)]
struct Attempt {
    began: Time,
    ends: [ServerRow; 2],
    /// When each end's probes were last answered here.
    answered: [Option<Time>; 2],
    spliced: bool,
}

/// A join that is committed.
#[derive(Debug)]
pub(super) struct Spliced {
    pub id: ServerId,
    pub incarnation: Incarnation,
    pub kept_place: bool,
    pub rejoining: bool,
    pub attempts: u32,
}

impl Spliced {
    pub fn of(outcome: &Outcome, rejoining: bool, attempts: u32) -> Option<Self> {
        let Outcome::Joined { id, incarnation, kept_place } = outcome else { return None };
        let (id, incarnation, kept_place) = (*id, *incarnation, *kept_place);
        (id != ServerId::NEW).then_some(Self { id, incarnation, kept_place, rejoining, attempts })
    }
}

/// The own row as it should be; the operation sets its links.
pub(super) fn new_row(common: &mut Common) -> NewRow {
    let pick = common.rng.pick();
    common.row_health = Some(common.health);
    let Identity { name, address, notice_port, route_address, route_port, weight, boot, .. } = &common.identity;
    NewRow {
        name: name.clone(),
        address: *address,
        notice_port: *notice_port,
        route_address: *route_address,
        route_port: *route_port,
        weight: *weight,
        first_buddy: ServerId::NEW,
        second_buddy: ServerId::NEW,
        incarnation: Incarnation(common.me.1.0.saturating_add(1)),
        boot: boot.clone(),
        pick,
        health: common.health,
    }
}

impl Joining {
    pub fn new(common: &Common, rejoining: bool) -> Self {
        let conflicts = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));
        Self { rejoining, attempt: None, attempts: 0, next_at: common.now, conflicts }
    }

    /// A probe of this server's was answered here: half of the proof.
    pub fn answered(&mut self, address: Address, at: Time) {
        let Some(attempt) = &mut self.attempt else { return };
        for (end, answered) in attempt.ends.iter().zip(&mut attempt.answered) {
            if end.address == address {
                *answered = (*answered).max(Some(at));
            }
        }
    }

    pub fn settle(&mut self, common: &mut Common) -> Option<Next> {
        if common.tables.busy(Concern::Join) || common.tables.busy(Concern::Place) {
            return None;
        }
        let Some(attempt) = &mut self.attempt else {
            if common.due(self.next_at) && common.ready(Concern::Place) {
                self.attempts += 1;
                let pick = common.rng.pick();
                common.begin(Concern::Place, TableOp::PickPlace { pick });
            }
            return None;
        };
        if attempt.proved(common) {
            let place = Some((Guard::from(&attempt.ends[0]), Guard::from(&attempt.ends[1])));
            if !attempt.spliced && common.ready(Concern::Join) {
                attempt.spliced = true;
                let new = new_row(common);
                common.begin(Concern::Join, TableOp::Join { new, place });
            }
        } else if common.due(attempt.began + law::JOIN_PROOF) {
            self.elsewhere(common, Duration::ZERO);
            return self.settle(common);
        }
        None
    }

    fn elsewhere(&mut self, common: &mut Common, pause: Duration) {
        self.attempt = None;
        self.next_at = common.now + pause;
        common.watch_only(&[]);
    }

    pub fn table(&mut self, common: &mut Common, concern: Concern, done: TableDone) -> Option<Next> {
        let Ok(outcome) = done.result else {
            // The splice may have been made all the same: look for the own row.
            let at = common.tables.quiet_until();
            return Some(Next::Find { at, rejoining: self.rejoining });
        };
        if concern == Concern::Place {
            self.place(common, &done.snapshot);
            return None;
        }
        if let Some(spliced) = Spliced::of(&outcome, self.rejoining, self.attempts) {
            return Some(Next::Join(spliced));
        }
        if let Outcome::AddressTaken { name } = &outcome {
            return Some(address_taken(common, name));
        }
        let pause = self.conflicts.next(&mut common.rng);
        if matches!(outcome, Outcome::NameTaken { .. } | Outcome::Joined { .. }) {
            return Some(Next::Find { at: common.now + pause, rejoining: self.rejoining });
        }
        self.elsewhere(common, pause);
        None
    }

    /// A place was picked: probe both ends, and ask both to probe here.
    fn place(&mut self, common: &mut Common, seen: &TableSnapshot) {
        let picked = seen.answers.iter().find(|(lookup, _)| matches!(lookup, Lookup::Pick(_)));
        let Some(chosen) = picked.and_then(|(_, ids)| seen.rows.get(ids.first()?)) else {
            let new = new_row(common);
            common.begin(Concern::Join, TableOp::Join { new, place: None });
            return;
        };
        let Some(first) = seen.rows.get(&chosen.first_buddy) else {
            let pause = self.conflicts.next(&mut common.rng);
            self.elsewhere(common, pause);
            return;
        };
        let ends = [chosen.clone(), first.clone()];
        // Watches of an earlier attempt prove nothing for this one.
        common.watch_only(&[]);
        let wanted: Vec<(Buddy, Purpose)> = ends.iter().map(|end| (Buddy::from(end), Purpose::Join)).collect();
        common.watch_only(&wanted);
        let address = common.identity.address;
        let twice = ends[0].id == ends[1].id;
        for end in ends.iter().take(if twice { 1 } else { 2 }) {
            common.send(end.address, end.notice_port, NoticeBody::ProbeMe { address });
        }
        self.attempt = Some(Attempt { began: common.now, ends, answered: [None; 2], spliced: false });
    }
}

impl Attempt {
    /// Both ends answered, with a pulse, and were answered, since the attempt began.
    fn proved(&self, common: &Common) -> bool {
        self.ends.iter().zip(&self.answered).all(|(end, answered)| {
            let heard = common.watches.of(end.id).is_some_and(|w| {
                w.detector.state() == crate::detector::State::Alive && w.reading.last_reply >= Some(self.began)
            });
            heard && *answered >= Some(self.began)
        })
    }
}
