//! One side of the ring: who is silent there, who lives beyond, and when to say so.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::common::Common;
use super::contract::Buddy;
use super::table::Concern;
use crate::ahead::{Chain, Run, Window};
use crate::backoff::Backoff;
use crate::edit::{Held, Lookup, TableSnapshot};
use crate::evidence::LocalFault;
use crate::law;
use crate::notice::NoticeBody;
use crate::op::{Accusation, Finding, TableOp};
use crate::row::Vote;
use crate::{Incarnation, Rule, ServerId, ServerRow, Side, Time, VoteKind, Witness};

/// What goes on towards one buddy.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SideWork {
    pub side: Side,
    pub chain: Chain,
    pub run: Run,
    pub suspicion: Option<Suspicion>,
    /// Votes that may stand in the table in this server's name.
    pub votes: BTreeMap<ServerId, Standing>,
    /// What the operation under way may change of them.
    pub attempt: Attempt,
    window: Window,
    pub ahead_at: Time,
}

/// A vote as this server cast it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub kind: VoteKind,
    pub incarnation: Incarnation,
    /// The table said that it is there.
    pub confirmed: bool,
}

/// The operation on votes that is under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Attempt {
    Cast(Vec<(ServerId, Standing)>),
    TakeBack(Vec<ServerId>),
}

impl Default for Attempt {
    fn default() -> Self {
        Self::Cast(Vec::new())
    }
}

/// The time during which the direct buddy is silent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Suspicion {
    pub since: Time,
    pub first_vote: Option<Time>,
    pub next: Time,
    pub not_before: Time,
    pub sent: Option<Claim>,
    pub again: bool,
    pub held: Option<Held>,
    pub notified: BTreeSet<ServerId>,
    pub conflicts: Backoff,
    /// Whether it was told that this server hears nobody at all.
    pub deaf: bool,
    /// When both sides of a cut were last seen to accuse each other ([`SideWork::look_for_cut`]).
    pub cut: Option<Time>,
}

/// What an accusation comes to; when it changes, the next one goes out at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// Whom, of what, and whether it has lasted for as long as a removal needs.
    findings: Vec<(ServerId, VoteKind, bool)>,
    far_end: Option<ServerId>,
}

impl Suspicion {
    fn new(now: Time) -> Self {
        Self {
            since: now,
            first_vote: None,
            next: now,
            not_before: now,
            sent: None,
            again: false,
            held: None,
            notified: BTreeSet::new(),
            conflicts: Backoff::new(Duration::from_millis(10), Duration::from_millis(250)),
            deaf: false,
            cut: None,
        }
    }
}

impl SideWork {
    pub fn new(side: Side, common: &Common) -> Self {
        Self {
            side,
            chain: Chain::default(),
            run: Run::none(),
            suspicion: None,
            votes: BTreeMap::new(),
            attempt: Attempt::default(),
            window: first_window(common),
            ahead_at: Time::ZERO,
        }
    }

    /// Compare what is known of this side with what the watches say, and look further if need be (R1).
    pub fn look(&mut self, common: &mut Common, me: ServerId, buddy: Option<&Buddy>, of_two: bool) {
        let Some(buddy) = buddy else {
            self.calm(Chain::default(), common);
            return;
        };
        if self.chain.members.first() != Some(buddy) {
            self.turn_to(buddy, of_two, common);
        }
        self.run = self.chain.run(|id| common.watches.judge(id));
        if !common.identity.tuning.keeps(Rule::R9) {
            self.run.stop_at_agents();
        }
        if self.run.silent.is_empty() {
            self.calm(Chain::of(buddy.clone(), of_two), common);
            return;
        }
        if self.suspicion.is_none() {
            self.suspicion = Some(Suspicion::new(common.now));
            self.ahead_at = common.now;
        }
        let silent = self.run.silent.len();
        let narrow = silent >= usize::from(self.window.rows()) && common.identity.tuning.keeps(Rule::R1);
        if self.run.far_end.is_none() && !self.chain.whole && narrow {
            let wider = self.window.wider();
            if wider != self.window {
                self.window = wider;
                self.ahead_at = common.now;
            }
        }
        if !of_two && common.due(self.ahead_at) && common.ready(Concern::Ahead(self.side)) {
            self.ahead_at = common.now + common.revote();
            let op = TableOp::Ahead { from: me, side: self.side, count: self.window.rows() };
            common.begin(Concern::Ahead(self.side), op);
        }
    }

