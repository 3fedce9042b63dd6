//! R12: asked witnesses. Does anybody else hear the one that I do not?
//!
//! ```text
//! suspicion --> three random servers --Ask--> each probes the suspect for half a second --Proof--> proved, for 3 s
//!     ^                                                                                              |
//!     +----------------------- again after a second, while the silence lasts ----------------------+
//! ```
//!
//! A proof counts only as the answer to a question of this server's own, so it is younger than the silence. While one is fresh this
//! server takes its vote back, and so no two votes stand (a vote against a server that accuses this one stays as a counter-vote, R4, and
//! never gets old enough to remove upon). Silence is no answer: no removal waits for one.
//!
//! A server that hears neither buddy, and is told that both live, is the one whose links are broken: it leaves its place and
//! joins again elsewhere, after the pause of a rejoin, which grows.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::common::{Common, millis};
use super::contract::{Buddy, TableDone};
use super::member::Member;
use super::table::Concern;
use super::watching::Watch;
use crate::detector::State;
use crate::edit::{Lookup, TableSnapshot};
use crate::event::EventBody;
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::row::{Address, Mode};
use crate::{Incarnation, Outcome, Rule, ServerId, Side, Time, VoteKind};

/// Whom asked witnesses heard, and when: what every side's votes look at.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Proofs {
    heard: BTreeMap<ServerId, (Incarnation, Time)>,
    /// Who votes against this server, as last read.
    accusers: BTreeSet<ServerId>,
}

impl Proofs {
    /// Nobody is removed for this long after a proof: three rounds of questions, of which two may be lost.
    const FRESH: Duration = Duration::from_secs(3);

    /// Whether this life of it was heard a moment ago.
    pub fn fresh(&self, server: ServerId, incarnation: Incarnation, now: Time) -> bool {
        self.heard.get(&server).is_some_and(|(life, at)| *life == incarnation && now.since(*at) < Self::FRESH)
    }

    /// Whether it votes against this server, as last read.
    pub fn accuses(&self, server: ServerId) -> bool {
        self.accusers.contains(&server)
    }

    /// Whether the own vote against it is to be taken back.
    pub fn spare(&self, server: ServerId, incarnation: Incarnation, now: Time) -> bool {
        self.fresh(server, incarnation, now) && !self.accusers.contains(&server)
    }
}

/// A link that is broken: this server does not hear somebody whom others hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenLink {
    /// Whom.
    pub server: String,
    /// The way on which frames get lost: `out` to it, if its probes still arrive here; else `back` from it, and perhaps both.
    pub way: &'static str,
}

impl Common {
    /// For people: whom this server does not hear and others do.
    pub fn broken_links(&self, now: Time) -> Vec<BrokenLink> {
        let fresh = self.watches.iter().filter(|w| self.proofs.fresh(w.target.id, w.target.incarnation, now));
        let link = |w: &Watch| {
            let since = w.detector.deaf_from(VoteKind::Host, &w.reading, &self.identity.tuning);
            let arrives = self.visits.get(&w.target.id).is_some_and(|at| *at > since);
            BrokenLink { server: w.target.name.clone(), way: if arrives { "out" } else { "back" } }
        };
        fresh.map(link).collect()
    }
}

/// Questions, own and others'.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Witnesses {
    /// Own questions that may still be answered.
    asked: Vec<Question>,
    again_at: Time,
    /// Those of whom was asked at all in their present silence.
    raised: BTreeSet<(ServerId, Incarnation)>,
    /// Those of whom it was told that only the link is broken.
    told: BTreeSet<ServerId>,
    /// Since when both buddies are silent here and heard by others.
    misplaced: Option<Time>,
    /// Whether this server's own leave may be in the table.
    pub moving: bool,
    /// Others' questions, by whom they are about.
    open: BTreeMap<Address, Asked>,
    /// The earliest time at which questions, evenly spread, would have been allowed up to now.
    allowed: Time,
}

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    witness: ServerId,
    subject: (ServerId, Incarnation),
    until: Time,
}

#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    since: Time,
    until: Time,
    askers: Vec<(Address, u16)>,
}

impl Witnesses {
    /// Witnesses a round.
    const THREE: usize = 3;
    /// Suspects of one side that are asked about, nearest first.
    const SUBJECTS: usize = 4;
    const AGAIN: Duration = Duration::from_secs(1);
    /// Between two rounds when another server falls silent.
    const SPACING: Duration = Duration::from_millis(50);
    /// An answer counts for this long after its question.
    const ANSWERED: Duration = Duration::from_secs(2);
    /// Servers that are probed for others at a time, and questions about each that are answered.
    const OPEN: usize = 4;
    const ASKERS: usize = 8;
    /// A question costs this much of what is allowed, and so much may be saved up: a burst of sixteen.
    const COST: Duration = Duration::from_millis(50);
    const SAVED: Duration = Duration::from_millis(800);
    /// Both buddies must have been silent and proved for this long before a server moves.
    const SURE: Duration = Duration::from_secs(2);

