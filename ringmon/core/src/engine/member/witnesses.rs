//! R12, asking: does any other server hear the one that this server does not hear?
//!
//! ```text
//! suspicion --> three random servers are probed for half a second, and asked in these probes
//!     ^             each watches the suspect; its kernel says whether it hears it --> proved, for 3 s
//!     |                                                                                  |
//!     +----------------------- again after a second, while the silence lasts ------------+
//! ```
//!
//! A proof counts only as the answer to a question from this server, so it is younger than the silence. An answer in a
//! reply is tied to its probe by the sequence number, and says whose life was heard. While a proof is fresh, this
//! server takes its vote back, so two votes never stand. (A vote against a server that accuses this one stays as a
//! counter-vote, R4, and never gets old enough to remove with.) Silence is not an answer: no removal waits for one.
//!
//! A witness of wire version 1 is asked in a notice, and answers in one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use ringmon_common::wire::FIRST_VERSION;
use serde::{Deserialize, Serialize};

use super::proofs::Proofs;
use super::side::SideWork;
use super::view::Place;
use crate::buddy::Buddy;
use crate::edit::{Lookup, TableSnapshot};
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::event::EventBody;
use crate::evidence::Asked;
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::time::millis;
use crate::{Incarnation, Purpose, Rule, ServerId, Side, Time, VoteKind};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Witnesses {
    proofs: Proofs,
    /// Questions of this server that may still be answered.
    asked: Vec<Question>,
    again_at: Time,
    /// Servers about which this server has asked during their present silence.
    raised: BTreeSet<(ServerId, Incarnation)>,
    /// Servers already reported as a broken link.
    told: BTreeSet<ServerId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    witness: Buddy,
    subject: Buddy,
    since: Time,
}

impl Question {
    /// Whether the witness is asked in probes.
    fn in_probes(&self) -> bool {
        self.witness.wire != FIRST_VERSION
    }
}

impl Witnesses {
    /// Witnesses per round.
    const THREE: usize = 3;
    /// On each side, this many suspects are asked about, nearest first.
    const SUBJECTS: usize = 4;
    /// Time between two rounds, +- 20 %.
    const AGAIN: Duration = Duration::from_secs(1);
    /// Shortest time between two rounds when another server falls silent.
    const SPACING: Duration = Duration::from_millis(50);
    /// A witness is probed for this long.
    const PROBED: Duration = Duration::from_millis(500);
    /// Asked about several servers, it is asked about the next one after this time.
    const EACH: Duration = Duration::from_millis(100);
    /// A notice that answers counts for this long after its question.
    const ANSWERED: Duration = Duration::from_secs(2);

