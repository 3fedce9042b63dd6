//! Votes of one side: cast, renewed, taken back; and the removal that two votes make.

use alloc::vec::Vec;

use super::{Attempt, Claim, OwnVote, SideWork};
use crate::edit::TableSnapshot;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::engine::member::finding::{deaf_from, finding, ripe};
use crate::engine::member::footing::Footing;
use crate::engine::member::proofs::Proofs;
use crate::engine::table::Concern;
use crate::evidence::LocalFault;
use crate::law;
use crate::notice::NoticeBody;
use crate::op::{Accusation, Finding, TableOp};
use crate::outcome::Held;
use crate::row::{ServerRow, Vote};
use crate::{Rule, ServerId, Side, VoteKind};

impl SideWork {
    /// What this server may say about the first `count` servers of the run.
    pub fn findings(&self, facts: &Facts, proofs: &Proofs, count: usize) -> Vec<Finding> {
        let healing = |server: ServerId| {
            let cut = self.suspicion.as_ref().filter(|it| !it.ceased.contains(&server)).and_then(|it| it.cut);
            cut.is_some_and(|at| facts.now.since(at) < law::LONE_WORD) && facts.keeps(Rule::R4)
        };
        let silent = self.run.silent.iter().take(count);
        let all = silent.filter_map(|(server, kind)| finding(facts, proofs, *server, *kind));
        all.map(|f| Finding { enough: f.enough && !healing(f.server), ..f }).collect()
    }

    /// R4, when a cut heals: the servers do not hear each other again at the same moment. One that has to resolve its
    /// neighbour first takes up to a second longer. The first to hear takes back the counter-votes that protected its
    /// whole side. So if a server saw that others held both vote slots of a row beside the run, at least one of them
    /// from the run, it calls no silence long enough until that is [`law::LONE_WORD`] ago. But whoever answered a vote
    /// in the cut, and has not for as long, died in it.
    pub(super) fn look_for_cut(&mut self, facts: &Facts, seen: &TableSnapshot) {
        let Some(suspicion) = &mut self.suspicion else { return };
        let in_run = |id: ServerId| self.run.silent.iter().any(|(silent, _)| *silent == id);
        let fresh = |vote: &&Vote| vote.at.is_recent(seen.db_now, law::RENEWED);
        let seconded = |row: &ServerRow| {
            let votes = Side::BOTH.map(|side| row.vote(side).filter(fresh).map(|vote| vote.voter));
            matches!(votes, [Some(a), Some(b)] if a != b && (in_run(a) || in_run(b)))
        };
        if seen.rows.values().any(|row| !in_run(row.id) && seconded(row)) {
            suspicion.cut = Some(facts.now);
        }
        let silent = |at| seen.db_now.since(at).is_some_and(|age| age > law::LONE_WORD);
        for row in seen.rows.values() {
            let votes = Side::BOTH.into_iter().filter_map(|side| row.vote(side).filter(fresh));
            if votes.filter_map(|vote| row.ceased(vote)).any(silent) {
                suspicion.ceased.insert(row.id);
            } else {
                suspicion.ceased.remove(&row.id);
            }
        }
    }

    /// Votes, renews the vote, or removes: if there is something new to say, or if it is time to repeat it.
    pub fn accuse(&mut self, facts: &Facts, asks: &mut Asks, proofs: &Proofs, footing: Footing) {
        self.notify(asks);
        let busy = asks.busy(Concern::Vote(self.side));
        if busy || self.withdraw(facts, asks, proofs, footing == Footing::CutOff) {
            return;
        }
        // Without a far end, the vote is only for the first of the run and removes no server (R3).
        let far_end = self.run.far_end.filter(|_| footing == Footing::Firm);
        let count = if far_end.is_some() { self.run.silent.len() } else { 1 };
        let findings = self.findings(facts, proofs, count);
        if !self.hears_others(facts, asks, &findings, footing) || self.run.all {
            return;
        }
        let Some(mute) = self.mute(facts, asks, far_end.is_some()) else { return };
        let confirmed = self.confirmed(facts, asks).filter(|_| facts.keeps(Rule::R3));
        let Some(suspicion) = &mut self.suspicion else { return };
        let said = findings.iter().map(|f| (f.server, f.silence.kind, ripe(facts, asks, f))).collect();
        let claim = Claim { findings: said, far_end, confirmed: confirmed.is_some() };
        let due = suspicion.again || suspicion.sent.as_ref() != Some(&claim) || asks.due(suspicion.next);
        if !due || !asks.due(suspicion.not_before) || !asks.may_accuse(Concern::Vote(self.side)) {
            return;
        }
        suspicion.again = false;
        let braked = suspicion.held == Some(Held::Brake);
        suspicion.sent = Some(claim);
        let cast =
            |f: &Finding| (f.server, OwnVote { kind: f.silence.kind, incarnation: f.incarnation, confirmed: false });
        self.attempt = Attempt::Cast(findings.iter().map(cast).collect());
        let accusation = facts.accusation(asks, self.side, findings);
        let accusation = Accusation { far_end, mute, braked, confirmed, ..accusation };
        asks.begin(Concern::Vote(self.side), TableOp::Accuse(accusation));
    }