    /// Whom this server probes for others.
    pub fn probed(&self) -> impl Iterator<Item = Address> {
        self.open.keys().copied()
    }

    /// Another server asks about this address.
    fn question(&mut self, now: Time, life: Duration, about: Address, asker: (Address, u16)) {
        let allowed = self.allowed.max(now) + Self::COST;
        if allowed > now + Self::SAVED || (self.open.len() >= Self::OPEN && !self.open.contains_key(&about)) {
            return;
        }
        self.allowed = allowed;
        let until = now + life;
        let open = self.open.entry(about).or_insert_with(|| Asked { since: now, until, askers: Vec::new() });
        // Whoever asked before may have the later proof too.
        (open.since, open.until) = (now, until);
        if !open.askers.contains(&asker) && open.askers.len() < Self::ASKERS {
            open.askers.push(asker);
        }
    }
}

impl Member {
    /// Ask, answer, and move if it comes to that.
    pub(super) fn settle_witnesses(&mut self, common: &mut Common) {
        self.answer(common);
        let subjects = self.subjects(common);
        let silent: BTreeSet<ServerId> =
            self.sides.iter().flat_map(|w| w.run.silent.iter().map(|(id, _)| *id)).collect();
        common.proofs.heard.retain(|id, _| silent.contains(id));
        let votes = self.view.iter().flat_map(|v| Side::BOTH.map(|side| v.me.vote(side).map(|vote| vote.voter)));
        common.proofs.accusers = votes.flatten().collect();
        self.witnesses.told.retain(|id| silent.contains(id));
        self.witnesses.raised.retain(|(id, _)| silent.contains(id));
        let now = common.now;
        self.witnesses.asked.retain(|q| q.until > now);
        self.ask(common, &subjects);
        self.settle_move(common);
        let ends = common.proofs.heard.values().map(|(_, at)| *at + Proofs::FRESH).filter(|at| *at > now).min();
        if let Some(at) = ends {
            common.wake_at(at);
        }
    }

    /// Silent hosts next to this server.
    fn subjects(&self, common: &Common) -> Vec<Buddy> {
        let of_side = |side: usize| {
            let work = &self.sides[side];
            let hosts = work.run.silent.iter().filter(|(_, kind)| *kind == VoteKind::Host);
            hosts.filter_map(|(id, _)| common.watches.of(*id)).map(|w| w.target.clone()).take(Witnesses::SUBJECTS)
        };
        let mut known = BTreeSet::new();
        of_side(0).chain(of_side(1)).filter(|b| known.insert(b.id)).collect()
    }

    /// A round of questions begins with a look at the table for random servers.
    fn ask(&mut self, common: &mut Common, subjects: &[Buddy]) {
        let Some(view) = self.view.as_ref().filter(|v| !v.of_two()) else { return };
        let asks = common.identity.tuning.keeps(Rule::R12);
        if subjects.is_empty() || view.me.first_buddy == view.me.id || !asks {
            return;
        }
        let work = &mut self.witnesses;
        if subjects.iter().any(|b| !work.raised.contains(&(b.id, b.incarnation))) {
            work.again_at = work.again_at.min(common.now + Witnesses::SPACING);
            if work.raised.is_empty() {
                work.again_at = common.now;
            }
        }
        if !common.due(work.again_at) || !common.ready(Concern::Witnesses) {
            return;
        }
        work.raised.extend(subjects.iter().map(|b| (b.id, b.incarnation)));
        work.again_at = common.now + common.rng.around(Witnesses::AGAIN, 20);
        let picks = (0..Witnesses::THREE).map(|_| common.rng.pick()).collect();
        common.begin(Concern::Witnesses, TableOp::PickWitnesses { picks });
    }

    /// The random servers are known. Where the draw was poor (in a small pool it is), those further along the ring are asked too.
    pub(super) fn witnesses_picked(&mut self, common: &mut Common, seen: &TableSnapshot) {
        let subjects = self.subjects(common);
        let silent = |id: ServerId| self.sides.iter().any(|w| w.run.silent.iter().any(|(other, _)| *other == id));
        let picked = seen.answers.iter().filter(|(lookup, _)| matches!(lookup, Lookup::Pick(_)));
        let random = picked.filter_map(|(_, ids)| seen.rows.get(ids.first()?)).map(Buddy::from);
        // The far ends come last: most likely they are the other witnesses, and as deaf.
        let further = self.sides.iter().flat_map(|w| w.chain.members.iter().rev().cloned());
        let mut witnesses: Vec<Buddy> = Vec::new();
        for one in random.chain(further) {
            let known = witnesses.iter().any(|w| w.id == one.id);
            if one.id != self.id && !known && !silent(one.id) && witnesses.len() < Witnesses::THREE {
                witnesses.push(one);
            }
        }
        for (witness, subject) in witnesses.iter().flat_map(|w| subjects.iter().map(move |s| (w, s))) {
            common.send(witness.address, witness.notice_port, NoticeBody::Ask { address: subject.address });
            let subject = (subject.id, subject.incarnation);
            let until = common.now + Witnesses::ANSWERED;
            self.witnesses.asked.push(Question { witness: witness.id, subject, until });
        }
    }

