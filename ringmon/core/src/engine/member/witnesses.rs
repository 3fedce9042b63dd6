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

use alloc::collections::BTreeSet;
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
    /// Questions in notices that may still be answered.
    asked: Vec<Question>,
    inquiry: Option<Inquiry>,
    again_at: Time,
    /// Servers about which this server has asked during their present silence.
    raised: BTreeSet<(ServerId, Incarnation)>,
}

/// A question in a notice, to a witness of wire version 1.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    witness: ServerId,
    subject: Buddy,
    until: Time,
}

/// Witnesses that are probed, and whom these probes ask about.
#[derive(Debug, Serialize, Deserialize)]
struct Inquiry {
    witnesses: Vec<Buddy>,
    /// Nearest first, and since when each is asked about.
    subjects: Vec<(Buddy, Time)>,
    began: Time,
    until: Time,
}

impl Inquiry {
    /// It lasts for this long, or until there was a turn for everybody.
    const SPAN: Duration = Duration::from_millis(500);
    /// A probe asks about one server, so several are asked about in turns of this length. A reading is looked at twice
    /// in that time. Whoever was heard gives its turns to the others.
    const TURN: Duration = Duration::from_millis(100);

    fn is_about(&self, server: ServerId) -> bool {
        self.subjects.iter().any(|(subject, _)| subject.id == server)
    }

    /// Asks about these servers too.
    fn add(&mut self, subjects: Vec<Buddy>, now: Time) {
        for subject in subjects {
            if !self.is_about(subject.id) {
                self.subjects.push((subject, now));
            }
        }
        let turns = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
        self.until = self.until.max(now + Self::SPAN.max(Self::TURN * turns));
    }

    /// What this witness is asked now. A server on the ring, which is watched anyway, is asked about this one every
    /// second time.
    fn question(&self, proofs: &Proofs, turn: u64, on_the_ring: bool, me: ServerId) -> Option<Asked> {
        let (place, me_now) = if on_the_ring { (turn / 2, turn % 2 == 1) } else { (turn, false) };
        let heard = |subject: &Buddy| proofs.heard_at(subject.id, subject.incarnation) >= Some(self.began);
        let open: Vec<&Buddy> = self.subjects.iter().map(|(subject, _)| subject).filter(|it| !heard(it)).collect();
        let all = || self.subjects.iter().map(|(subject, _)| subject).collect();
        let subjects: Vec<&Buddy> = if open.is_empty() { all() } else { open };
        let subject = subjects.get(usize::try_from(place).ok()? % subjects.len().max(1))?;
        let asked = Asked { about: subject.id, at: Some(subject.address) };
        Some(if me_now { Asked::about(me) } else { asked })
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
        self.raised.retain(|(id, _)| silent.contains(id));
        self.asked.retain(|q| q.until > facts.now && silent.contains(&q.subject.id));
        self.inquiry
            .iter_mut()
            .for_each(|inquiry| inquiry.subjects.retain(|(subject, _)| silent.contains(&subject.id)));
        self.inquiry.iter_mut().for_each(|it| it.witnesses.retain(|witness| !facts.is_known_blind(witness.id)));
        self.inquiry.take_if(|inquiry| inquiry.until <= facts.now || inquiry.subjects.is_empty());
        self.listen(facts, asks);
        if !place.of_two() && !place.is_alone() && !subjects.is_empty() && facts.keeps(Rule::R12) {
            self.ask(facts, asks, &subjects, &silent);
        }
    }

