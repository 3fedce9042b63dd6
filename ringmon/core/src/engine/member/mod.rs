//! A member of the ring: reads its row, watches its buddies, and acts on both.
//!
//! Each part owns its state, reads [`Facts`] and writes [`Asks`]. What one part needs from another is passed to it in
//! [`Member::settle`], which runs the parts in order.

mod alone;
mod answering;
mod drain;
mod finding;
mod footing;
mod helping;
mod moving;
mod own_service;
mod proofs;
mod questions;
mod side;
mod view;
mod witnesses;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use ringmon_common::wire::VERSION;
use serde::{Deserialize, Serialize};

use self::alone::Alone;
use self::answering::Answering;
use self::drain::Drain;
use self::footing::Footing;
use self::helping::Helping;
use self::moving::Moving;
use self::own_service::OwnService;
use self::questions::Questions;
use self::side::{After, SideWork};
use self::view::{Read, View};
use self::witnesses::Witnesses;
use super::asks::{Asks, Me};
use super::callers::lived;
use super::contract::TableDone;
use super::entry::{NextPhase, Spliced};
use super::facts::Facts;
use super::show::{BrokenLink, Snapshot};
use super::table::Concern;
use crate::ahead::share;
use crate::buddy::{Buddy, BuddyList};
use crate::edit::Removal;
use crate::event::{EventBody, Evidence, Joined, Removed};
use crate::evidence::Asked;
use crate::law;
use crate::notice::{Notice, NoticeBody};
use crate::row::Address;
use crate::{Purpose, ServerId, ServerRow, Side, Time, VoteKind};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Member {
    view: View,
    sides: [SideWork; 2],
    witnesses: Witnesses,
    moving: Moving,
    alone: Alone,
    answering: Answering,
    questions: Questions,
    helping: Helping,
    own_service: OwnService,
    /// Leaves the routes before leaving the ring.
    drain: Drain,
}

impl Member {
    pub fn begin(facts: &mut Facts, asks: &mut Asks, spliced: &Spliced) -> Self {
        let Spliced { id, incarnation, kept_place, rejoining, attempts, serving } = *spliced;
        if !kept_place {
            facts.away.joined();
        }
        asks.i_am(Me { id, incarnation });
        facts.identify(asks);
        (facts.identity.start_drained, facts.drains_itself) = (false, false);
        asks.tally_mut().rejoins += u64::from(rejoining);
        let joined = Joined { address: None, attempts: Some(attempts), incarnation, kept_place };
        asks.own_event(if rejoining { EventBody::Rejoined(joined) } else { EventBody::Joined(joined) });
        Self {
            view: View::new(facts.now),
            sides: Side::BOTH.map(|side| SideWork::new(side, facts)),
            witnesses: Witnesses::default(),
            moving: Moving::default(),
            alone: Alone::default(),
            answering: Answering::default(),
            questions: Questions::default(),
            helping: Helping::default(),
            own_service: OwnService(serving),
            drain: Drain::No,
        }
    }

    /// Compares what is known with what is under way, and asks for the difference.
    pub fn settle(&mut self, facts: &mut Facts, asks: &mut Asks) {
        let suspects = self.sides.iter().filter_map(SideWork::suspected_since).min();
        self.view.settle(facts, asks, suspects, &silent(&self.sides));
        if let Some(place) = self.view.place() {
            let of_two = place.of_two();
            for (side, buddy) in self.sides.iter_mut().zip(&place.buddies) {
                side.look(facts, asks, buddy.as_ref(), of_two);
            }
            self.questions.settle(facts, asks);
            self.witnesses.settle(facts, asks, place, &self.sides);
            let proofs = self.witnesses.proofs();
            self.moving.settle(facts, asks, proofs, place, &self.sides);
            if let Some(at) = proofs.next_end(facts.now) {
                asks.wake_at(at);
            }
            self.helping.settle(facts, asks);
            facts.watch_only(asks, &self.wanted());
            let second = self.sides.iter().flat_map(SideWork::questions).map(|(of, it)| (of, Asked::about(it)));
            let questions: Vec<(ServerId, Asked)> = second.chain(self.witnesses.questions(facts, asks)).collect();
            facts.ask(asks, &questions);
            self.answering.settle(facts, asks, &self.view, &self.sides);
            let proofs = self.witnesses.proofs();
            let footing = Footing::of(self.sides.each_ref().map(SideWork::run), facts, proofs);
            for side in &mut self.sides {
                side.accuse(facts, asks, proofs, footing);
            }
            let challenged = self.view.challenged_since().is_some();
            self.alone.settle(facts, asks, &self.sides, proofs, of_two, challenged);
        }
        self.own_service.settle(facts, asks);
        self.drain.settle(facts, asks);
        facts.identify(asks);
    }

