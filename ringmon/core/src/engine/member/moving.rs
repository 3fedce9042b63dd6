//! R12: if a server hears neither buddy and is told that both are alive, its own links are broken. It leaves its place
//! and joins again elsewhere after the pause of a rejoin, which grows each time.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::proofs::Proofs;
use super::side::SideWork;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::event::EventBody;
use crate::op::TableOp;
use crate::row::Mode;
use crate::time::millis;
use crate::{Time, VoteKind};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Moving {
    /// Since when both buddies are silent here but heard by others.
    misplaced: Option<Time>,
    /// Whether the leave of this server may be in the table.
    begun: bool,
}

impl Moving {
    /// Both buddies must have been silent and proved alive for this long before a server moves.
    const SURE: Duration = Duration::from_secs(2);

    /// Whether the leave of this server may be in the table.
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks, proofs: &Proofs, sides: &[SideWork; 2]) {
        if !is_misplaced(facts, proofs, sides) {
            self.misplaced = None;
            return;
        }
        let since = *self.misplaced.get_or_insert(facts.now);
        if !asks.due(since + Self::SURE) || !asks.ready(Concern::Leave) {
            return;
        }
        if !core::mem::replace(&mut self.begun, true) {
            asks.own_event(EventBody::Moving { misplaced_ms: millis(facts.now.since(since)) });
        }
        let (me, by) = (asks.me(), facts.identity.card.name.clone());
        asks.begin(Concern::Leave, TableOp::Leave { id: me.id, incarnation: Some(me.incarnation), by });
    }
}

/// Whether both buddies are silent here but heard by others, and another place exists: two more servers that answer.
fn is_misplaced(facts: &Facts, proofs: &Proofs, sides: &[SideWork; 2]) -> bool {
    let proved = |work: &SideWork| {
        let suspected = work.run().silent.first().is_some_and(|(_, kind)| *kind == VoteKind::Host);
        suspected && work.members().first().is_some_and(|b| proofs.fresh(b.id, b.incarnation, facts.now))
    };
    let ends = sides.each_ref().map(|work| work.run().far_end);
    let elsewhere = matches!(ends, [Some(one), Some(other)] if one != other);
    let allowed = facts.mode() == Mode::Act && facts.pool.as_ref().is_some_and(|p| p.frozen.is_none());
    elsewhere && allowed && sides.iter().all(proved)
}