    /// Which servers others heard.
    pub const fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Asks, if it is time.
    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks, place: &Place, sides: &[SideWork; 2]) {
        let subjects = subjects(facts, sides);
        let silent: BTreeSet<ServerId> = sides.iter().flat_map(|w| w.run().silent.iter().map(|(id, _)| *id)).collect();
        let votes = Side::BOTH.map(|side| place.row.vote(side).map(|vote| vote.voter));
        self.proofs.keep(&silent, votes.into_iter().flatten().collect());
        self.told.retain(|id| silent.contains(id));
        self.raised.retain(|(id, _)| silent.contains(id));
        self.asked.retain(|q| q.since + Self::ANSWERED > facts.now && silent.contains(&q.subject.id));
        self.listen(facts, asks);
        if !place.of_two() && !place.is_alone() && !subjects.is_empty() && facts.keeps(Rule::R12) {
            self.ask(facts, asks, &subjects);
        }
    }

    /// A round of questions begins by picking random servers from the table.
    fn ask(&mut self, facts: &Facts, asks: &mut Asks, subjects: &[Buddy]) {
        if subjects.iter().any(|b| !self.raised.contains(&(b.id, b.incarnation))) {
            self.again_at = self.again_at.min(facts.now + Self::SPACING);
            if self.raised.is_empty() {
                self.again_at = facts.now;
            }
        }
        if !asks.due(self.again_at) || !asks.ready(Concern::Witnesses) {
            return;
        }
        self.raised.extend(subjects.iter().map(|b| (b.id, b.incarnation)));
        self.again_at = facts.now + asks.rng().around(Self::AGAIN, 20);
        let picks = (0..Self::THREE).map(|_| asks.rng().pick()).collect();
        asks.begin(Concern::Witnesses, TableOp::PickWitnesses { picks });
    }

    /// The random servers are known. If too few were drawn (as in a small pool), servers further along the ring are
    /// asked too.
    pub fn picked(&mut self, facts: &Facts, asks: &mut Asks, sides: &[SideWork; 2], seen: &TableSnapshot) {
        let me = asks.me().id;
        let silent = |id: ServerId| sides.iter().any(|w| w.run().silent.iter().any(|(other, _)| *other == id));
        let picked = seen.answers.iter().filter(|(lookup, _)| matches!(lookup, Lookup::Pick(_)));
        let random = picked.filter_map(|(_, ids)| seen.rows.get(ids.first()?)).map(Buddy::from);
        // The far ends come last: most likely they are the other voters, and as deaf as this server.
        let further = sides.iter().flat_map(|w| w.members().iter().rev().cloned());
        let mut witnesses: Vec<Buddy> = Vec::new();
        for one in random.chain(further) {
            let known = witnesses.iter().any(|w| w.id == one.id);
            if one.id != me && !known && !silent(one.id) && witnesses.len() < Self::THREE {
                witnesses.push(one);
            }
        }
        let subjects = subjects(facts, sides);
        self.asked.retain(|question| !question.in_probes());
        for (witness, subject) in witnesses.iter().flat_map(|w| subjects.iter().map(move |s| (w, s))) {
            let question = Question { witness: witness.clone(), subject: subject.clone(), since: facts.now };
            if !question.in_probes() {
                asks.send(witness.address, witness.notice_port, NoticeBody::Ask { address: subject.address });
            }
            self.asked.push(question);
        }
    }

    /// The servers that are probed as witnesses.
    pub fn probed(&self, now: Time) -> impl Iterator<Item = &Buddy> {
        self.in_probes(now).map(|question| &question.witness)
    }

    fn in_probes(&self, now: Time) -> impl Iterator<Item = &Question> {
        self.asked.iter().filter(move |question| question.in_probes() && question.since + Self::PROBED > now)
    }

    /// What each witness is asked now. A probe asks about one server, so several are asked about in turns; and a buddy
    /// is asked about this server in between.
    pub fn questions(&self, facts: &Facts, asks: &mut Asks) -> Vec<(ServerId, Asked)> {
        let mut subjects: BTreeMap<ServerId, Vec<Asked>> = BTreeMap::new();
        for Question { witness, subject, since } in self.in_probes(facts.now) {
            let asked = Asked { about: subject.id, at: Some(subject.address) };
            subjects.entry(witness.id).or_default().push(asked);
            asks.wake_at(*since + Self::PROBED);
        }
        let turn = facts.now.as_ns() / Self::EACH.as_nanos() as u64;
        let chosen = subjects.into_iter().map(|(witness, mut subjects)| {
            let purpose = facts.watch_of(witness).map(|watch| watch.purpose);
            if purpose.is_some_and(|purpose| purpose != Purpose::Asked) {
                subjects.push(Asked::about(asks.me().id));
            }
            if subjects.len() > 1 {
                asks.wake_at(Time::from_ns((turn + 1) * Self::EACH.as_nanos() as u64));
            }
            (witness, subjects[turn as usize % subjects.len()])
        });
        chosen.collect()
    }

    /// Takes in what the witnesses' kernels say.
    fn listen(&mut self, facts: &Facts, asks: &mut Asks) {
        let answers = self.asked.iter().filter(|question| question.in_probes()).filter_map(|question| {
            let said = facts.said(facts.watch_of(question.witness.id)?)?;
            let subject = &question.subject;
            let heard = said.of == subject.id && said.watches && said.life == subject.incarnation;
            (heard && said.alive >= question.since).then(|| (question.witness.id, subject.clone(), said.alive))
        });
        for (witness, subject, at) in answers.collect::<Vec<_>>() {
            self.heard(facts, asks, witness, &subject, at);
        }
    }

    /// A witness of wire version 1 heard this life. It counts only if this server asked that witness about it.
    pub fn proof(&mut self, facts: &Facts, asks: &mut Asks, witness: ServerId, life: Incarnation, age: Duration) {
        let answers = |q: &&Question| !q.in_probes() && q.witness.id == witness && q.subject.incarnation == life;
        let Some(subject) = self.asked.iter().find(answers).map(|q| q.subject.clone()) else { return };
        if age <= Self::ANSWERED {
            self.heard(facts, asks, witness, &subject, facts.now - age);
        }
    }

    fn heard(&mut self, facts: &Facts, asks: &mut Asks, witness: ServerId, subject: &Buddy, at: Time) {
        self.proofs.heard(subject.id, subject.incarnation, at);
        if self.told.insert(subject.id) {
            let silence_ms = facts.watch_of(subject.id).map(|w| millis(facts.now.since(w.reading.silent_since())));
            asks.event(&facts.watches.name_of(subject.id), EventBody::BrokenLink { witness, silence_ms });
        }
    }
}

/// Silent hosts next to this server.
fn subjects(facts: &Facts, sides: &[SideWork; 2]) -> Vec<Buddy> {
    let of_side = |work: &SideWork| {
        let hosts = work.run().silent.iter().filter(|(_, kind)| *kind == VoteKind::Host);
        let watched = hosts.filter_map(|(id, _)| facts.watch_of(*id)).map(|w| w.target.clone());
        watched.take(Witnesses::SUBJECTS).collect::<Vec<_>>()
    };
    let mut known = BTreeSet::new();
    sides.iter().flat_map(of_side).filter(|b| known.insert(b.id)).collect()
}