    /// Servers to probe: buddies, servers beyond silent ones, joining servers, servers that others asked about, and
    /// servers that are asked themselves.
    fn wanted(&self) -> Vec<(Buddy, Purpose)> {
        let [one, other] = &self.sides;
        let buddies = self.view.buddies().map(|buddy| (buddy.clone(), Purpose::Buddy));
        let further = share([one.watched(), other.watched()]).into_iter().map(|b| (b.clone(), Purpose::Ahead));
        // An older agent echoes the newer version, and is probed in the first one then.
        let newcomer = |address| Buddy { wire: VERSION, ..Buddy::stranger(address) };
        let joining = self.helping.probed().map(|address| (newcomer(address), Purpose::Join));
        let asked = self.questions.probed().map(|(id, at)| (Buddy { id, ..Buddy::stranger(at) }, Purpose::Asked));
        let witnesses = self.witnesses.probed().map(|witness| (witness.clone(), Purpose::Asked));
        let mut wanted: Vec<(Buddy, Purpose)> = Vec::new();
        let places = self.moving.probed();
        for (target, purpose) in buddies.chain(further).chain(places).chain(witnesses).chain(asked).chain(joining) {
            let same = |known: &Buddy| known.id == target.id && target.id != ServerId::NEW;
            if !wanted.iter().any(|(known, _)| known.address == target.address || same(known)) {
                wanted.push((target, purpose));
            }
        }
        wanted
    }

    /// Reads this server's row soon.
    pub fn hint(&mut self, facts: &Facts) {
        self.view.hint(facts.now);
    }

    /// R10: a server that is not a buddy probed this one as its buddy.
    pub fn stranger(&mut self, facts: &Facts, address: Address) {
        self.view.stranger(facts, address);
    }

    /// R12: a prober asks this server to watch another one.
    pub fn asked(&mut self, facts: &Facts, server: ServerId, address: Address) {
        self.questions.asked_in_probes(facts, server, address);
    }

    /// This server answered a probe: its sender is alive, whether it is heard or not.
    pub fn answered(&mut self, facts: &mut Facts, address: Address, at: Time, proved: Option<Time>) {
        self.moving.answered(address, at, proved);
        let known = self.sides.iter().flat_map(SideWork::members).find(|member| member.address == address);
        if let Some(member) = known {
            facts.callers.answered(member.id, at, lived(member.proves, at, proved));
        }
    }

    /// The row must say that no new clients should be sent here.
    pub fn drain(&mut self) {
        self.drain.want();
    }