    /// Another server does not hear this address.
    pub(super) fn asked(&mut self, common: &Common, about: Address, asker: (Address, u16)) {
        if about != common.identity.address {
            let life = Duration::from_millis(500).max(common.identity.tuning.interval * 3);
            self.witnesses.question(common.now, life, about, asker);
        }
    }

    /// A witness heard somebody, if it was asked.
    pub(super) fn proof(&mut self, common: &mut Common, witness: ServerId, life: Incarnation, age: Duration) {
        let now = common.now;
        let answers = |q: &&Question| q.witness == witness && q.subject.1 == life && q.until > now;
        let Some(subject) = self.witnesses.asked.iter().find(answers).map(|q| q.subject) else { return };
        if age > Witnesses::ANSWERED {
            return;
        }
        common.proofs.heard.insert(subject.0, (life, now - age));
        if self.witnesses.told.insert(subject.0) {
            let silence = common.watches.of(subject.0).map(|w| now.since(w.reading.silent_since()));
            let name = self.name_of(common, subject.0);
            common.event(&name, EventBody::BrokenLink { witness, silence_ms: silence.map(millis) });
        }
    }

    /// Others' questions: answered as soon as the subject is heard, and forgotten when it is not.
    fn answer(&mut self, common: &mut Common) {
        let now = common.now;
        self.witnesses.open.retain(|_, open| open.until > now);
        let mut heard = Vec::new();
        for (about, open) in &self.witnesses.open {
            let watch = common.watches.iter().find(|w| w.target.address == *about);
            let reply = watch.filter(|w| w.detector.state() == State::Alive).and_then(|w| {
                let at = w.reading.last_reply.filter(|at| *at >= open.since)?;
                (w.reading.incarnation != Incarnation(0)).then_some((w.reading.incarnation, at))
            });
            if let Some((incarnation, at)) = reply {
                heard.push((*about, incarnation, at));
            }
        }
        for (about, incarnation, at) in heard {
            let age_ms = u32::try_from(now.since(at).as_millis()).unwrap_or(u32::MAX);
            for (to, port) in self.witnesses.open.remove(&about).into_iter().flat_map(|open| open.askers) {
                common.send(to, port, NoticeBody::Proof { incarnation, age_ms });
            }
        }
        if let Some(until) = self.witnesses.open.values().map(|open| open.until).min() {
            common.wake_at(until);
        }
    }

    /// Whether both buddies are silent here, and heard by others, and there is another place: two more servers that answer.
    fn is_misplaced(&self, common: &Common) -> bool {
        let proved = |side: usize| {
            let first = self.sides[side].chain.members.first();
            let suspected = self.sides[side].run.silent.first().is_some_and(|(_, kind)| *kind == VoteKind::Host);
            suspected && first.is_some_and(|b| common.proofs.fresh(b.id, b.incarnation, common.now))
        };
        let ends = [self.sides[0].run.far_end, self.sides[1].run.far_end];
        let elsewhere = matches!(ends, [Some(one), Some(other)] if one != other);
        let allowed = common.mode() == Mode::Act && common.pool.as_ref().is_some_and(|p| p.frozen.is_none());
        elsewhere && allowed && proved(0) && proved(1)
    }

    fn settle_move(&mut self, common: &mut Common) {
        if !self.is_misplaced(common) {
            self.witnesses.misplaced = None;
            return;
        }
        let since = *self.witnesses.misplaced.get_or_insert(common.now);
        if !common.due(since + Witnesses::SURE) || !common.ready(Concern::Leave) {
            return;
        }
        if !core::mem::replace(&mut self.witnesses.moving, true) {
            common.own_event(EventBody::Moving { misplaced_ms: millis(common.now.since(since)) });
        }
        let (id, incarnation, by) = (self.id, self.incarnation, common.identity.name.clone());
        common.begin(Concern::Leave, TableOp::Leave { id, incarnation: Some(incarnation), by });
    }

    /// The own leave ended. True: this server is off the ring.
    pub(super) fn moved(&mut self, common: &mut Common, done: &TableDone) -> bool {
        if !matches!(done.result, Ok(Outcome::Left)) {
            return false;
        }
        let subject = self.id;
        for buddy in self.view.iter().flat_map(|v| v.buddies.iter().flatten()) {
            common.send(buddy.address, buddy.notice_port, NoticeBody::Spliced { subject });
        }
        true
    }
}