    /// The buddy on this side is another one. If it was looked at already, because all before it were silent and are gone
    /// now, what is known of it and of those beyond it goes on; the suspicion is a new one.
    fn turn_to(&mut self, buddy: &Buddy, of_two: bool, common: &Common) {
        match self.chain.members.iter().position(|m| m == buddy) {
            Some(at) => {
                self.chain.members.drain(..at);
                self.suspicion = None;
            }
            None => self.calm(Chain::of(buddy.clone(), of_two), common),
        }
    }

    /// Nobody is silent here.
    fn calm(&mut self, chain: Chain, common: &Common) {
        self.run = chain.run(|id| common.watches.judge(id));
        self.chain = chain;
        self.suspicion = None;
        self.window = first_window(common);
    }

    /// The servers along this side were read. False: the ring is not as this server knows it.
    pub fn ahead(&mut self, me: ServerId, seen: &TableSnapshot) -> bool {
        let walk = seen.answers.iter().find_map(|(lookup, ids)| match lookup {
            Lookup::Walk { from, side, count } if *from == me && *side == self.side => Some((*count, ids)),
            Lookup::Walk { .. }
            | Lookup::Id(_)
            | Lookup::Name(_)
            | Lookup::Address(_)
            | Lookup::Pick(_)
            | Lookup::Removals(_)
            | Lookup::Members
            | Lookup::LastEvent(_) => None,
        });
        let Some((count, ids)) = walk else { return false };
        let Some(buddy) = self.chain.members.first() else { return true };
        if ids.first() != Some(&buddy.id) {
            return false;
        }
        let further = ids.iter().skip(1).filter_map(|id| seen.rows.get(id)).map(Buddy::from);
        let members = core::iter::once(buddy.clone()).chain(further).collect();
        self.chain = Chain { members, whole: ids.len() < usize::from(count) };
        true
    }

    /// Whom to watch beyond the buddy.
    pub fn watched(&self) -> Vec<&Buddy> {
        if self.suspicion.is_none() {
            return Vec::new();
        }
        self.chain.watched(&self.run, usize::from(self.window.rows())).skip(1).collect()
    }

    /// What may be said of the first `count` of the run.
    pub fn findings(&self, common: &Common, count: usize) -> Vec<Finding> {
        let cut = self.suspicion.as_ref().and_then(|s| s.cut);
        let tuning = &common.identity.tuning;
        let healing = cut.is_some_and(|at| common.now.since(at) < law::MUTUAL_LIMIT) && tuning.keeps(Rule::R4);
        let all = self.run.silent.iter().take(count).filter_map(|(server, kind)| finding(common, *server, *kind));
        all.map(|f| Finding { enough: f.enough && !healing, ..f }).collect()
    }

    /// R4, when a cut heals: its servers do not hear each other again at the same moment (one whose neighbour has to be
    /// resolved first takes up to a second longer), and the first to hear takes back the counter-votes that protected its
    /// whole side. So a server that saw both slots of a row beside the run held by others, one of them of the run, calls no silence
    /// long enough until that is [`mutual_limit`](crate::law::MUTUAL_LIMIT) ago.
    pub fn look_for_cut(&mut self, now: Time, within: Duration, seen: &TableSnapshot) {
        let Some(suspicion) = &mut self.suspicion else { return };
        let in_run = |id: ServerId| self.run.silent.iter().any(|(silent, _)| *silent == id);
        let fresh = |vote: &&Vote| seen.db_now.since(vote.at).is_none_or(|age| age <= within);
        let seconded = |row: &ServerRow| {
            let votes = Side::BOTH.map(|side| row.vote(side).filter(fresh).map(|vote| vote.voter));
            matches!(votes, [Some(a), Some(b)] if a != b && (in_run(a) || in_run(b)))
        };
        if seen.rows.values().any(|row| !in_run(row.id) && seconded(row)) {
            suspicion.cut = Some(now);
        }
    }