    pub fn notice(&mut self, facts: &mut Facts, asks: &mut Asks, notice: &Notice, from: (Address, u16)) {
        match notice.body {
            NoticeBody::Voted { .. } => {
                self.sides.iter_mut().for_each(SideWork::voted_elsewhere);
                self.view.read_now(facts.now);
            }
            NoticeBody::Spliced { subject } => {
                self.view.read_now(facts.now);
                // No router follows a server that has just joined.
                asks.tell_followers(subject);
            }
            NoticeBody::Removed { subject } => {
                self.view.read_now(facts.now);
                tell_for_an_operator(asks, notice, subject);
            }
            NoticeBody::Changed { subject } => {
                if subject == asks.me().id {
                    self.view.read_now(facts.now);
                }
                tell_for_an_operator(asks, notice, subject);
            }
            NoticeBody::Follow { seconds } => asks.follow(from, Duration::from_secs(u64::from(seconds))),
            NoticeBody::ProbeMe { address } => self.helping.asked(facts, address),
            NoticeBody::Ask { address } => self.questions.asked_in_notice(facts, address, from),
            NoticeBody::Proof { incarnation, age_ms } => {
                let age = Duration::from_millis(u64::from(age_ms));
                self.witnesses.proof(facts, asks, notice.from, incarnation, age);
            }
            NoticeBody::Outage { silence_ms } => {
                let silence = Duration::from_millis(u64::from(silence_ms));
                facts.outages.lived(from.0, silence, facts.now);
            }
        }
    }

    /// After a failure the database gets a rest of at most this long: shorter while a buddy is silent.
    pub fn patience(&self) -> Duration {
        if self.view.suspects() { law::REVOTE } else { Duration::MAX }
    }

    /// An operation ended.
    pub fn table(
        &mut self,
        facts: &mut Facts,
        asks: &mut Asks,
        concern: Concern,
        done: &TableDone,
    ) -> Option<NextPhase> {
        if done.result.is_ok() {
            match self.view.adopt(facts, asks, &done.snapshot) {
                Read::Old => {}
                Read::Adopted(gone) => {
                    gone.into_iter().for_each(|id| self.forget(id));
                    self.answering.read(&self.view);
                }
                Read::Over(next) => return Some(next),
            }
        }
        let mut after = After::Nothing;
        match concern {
            Concern::View if done.result.is_err() => after = After::Read,
            Concern::Ahead(side) => after = self.looked_ahead(facts, asks, side, done),
            Concern::Vote(side) => {
                let view = &self.view;
                after = self.sides[place_of(side)].done(facts, asks, done, |id| view.has_removed(id));
            }
            Concern::Alone => after = self.alone.done(facts, asks, done),
            Concern::Answer => after = self.answering.done(facts, asks, done),
            Concern::Witnesses => self.witnesses.picked(facts, asks, &self.sides, &done.snapshot),
            Concern::Place => self.moving.picked(facts, asks, &done.snapshot),
            // After a failure it is unknown whether this server has moved.
            Concern::Move => {
                let left: Vec<Buddy> = self.view.buddies().cloned().collect();
                self.moving.done(facts, asks, &left);
                after = After::Read;
            }
            Concern::Service => self.own_service.done(asks, done),
            Concern::Drain => {
                self.drain.done(facts, asks, done);
                self.view.keep(facts, asks);
            }
            Concern::View | Concern::Find | Concern::Join | Concern::Leave => {}
        }
        match after {
            After::Nothing => {}
            After::Read => self.view.read_now(facts.now),
            After::Removed(removed, ends) => self.removed(facts, asks, &removed, ends, &done.snapshot.rows),
        }
        None
    }

    fn looked_ahead(&mut self, facts: &Facts, asks: &Asks, side: Side, done: &TableDone) -> After {
        let work = &mut self.sides[place_of(side)];
        if done.result.is_err() {
            work.look_again(facts.now);
            return After::Nothing;
        }
        if work.ahead(asks.me().id, &done.snapshot) { After::Nothing } else { After::Read }
    }

