//! One side of the ring: which servers are silent there, which live beyond them, and when to say so.

mod accuse;
mod confirm;
mod verdicts;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use self::verdicts::After;
use crate::ahead::{Chain, Judged, Run, Window};
use crate::backoff::Backoff;
use crate::buddy::Buddy;
use crate::edit::{Lookup, Removal, TableSnapshot};
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::law;
use crate::op::TableOp;
use crate::outcome::Held;
use crate::{Incarnation, Rule, ServerId, Side, Time, VoteKind};

/// Where nobody is silent beyond mute servers, the servers along the ring are read this often.
const LOOK_PAST: Duration = Duration::from_secs(5);

/// How far the first look past mute servers goes. After a failover most of a pool is mute for a moment. If everybody
/// watched as far as past the dead, that would be a thousand probes a second and server.
const PAST: u16 = 3;

/// State of the side towards one buddy.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SideWork {
    side: Side,
    chain: Chain,
    run: Run,
    suspicion: Option<Suspicion>,
    /// Votes of this server that may stand in the table.
    votes: BTreeMap<ServerId, OwnVote>,
    /// What the operation under way may change in these votes.
    attempt: Attempt,
    window: Window,
    ahead_at: Time,
}

/// A vote as this server cast it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OwnVote {
    kind: VoteKind,
    incarnation: Incarnation,
    /// Whether the table confirmed it.
    confirmed: bool,
}

/// The operation on votes that is under way.
#[derive(Debug, Serialize, Deserialize)]
enum Attempt {
    Cast(Vec<(ServerId, OwnVote)>),
    TakeBack(Vec<ServerId>),
}

impl Default for Attempt {
    fn default() -> Self {
        Self::Cast(Vec::new())
    }
}

/// The time during which the direct buddy is silent, or the first server past mute ones.
#[derive(Debug, Serialize, Deserialize)]
struct Suspicion {
    since: Time,
    first_vote: Option<Time>,
    next: Time,
    not_before: Time,
    sent: Option<Claim>,
    again: bool,
    held: Option<Held>,
    notified: BTreeSet<ServerId>,
    conflicts: Backoff,
    /// Whether it was reported that this server hears no other server.
    deaf: bool,
    /// When both sides of a cut were last seen to accuse each other ([`SideWork::look_for_cut`]).
    cut: Option<Time>,
    /// Those that answered during the cut, and do so no more.
    ceased: BTreeSet<ServerId>,
}

/// The content of an accusation. When it changes, the next accusation is sent at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    /// Which server, accused of what, and whether that has lasted long enough for a removal.
    findings: Vec<(ServerId, VoteKind, bool)>,
    far_end: Option<ServerId>,
    /// Whether the far end's kernel confirms it.
    confirmed: bool,
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
            ceased: BTreeSet::new(),
        }
    }
}

impl SideWork {
    pub fn new(side: Side, facts: &Facts) -> Self {
        Self {
            side,
            chain: Chain::default(),
            run: Run::default(),
            suspicion: None,
            votes: BTreeMap::new(),
            attempt: Attempt::default(),
            window: first_window(facts, PAST),
            ahead_at: Time::ZERO,
        }
    }

    pub const fn side(&self) -> Side {
        self.side
    }

    /// The silent servers next to this one, and what is beyond them.
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// All known servers on this side, nearest first.
    pub fn members(&self) -> &[Buddy] {
        &self.chain.members
    }

    pub fn member(&self, id: ServerId) -> Option<&Buddy> {
        self.chain.member(id)
    }

    /// Since when the direct buddy is silent, or the first server past mute ones.
    pub fn suspected_since(&self) -> Option<Time> {
        self.suspicion.as_ref().map(|suspicion| suspicion.since)
    }

    /// Whether the brake holds a removal back on this side.
    pub fn braked(&self) -> bool {
        self.suspicion.as_ref().is_some_and(|suspicion| suspicion.held == Some(Held::Brake))
    }

