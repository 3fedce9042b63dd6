//! R2: this server hears no other server on the whole ring, and the database answers.
//!
//! It says so in its row, which protects it for a while (R4), and stands in the way of others that are alone too. It
//! may remove the others only if no probes arrive from servers that it does not hear: those servers are alive. This
//! happens at the end of every cut: one of two servers may have to resolve the other's hardware address again, and so
//! stays deaf for up to a second longer than the other.
//!
//! The mark also says whether hosts are silent, or perhaps only agents: routers send no clients to silent hosts.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::answering::heard;
use super::proofs::Proofs;
use super::side::{After, SideWork};
use crate::engine::asks::{Asks, Me};
use crate::engine::contract::TableDone;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::law;
use crate::op::TableOp;
use crate::outcome::{Held, Outcome};
use crate::row::Alone as AloneRule;
use crate::{Rule, Time, VoteKind};

/// The alone mark of this server.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Alone {
    /// When it was written, as far as this server knows. After a failure it may stand even if this is `None`.
    marked: Option<Time>,
    maybe: bool,
    /// What the mark says, as it was last written.
    kind: Option<VoteKind>,
    next: Time,
    /// Whether the mark was renewed. Then the removal comes next.
    renewed: bool,
    /// Whether the last removal was held back. The next try waits until the mark is due again.
    held: bool,
    /// When a probe of a server that this one does not hear last arrived, as far as it matters.
    reached: Option<Time>,
    /// When the mark may be taken back. Servers that this server hears again may still be deaf to it, so its mark must
    /// go on to object.
    over: Option<Time>,
}

/// The mark stands for this long after the last moment at which it was true.
const OBJECTS: Duration = Duration::from_millis(1500);

impl Alone {
    /// Since when the row says that this server hears nobody, as far as it knows.
    pub const fn since(&self) -> Option<Time> {
        self.marked
    }

    /// Writes the mark, renews it, removes; or takes the mark back a little after another server was heard. `of_two`:
    /// the pool has one other server. `challenged`: there are votes against this server.
    pub fn settle(
        &mut self,
        facts: &Facts,
        asks: &mut Asks,
        sides: &[SideWork; 2],
        proofs: &Proofs,
        of_two: bool,
        challenged: bool,
    ) {
        let hasty = !facts.keeps(Rule::R2);
        let all = facts.pool.as_ref().is_some_and(|p| p.rules.alone == AloneRule::All);
        // Who hears neither buddy may need a while to find somebody, longer than its wait (R3). So it says so at once.
        // One that is accused while it is late itself suspects nobody, and says so too.
        let deaf = sides.iter().all(|w| w.run().lost_buddy());
        let lost = (deaf || challenged) && heard(facts).is_none();
        let whole = sides.iter().any(|w| w.run().all);
        if !whole && !lost {
            self.not_alone(facts, asks);
            return;
        }
        if is_reached(facts, sides) {
            self.reached = Some(facts.now);
        }
        if self.over.take().is_some() {
            // Alone again: what was true before the interruption does not count.
            self.marked = None;
            self.renewed = false;
        }
        let old = if of_two { law::ALONE_ONE } else { law::ALONE_MORE };
        // Every lone server says so, which protects it for a while (R4). Not every one may remove the others.
        let entitled = whole && (of_two || all || hasty);
        let ripe = self.marked.map(|at| self.reached.map_or(at, |reached| at.max(reached)) + old);
        let ripe = ripe.filter(|_| entitled);
        let remove = hasty && whole || self.renewed && ripe.is_some_and(|at| at <= facts.now);
        let due = remove && !hasty
            || asks.due(self.next)
            || ripe.is_some_and(|at| !self.renewed && !self.held && asks.due(at));
        if !due || !asks.ready(Concern::Alone) || remove && !asks.may_accuse(Concern::Alone) {
            return;
        }
        self.maybe = true;
        self.renewed = false;
        let op = if remove {
            remove_all(facts, asks, proofs, sides)
        } else {
            let kind = kind(sides);
            if self.kind.replace(kind) != Some(kind) {
                // The mark starts anew, and so does the others' time to object.
                self.marked = None;
            }
            mark(asks.me(), Some(kind))
        };
        asks.begin(Concern::Alone, op);
    }

    fn not_alone(&mut self, facts: &Facts, asks: &mut Asks) {
        if self.marked.is_none() && !self.maybe {
            return;
        }
        let over = *self.over.get_or_insert(facts.now + OBJECTS);
        if asks.due(over) && asks.ready(Concern::Alone) {
            *self = Self::default();
            asks.begin(Concern::Alone, mark(asks.me(), None));
        }
    }

    /// The mark was written, or a removal was tried.
    pub fn done(&mut self, facts: &Facts, asks: &mut Asks, done: &TableDone) -> After {
        let Ok(outcome) = &done.result else {
            // It is unknown whether the mark stands.
            self.maybe = true;
            return After::Nothing;
        };
        self.next = facts.now + asks.revote();
        self.held = matches!(outcome, Outcome::Held(_) | Outcome::Braked);
        match outcome {
            Outcome::AloneMarked if self.maybe => {
                self.marked.get_or_insert(facts.now);
                self.renewed = true;
            }
            Outcome::Removed { removed, ends } => return After::Removed(removed.clone(), *ends),
            Outcome::Held(held) => asks.held(*held),
            Outcome::Braked => asks.held(Held::Brake),
            // Somebody else wrote at the same moment. The mark is renewed first, then this server tries again.
            Outcome::Overtaken => {
                self.next = facts.now + law::READ_EVERY;
                return After::Read;
            }
            Outcome::Stale => return After::Read,
            Outcome::AloneMarked
            | Outcome::Read
            | Outcome::Joined { .. }
            | Outcome::Left
            | Outcome::Voted { .. }
            | Outcome::Withdrawn
            | Outcome::Written
            | Outcome::NameTaken { .. }
            | Outcome::AddressTaken { .. } => {}
        }
        After::Nothing
    }
}

/// Whether probes arrive from a host that this server cannot hear.
fn is_reached(facts: &Facts, sides: &[SideWork; 2]) -> bool {
    let silent = sides.iter().flat_map(|work| &work.run().silent);
    let interval = facts.identity.tuning.interval;
    silent.filter(|(_, kind)| *kind == VoteKind::Host).any(|(id, _)| facts.callers.lives(*id, facts.now, interval))
}

/// Host: this server has looked at the whole ring, and no host answers.
fn kind(sides: &[SideWork; 2]) -> VoteKind {
    let hosts = |work: &SideWork| work.run().all && work.run().silent.iter().all(|(_, kind)| *kind == VoteKind::Host);
    if sides.iter().any(hosts) { VoteKind::Host } else { VoteKind::Agent }
}

const fn mark(me: Me, alone: Option<VoteKind>) -> TableOp {
    TableOp::Alone { me: me.id, incarnation: me.incarnation, alone }
}

fn remove_all(facts: &Facts, asks: &Asks, proofs: &Proofs, [first, second]: &[SideWork; 2]) -> TableOp {
    let work = if first.run().all { first } else { second };
    let findings = work.findings(facts, proofs, work.run().silent.len());
    TableOp::RemoveAll(facts.accusation(asks, work.side(), findings))
}