    /// A run is out of the table: report it, and go on as the table is now without waiting to read it.
    fn removed(
        &mut self,
        facts: &mut Facts,
        asks: &mut Asks,
        removed: &[Removal],
        ends: (ServerId, ServerId),
        rows: &BTreeMap<ServerId, ServerRow>,
    ) {
        for removal in removed {
            if !self.view.note_removal(removal.server) {
                continue;
            }
            asks.tally_mut().removals += 1;
            if removal.kind == VoteKind::Host {
                facts.outages.removed(removal.address, facts.now);
            }
            let evidence = Some(evidence(facts, removal.server));
            let told = Removed { voters: removal.voters.clone(), evidence, ..Removed::default() };
            self.view.tell_gone(asks, removal.server, &removal.name, EventBody::removed(removal.kind, told));
            asks.send(removal.address, removal.notice_port, NoticeBody::Removed { subject: removal.server });
            asks.tell_followers(removal.server);
        }
        let subject = removed.first().map_or(ServerId::NEW, |r| r.server);
        let others = [ends.0, ends.1].into_iter().filter(|id| *id != asks.me().id);
        let known = |id: ServerId| {
            let chained = self.sides.iter().find_map(|work| work.member(id)).cloned();
            chained.or_else(|| rows.get(&id).map(Buddy::from))
        };
        let ends: Vec<Buddy> = others.filter_map(known).collect();
        for end in &ends {
            asks.send(end.address, end.notice_port, NoticeBody::Spliced { subject });
        }
        let next = self.sides.each_ref().map(|work| work.next_after(removed).or(ends.first()).cloned());
        self.view.splice(facts, asks, removed, next);
        for work in &mut self.sides {
            work.cut_out(removed);
        }
        removed.iter().for_each(|removal| self.forget(removal.server));
        self.view.read_now(facts.now);
    }

    /// A row is gone, with all votes in it.
    fn forget(&mut self, id: ServerId) {
        self.sides.iter_mut().for_each(|work| work.forget(id));
    }

    /// The buddy list as it is on disk; `None`: this server has not read its row yet.
    pub const fn kept(&self) -> Option<&BuddyList> {
        self.view.kept()
    }

    /// What a snapshot shows of a member.
    pub fn show(&self, facts: &Facts, asks: &Asks, at: Time) -> Snapshot {
        let drained = self.drain.since();
        let me = asks.me();
        Snapshot {
            id: Some(me.id),
            incarnation: me.incarnation,
            buddies: self.view.kept().cloned(),
            drained,
            draining: drained.is_some() || self.view.place().is_some_and(|place| place.row.draining),
            broken_links: self.broken_links(facts, at),
            braked: self.sides.iter().any(SideWork::braked),
            alone: self.alone.since(),
            ..Snapshot::of(facts, asks, "member", at)
        }
    }

    /// Servers that this one does not hear but others do.
    fn broken_links(&self, facts: &Facts, now: Time) -> Vec<BrokenLink> {
        let proofs = self.witnesses.proofs();
        let fresh = facts.watches.iter().filter(|w| proofs.fresh(w.target.id, w.target.incarnation, now));
        let link = fresh.map(|w| {
            let since = w.detector.deaf_from(VoteKind::Host, &w.reading, &facts.identity.tuning);
            let arrives = facts.callers.reached_since(w.target.id, since, now, facts.identity.tuning.interval);
            BrokenLink { server: w.target.name.clone(), way: if arrives { "out" } else { "back" } }
        });
        link.collect()
    }
}

const fn place_of(side: Side) -> usize {
    match side {
        Side::First => 0,
        Side::Second => 1,
    }
}

/// Silent servers of both sides.
fn silent(sides: &[SideWork; 2]) -> Vec<ServerId> {
    sides.iter().flat_map(|work| work.run().silent.iter().map(|(id, _)| *id)).collect()
}

/// An operator's command knows the servers but no routers, so this server tells the routers.
fn tell_for_an_operator(asks: &mut Asks, notice: &Notice, subject: ServerId) {
    if notice.from == ServerId::NEW {
        asks.tell_followers(subject);
    }
}

/// What this server itself observed of another.
fn evidence(facts: &Facts, server: ServerId) -> Evidence {
    let Some(watch) = facts.watches.of(server) else { return Evidence::default() };
    let since = |at| Some(crate::time::millis(facts.now.since(at)));
    Evidence {
        misses: Some(watch.reading.consecutive),
        pulseless_ms: since(watch.reading.pulseless_since()),
        silence_ms: since(watch.reading.silent_since()),
    }
}