    /// Compares what is known of this side with what the watches say, and looks further if needed (R1).
    pub fn look(&mut self, facts: &Facts, asks: &mut Asks, buddy: Option<&Buddy>, of_two: bool) {
        let Some(buddy) = buddy else {
            self.calm(Chain::default(), facts);
            return;
        };
        if self.chain.members.first() != Some(buddy) {
            self.turn_to(buddy, of_two, facts);
        }
        let served = asks.tables().away().is_none();
        self.run = self.chain.run(|id| judge(facts, served, id));
        if !facts.keeps(Rule::R9) {
            self.run.stop_at_agents();
        }
        if self.run.is_calm() {
            self.calm(Chain::of(buddy.clone(), of_two), facts);
            return;
        }
        if self.run.silent.is_empty() {
            self.suspicion = None;
        } else if self.suspicion.is_none() {
            self.suspicion = Some(Suspicion::new(facts.now));
            self.ahead_at = facts.now;
            self.window = self.window.max(first_window(facts, law::AHEAD));
        }
        self.widen(facts, asks);
        if !of_two && asks.due(self.ahead_at) && asks.ready(Concern::Ahead(self.side)) {
            self.ahead_at = facts.now + if self.suspicion.is_some() { asks.revote() } else { LOOK_PAST };
            let op = TableOp::Ahead { from: asks.me().id, side: self.side, count: self.window.rows() };
            asks.begin(Concern::Ahead(self.side), op);
        }
    }

    /// If every server in the window is silent or mute, looks further now; if all are mute, with the next look.
    fn widen(&mut self, facts: &Facts, asks: &mut Asks) {
        if self.chain.whole || !self.run.fills(self.window) || !facts.keeps(Rule::R1) {
            return;
        }
        let wider = self.window.wider();
        if wider != self.window && (self.suspicion.is_some() || asks.due(self.ahead_at)) {
            self.window = wider;
            self.ahead_at = facts.now;
        }
    }

    /// The buddy on this side has changed. If the new one was already watched, because all servers before it were
    /// silent and are gone now, what is known of it and of the servers beyond it is kept. The suspicion is a new one.
    fn turn_to(&mut self, buddy: &Buddy, of_two: bool, facts: &Facts) {
        match self.chain.members.iter().position(|m| m == buddy) {
            Some(at) => {
                self.chain.members.drain(..at);
                self.suspicion = None;
            }
            None => self.calm(Chain::of(buddy.clone(), of_two), facts),
        }
    }

    /// No server is silent here.
    fn calm(&mut self, chain: Chain, facts: &Facts) {
        self.run = chain.run(|id| judge(facts, false, id));
        self.chain = chain;
        self.suspicion = None;
        self.window = first_window(facts, PAST);
    }

    /// The look ahead failed: repeat it as soon as the database may be asked.
    pub const fn look_again(&mut self, now: Time) {
        self.ahead_at = now;
    }

    /// The servers along this side were read. False: the ring is not as this server knows it.
    pub fn ahead(&mut self, me: ServerId, seen: &TableSnapshot) -> bool {
        let walk = seen.answers.iter().find_map(|(lookup, ids)| {
            let Lookup::Walk { from, side, count } = lookup else { return None };
            (*from == me && *side == self.side).then_some((*count, ids))
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

    /// Servers to watch beyond the buddy.
    pub fn watched(&self) -> Vec<&Buddy> {
        if self.run.is_calm() {
            return Vec::new();
        }
        self.chain.watched(&self.run, usize::from(self.window.rows())).skip(1).collect()
    }

    /// The buddy on this side, once these servers are gone.
    pub fn next_after(&self, removed: &[Removal]) -> Option<&Buddy> {
        self.chain.members.iter().find(|member| !is_in(removed, member.id))
    }

    /// These servers are gone. The first member stays until [`Self::look`] notices and begins a new suspicion.
    pub fn cut_out(&mut self, removed: &[Removal]) {
        let first = self.chain.members.first().map(|member| member.id);
        self.chain.members.retain(|member| Some(member.id) == first || !is_in(removed, member.id));
    }

    /// A row is gone, with all votes in it.
    pub fn forget(&mut self, id: ServerId) {
        self.votes.remove(&id);
    }

    /// Another server voted: check the table again, if a suspicion is open.
    pub const fn voted_elsewhere(&mut self) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.again = true;
        }
    }
}

/// What is known of a server. `served`: the database answers this server. Otherwise it looks past nobody.
fn judge(facts: &Facts, served: bool, id: ServerId) -> Judged {
    let said = facts.mute(id).filter(|_| served && facts.keeps(Rule::R9));
    let deaf = said.is_some_and(|said| said.at.since(said.heard) > facts.identity.tuning.ears());
    Judged { state: facts.watches.judge(id), mute: said.is_some(), deaf }
}

fn is_in(removed: &[Removal], id: ServerId) -> bool {
    removed.iter().any(|removal| removal.server == id)
}

/// How far a first look goes. In a simulation without R1 it is the only one, and goes no further than the buddy's
/// buddy.
fn first_window(facts: &Facts, far: u16) -> Window {
    Window::first(if facts.keeps(Rule::R1) { far } else { 1 })
}