    /// R2: another server was heard since the silence began. A server that hears no other server cannot vote. It
    /// reports that once.
    fn hears_others(&mut self, facts: &Facts, asks: &mut Asks, findings: &[Finding], footing: Footing) -> bool {
        let Some(deaf_from) = findings.iter().filter_map(|f| deaf_from(facts, f)).max() else { return false };
        let Some(suspicion) = &mut self.suspicion else { return false };
        let deaf = facts.keeps(Rule::R2) && !facts.watches.heard_since(deaf_from);
        if !deaf && footing != Footing::CutOff {
            return true;
        }
        let lasts = facts.now.since(deaf_from) > facts.identity.tuning.ears();
        if lasts && !core::mem::replace(&mut suspicion.deaf, true) {
            asks.void(LocalFault::Deaf, 1);
        }
        false
    }

    /// Takes back votes that are no longer true, or all votes if this server is more likely cut off itself. True: that
    /// is needed, and now under way or waiting for the database.
    fn withdraw(&mut self, facts: &Facts, asks: &mut Asks, proofs: &Proofs, cut_off: bool) -> bool {
        // A vote against an earlier life went with it. (What the other side knows of a server may be older.)
        self.votes.retain(|id, vote| facts.watches.of(*id).is_none_or(|w| w.target.incarnation <= vote.incarnation));
        let spared = |id: &ServerId, vote: &OwnVote| proofs.spare(*id, vote.incarnation, facts.now);
        let untrue = |id: &ServerId, vote: &OwnVote| {
            let finding = facts.watches.of(*id).map(|w| w.detector.state().finding());
            match finding {
                Some(Some(VoteKind::Agent)) => vote.kind == VoteKind::Host,
                Some(Some(VoteKind::Host)) => false,
                Some(None) | None => true,
            }
        };
        let denied = self.denied(facts);
        // A server that hears nobody votes for nobody. If hosts answer without agents, clients are served.
        let alone = |vote: &OwnVote| self.run.all && vote.kind == VoteKind::Agent;
        let over = |(id, vote): &(&ServerId, &OwnVote)| {
            cut_off || denied || alone(vote) || untrue(id, vote) || spared(id, vote)
        };
        let subjects: Vec<ServerId> = self.votes.iter().filter(over).map(|(id, _)| *id).collect();
        if subjects.is_empty() || !asks.ready(Concern::Vote(self.side)) {
            return !subjects.is_empty();
        }
        self.attempt = Attempt::TakeBack(subjects.clone());
        asks.begin(Concern::Vote(self.side), TableOp::Withdraw { me: asks.me().id, subjects });
        true
    }

    /// Tells the accused and the voter on the other side of the run, as soon as a vote is there and that voter is
    /// known. The accused may be the only one that hears the others again, and so know of nothing (R4).
    fn notify(&mut self, asks: &mut Asks) {
        let Some(suspicion) = self.suspicion.as_mut().filter(|it| it.first_vote.is_some()) else { return };
        let first = self.run.silent.first().and_then(|(id, _)| self.chain.member(*id));
        let Some(accused) = first else { return };
        let subject = accused.id;
        if suspicion.notified.insert(subject) {
            asks.send(accused.address, accused.notice_port, NoticeBody::Voted { subject });
        }
        // The next one that can vote. A mute far end cannot.
        let witness = match self.run.beyond.last().or(self.run.far_end.as_ref()) {
            Some(id) if self.run.beyond.is_empty() => self.chain.member(*id),
            Some(id) => self.chain.members.iter().skip_while(|member| member.id != *id).nth(1),
            None => self.chain.members.get(1),
        };
        let Some(witness) = witness else { return };
        if suspicion.notified.insert(witness.id) {
            asks.send(witness.address, witness.notice_port, NoticeBody::Voted { subject });
        }
    }
}
