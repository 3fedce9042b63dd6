//! R2: nobody on the whole ring is heard, and the database answers.
//!
//! Who is reached by probes of those whom it does not hear is not alone: they live. It is so at the end of every cut: one of two may
//! have to ask for the other's hardware address again, and is deaf to it for up to a second longer than the other is to it.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::common::Common;
use super::contract::TableDone;
use super::member::Member;
use super::table::Concern;
use crate::edit::Outcome;
use crate::law;
use crate::op::{Accusation, TableOp};
use crate::row::{Address, Alone};
use crate::{Rule, Side, Time, VoteKind};

/// The own alone mark.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AloneWork {
    /// Since when it stands, as far as this server knows; it may also stand after a failure.
    marked: Option<Time>,
    maybe: bool,
    next: Time,
    /// The mark was renewed: now the removal.
    renewed: bool,
    /// When the mark may be taken back: those whom this server hears again may still be deaf to it, and it must go on to object.
    over: Option<Time>,
}

/// A probe that came this recently proves that its sender lives.
const VISIT: Duration = Duration::from_secs(1);
/// The mark stands for this long after the last moment at which it was true.
const OBJECTS: Duration = Duration::from_millis(1500);

impl Member {
    /// A probe was answered here: its sender lives, whether it is heard or not.
    pub(super) fn answered(&self, common: &mut Common, address: Address, at: Time) {
        let known = self.sides.iter().flat_map(|work| &work.chain.members).find(|member| member.address == address);
        if let Some(id) = known.map(|member| member.id) {
            common.visits.insert(id, at);
        }
    }

    /// Whether somebody that this server cannot hear reaches it. Probes prove a host and its sender: they say nothing for an agent
    /// whose loop hangs.
    fn visited(&self, common: &mut Common) -> bool {
        let now = common.now;
        common.visits.retain(|_, at| now.since(*at) < VISIT);
        let silent = self.sides.iter().flat_map(|work| &work.run.silent);
        silent.filter(|(_, kind)| *kind == VoteKind::Host).any(|(id, _)| common.visits.contains_key(id))
    }

    /// Mark, renew, remove; or take the mark back, a little after somebody was heard.
    pub(super) fn settle_alone(&mut self, common: &mut Common, of_two: bool) {
        let all = self.sides.iter().any(|w| w.run.all);
        let hasty = !common.identity.tuning.keeps(Rule::R2);
        let allowed = of_two || hasty || common.pool.as_ref().is_some_and(|p| p.rules.alone == Alone::All);
        let visited = self.visited(common) && !hasty;
        let mark = |member: &Self, alone| TableOp::Alone { me: member.id, incarnation: member.incarnation, alone };
        if !all || !allowed || visited {
            let stands = self.alone.marked.is_some() || self.alone.maybe;
            if stands {
                let over = *self.alone.over.get_or_insert(common.now + OBJECTS);
                if common.due(over) && common.ready(Concern::Alone) {
                    let op = mark(self, false);
                    self.alone = AloneWork::default();
                    common.begin(Concern::Alone, op);
                }
            }
            return;
        }
        if self.alone.over.take().is_some() {
            // Alone again: what was true before the interruption counts for nothing.
            self.alone.marked = None;
            self.alone.renewed = false;
        }
        let old = if of_two { law::ALONE_ONE } else { law::ALONE_MORE };
        let ripe = self.alone.marked.map(|at| at + old);
        let remove = hasty || self.alone.renewed && ripe.is_some_and(|at| at <= common.now);
        let due = remove && !hasty
            || common.due(self.alone.next)
            || ripe.is_some_and(|at| !self.alone.renewed && common.due(at));
        if !due || !common.ready(Concern::Alone) {
            return;
        }
        self.alone.maybe = true;
        let op = if remove { self.remove_all(common) } else { mark(self, true) };
        self.alone.renewed = false;
        common.begin(Concern::Alone, op);
    }

    fn remove_all(&self, common: &Common) -> TableOp {
        let work = if self.sides[0].run.all { &self.sides[0] } else { &self.sides[1] };
        let findings = work.findings(common, work.run.silent.len());
        TableOp::RemoveAll(Accusation {
            me: self.id,
            incarnation: self.incarnation,
            name: common.identity.name.clone(),
            side: if self.sides[0].run.all { Side::First } else { Side::Second },
            findings,
            far_end: None,
            hold: common.tables.hold(),
            healthy: false,
            mode: common.identity.mode,
            tuning: common.identity.tuning.clone(),
        })
    }

    pub(super) fn alone_done(&mut self, common: &mut Common, done: TableDone) {
        let Ok(outcome) = done.result else {
            // Nobody knows whether the mark stands.
            self.alone.maybe = true;
            return;
        };
        self.alone.next = common.now + common.revote();
        match outcome {
            Outcome::AloneMarked if self.alone.maybe => {
                self.alone.marked.get_or_insert(common.now);
                self.alone.renewed = true;
            }
            Outcome::Removed { removed, ends } => self.removed(common, &removed, ends, &done.snapshot.rows),
            Outcome::Held(held) => *common.tally.held.entry(held).or_default() += 1,
            Outcome::Stale | Outcome::Overtaken | Outcome::Braked => self.read_at = common.now,
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
    }
}