    /// Vote, renew the vote, or remove: if there is anything new to say, or it is time to say it again.
    pub fn accuse(&mut self, common: &mut Common, (me, incarnation): (ServerId, Incarnation), footing: Footing) {
        self.notify(common);
        if common.tables.busy(Concern::Vote(self.side)) || self.withdraw(common, me, footing == Footing::CutOff) {
            return;
        }
        // Without a far end the vote is for the direct buddy only, and removes nobody (R3).
        let far_end = self.run.far_end.filter(|_| footing == Footing::Firm);
        let count = if far_end.is_some() { self.run.silent.len() } else { 1 };
        let findings = self.findings(common, count);
        let Some(deaf_from) = findings.iter().filter_map(|f| deaf_from(common, f)).max() else { return };
        let Some(suspicion) = &mut self.suspicion else { return };
        let deaf = common.identity.tuning.keeps(Rule::R2) && !common.watches.heard_since(deaf_from);
        if deaf || footing == Footing::CutOff {
            if common.now.since(deaf_from) > common.identity.tuning.ears()
                && !core::mem::replace(&mut suspicion.deaf, true)
            {
                common.tell_void(LocalFault::Deaf, 1);
            }
            return;
        }
        if self.run.all {
            return;
        }
        let claim = Claim { findings: findings.iter().map(|f| (f.server, f.kind, ripe(common, f))).collect(), far_end };
        let due = suspicion.again || suspicion.sent.as_ref() != Some(&claim) || common.due(suspicion.next);
        if !due || !common.due(suspicion.not_before) || !common.ready(Concern::Vote(self.side)) {
            return;
        }
        suspicion.again = false;
        suspicion.sent = Some(claim);
        let cast = |f: &Finding| (f.server, Standing { kind: f.kind, incarnation: f.incarnation, confirmed: false });
        self.attempt = Attempt::Cast(findings.iter().map(cast).collect());
        let accusation = Accusation {
            me,
            incarnation,
            name: common.identity.name.clone(),
            side: self.side,
            findings,
            far_end,
            hold: common.tables.hold(),
            healthy: true,
            mode: common.identity.mode,
            tuning: common.identity.tuning.clone(),
        };
        common.begin(Concern::Vote(self.side), TableOp::Accuse(accusation));
    }

    /// Take back the votes that are not true any more, or all of a server that is rather cut off itself. True: that is under way.
    fn withdraw(&mut self, common: &mut Common, me: ServerId, cut_off: bool) -> bool {
        self.votes.retain(|id, vote| common.watches.of(*id).is_none_or(|w| w.target.incarnation == vote.incarnation));
        let spared = |id: &ServerId, vote: &Standing| common.proofs.spare(*id, vote.incarnation, common.now);
        let untrue = |id: &ServerId, vote: &Standing| match common.watches.of(*id).map(|w| w.detector.state().finding())
        {
            Some(Some(VoteKind::Agent)) => vote.kind == VoteKind::Host,
            Some(Some(VoteKind::Host)) => false,
            Some(None) | None => true,
        };
        let subjects: Vec<ServerId> =
            self.votes.iter().filter(|(id, v)| cut_off || untrue(id, v) || spared(id, v)).map(|(id, _)| *id).collect();
        if subjects.is_empty() || !common.ready(Concern::Vote(self.side)) {
            return !subjects.is_empty();
        }
        self.attempt = Attempt::TakeBack(subjects.clone());
        common.begin(Concern::Vote(self.side), TableOp::Withdraw { me, subjects });
        true
    }