    /// A round of questions begins by picking random servers from the table. Who is silent later is asked about at
    /// once, if a round is on.
    fn ask(&mut self, facts: &Facts, asks: &mut Asks, subjects: &[Buddy], silent: &BTreeSet<ServerId>) {
        if let Some(inquiry) = &mut self.inquiry
            && inquiry.witnesses.iter().any(|witness| !silent.contains(&witness.id))
        {
            let new: Vec<Buddy> = subjects.iter().filter(|it| !inquiry.is_about(it.id)).cloned().collect();
            self.raised.extend(new.iter().map(|b| (b.id, b.incarnation)));
            if !new.is_empty() {
                inquiry.add(new, facts.now);
            }
        }
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
            let asks_it = one.id != me && !silent(one.id) && !facts.is_known_blind(one.id);
            if asks_it && !known && witnesses.len() < Self::THREE {
                witnesses.push(one);
            }
        }
        let subjects = subjects(facts, sides);
        let (older, witnesses): (Vec<_>, Vec<_>) = witnesses.into_iter().partition(|w| w.wire == FIRST_VERSION);
        for (witness, subject) in older.iter().flat_map(|w| subjects.iter().map(move |s| (w, s))) {
            asks.send(witness.address, witness.notice_port, NoticeBody::Ask { address: subject.address });
            let until = facts.now + Self::ANSWERED;
            self.asked.push(Question { witness: witness.id, subject: subject.clone(), until });
        }
        // Who is being asked is asked about these too, so there are never more than three.
        if !witnesses.is_empty() || self.inquiry.is_some() {
            let (began, until) = (facts.now, facts.now);
            let new = || Inquiry { witnesses, subjects: Vec::new(), began, until };
            self.inquiry.get_or_insert_with(new).add(subjects, facts.now);
        }
    }

    /// The servers that are probed as witnesses.
    pub fn probed(&self) -> impl Iterator<Item = &Buddy> {
        self.inquiry.iter().flat_map(|inquiry| &inquiry.witnesses)
    }

    /// What each witness is asked now.
    pub fn questions(&self, facts: &Facts, asks: &mut Asks) -> Vec<(ServerId, Asked)> {
        let Some(inquiry) = &self.inquiry else { return Vec::new() };
        let turn = u64::try_from(facts.now.since(inquiry.began).as_millis() / Inquiry::TURN.as_millis()).unwrap_or(0);
        let next = u32::try_from(turn + 1).unwrap_or(u32::MAX);
        asks.wake_at(inquiry.until.min(inquiry.began + Inquiry::TURN * next));
        let questions = inquiry.witnesses.iter().filter_map(|witness| {
            let purpose = facts.watches.of(witness.id)?.purpose;
            Some((witness.id, inquiry.question(&self.proofs, turn, purpose != Purpose::Asked, asks.me().id)?))
        });
        questions.collect()
    }

    /// Takes in what the witnesses' kernels say. The suspect was heard after the question came there: what a witness
    /// says comes here later by its way, and so looks younger.
    fn listen(&mut self, facts: &Facts, asks: &mut Asks) {
        let Some(inquiry) = &self.inquiry else { return };
        let mut heard = Vec::new();
        for witness in &inquiry.witnesses {
            let Some(watch) = facts.watches.of(witness.id) else { continue };
            let Some(said) = facts.said(watch).filter(|said| said.watches) else { continue };
            let subject = inquiry.subjects.iter().find(|(it, since)| {
                it.id == said.of && it.incarnation == said.life && said.alive >= *since + watch.reading.patience
            });
            heard.extend(subject.map(|(subject, _)| (witness.id, subject.clone(), said.alive)));
        }
        for (witness, subject, at) in heard {
            self.heard(facts, asks, witness, &subject, at);
        }
    }

    /// A witness of wire version 1 heard this life. It counts only if this server asked that witness about it.
    pub fn proof(&mut self, facts: &Facts, asks: &mut Asks, witness: ServerId, life: Incarnation, age: Duration) {
        let answers = |q: &&Question| q.witness == witness && q.subject.incarnation == life;
        let Some(subject) = self.asked.iter().find(answers).map(|q| q.subject.clone()) else { return };
        if age <= Self::ANSWERED {
            self.heard(facts, asks, witness, &subject, facts.now - age);
        }
    }

    fn heard(&mut self, facts: &Facts, asks: &mut Asks, witness: ServerId, subject: &Buddy, at: Time) {
        if self.proofs.heard(subject.id, subject.incarnation, at) {
            let silence_ms = facts.watches.of(subject.id).map(|w| millis(facts.now.since(w.reading.silent_since())));
            asks.event(&facts.watches.name_of(subject.id), EventBody::BrokenLink { witness, silence_ms });
        }
    }
}

/// Silent hosts next to this server.
fn subjects(facts: &Facts, sides: &[SideWork; 2]) -> Vec<Buddy> {
    let of_side = |work: &SideWork| {
        let hosts = work.run().silent.iter().filter(|(_, kind)| *kind == VoteKind::Host);
        let watched = hosts.filter_map(|(id, _)| facts.watches.of(*id)).map(|w| w.target.clone());
        watched.take(Witnesses::SUBJECTS).collect::<Vec<_>>()
    };
    let mut known = BTreeSet::new();
    sides.iter().flat_map(of_side).filter(|b| known.insert(b.id)).collect()
}