    /// Tell the witness on the other side of the run, as soon as a vote is there and the witness is known.
    fn notify(&mut self, common: &mut Common) {
        let Some(suspicion) = &mut self.suspicion else { return };
        let Some(subject) = self.chain.members.first().map(|b| b.id) else { return };
        let witness = match self.run.far_end {
            Some(id) => self.chain.member(id),
            None => self.chain.members.get(1),
        };
        let Some(witness) = witness else { return };
        if suspicion.first_vote.is_some() && suspicion.notified.insert(witness.id) {
            common.send(witness.address, witness.notice_port, NoticeBody::Voted { subject });
        }
    }
}

/// R2, with both buddies silent: did they die, or is it this server that is cut off? A few servers that are, and find each other past those
/// between them, would take the rest of the pool for a rack that died. At the end of such a rack stands a server that hears its other buddy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// It hears a buddy, or has found somebody alive both ways, past no more servers than the first look goes.
    Firm,
    /// It is still looking, or it is accused by those whom it does not hear and so on one side of a cut (R4): it votes, and removes nobody.
    Unsure,
    /// More are silent than the first look goes, and nobody accuses it: its votes are taken back.
    CutOff,
}

impl Footing {
    pub fn of([one, other]: &[SideWork; 2], common: &Common) -> Self {
        let tuning = &common.identity.tuning;
        let (here, there) = (&one.run, &other.run);
        if here.silent.is_empty() || there.silent.is_empty() || !tuning.keeps(Rule::R2) {
            return Self::Firm;
        }
        let far = here.silent.len() + there.silent.len() > usize::from(law::AHEAD);
        let accused = |run: &Run| run.silent.iter().any(|(id, _)| common.proofs.accuses(*id));
        if far && !accused(here) && !accused(there) {
            return Self::CutOff;
        }
        if far || here.far_end.is_none() || there.far_end.is_none() { Self::Unsure } else { Self::Firm }
    }
}

/// From when on somebody else must be heard so that this finding is not this server's own deafness (R2).
fn deaf_from(common: &Common, finding: &Finding) -> Option<Time> {
    let watch = common.watches.of(finding.server)?;
    Some(watch.detector.deaf_from(finding.kind, &watch.reading, &common.identity.tuning))
}

/// How far the first look goes. In a simulation without R1 it is the only one, and no farther than the buddy's buddy.
fn first_window(common: &Common) -> Window {
    let tuning = &common.identity.tuning;
    Window::first(if tuning.keeps(Rule::R1) { law::AHEAD } else { 1 })
}

/// What one watch has against its server; `None` if it is not watched.
fn finding(common: &Common, server: ServerId, kind: VoteKind) -> Option<Finding> {
    let watch = common.watches.of(server)?;
    let since = watch.detector.silent_since(kind, &watch.reading);
    let misses = watch.detector.misses(&watch.reading);
    let enough = match kind {
        VoteKind::Host => {
            let silent = common.now.since(since) >= common.silence_asked(watch.target.address);
            silent && misses >= law::REMOVAL_MISSES || !common.identity.tuning.keeps(Rule::R6)
        }
        // The pool's own timeout is far longer than any silence asked for here.
        VoteKind::Agent => true,
    };
    let witness = Witness { watch: watch.id, kind, since };
    let incarnation = watch.target.incarnation;
    let proved = kind == VoteKind::Host && common.proofs.fresh(server, incarnation, common.now);
    Some(Finding { server, incarnation, kind, since, misses, enough, proved, witness })
}

/// Whether a finding is old enough for a removal. An agent has its time to come back: asks to be called when that is over.
fn ripe(common: &mut Common, finding: &Finding) -> bool {
    if finding.proved {
        return false;
    }
    let timeout = common.pool.as_ref().map_or(Duration::MAX, |p| p.rules.agent_timeout);
    match finding.kind {
        VoteKind::Host => {
            // It may need nothing more than time.
            let asked = common.watches.of(finding.server).map(|w| common.silence_asked(w.target.address));
            asked.into_iter().for_each(|silence| common.call_at(finding.since + silence));
            finding.enough
        }
        VoteKind::Agent => common.due(finding.since + timeout),
    }
}
