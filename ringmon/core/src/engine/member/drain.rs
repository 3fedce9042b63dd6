//! Leaves the routes some time before leaving the ring.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::engine::asks::Asks;
use crate::engine::contract::TableDone;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::event::{EventBody, Service};
use crate::op::TableOp;
use crate::outcome::Outcome;

/// Whether the row of a member that will leave soon must say so, or already does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Drain {
    #[default]
    No,
    Wanted,
    /// A write failed, and nobody knows whether it was committed.
    Again,
    Since(Time),
}

impl Drain {
    pub const fn since(self) -> Option<Time> {
        match self {
            Self::No | Self::Wanted | Self::Again => None,
            Self::Since(at) => Some(at),
        }
    }

    /// Send no new clients here: the row must say so.
    pub fn want(&mut self) {
        if *self == Self::No {
            *self = Self::Wanted;
        }
    }

    pub fn settle(self, facts: &mut Facts, asks: &mut Asks) {
        if matches!(self, Self::Wanted | Self::Again) && asks.ready(Concern::Drain) {
            facts.drains_itself = true;
            let (me, by) = (asks.me(), facts.identity.card.name.clone());
            let (id, incarnation) = (me.id, Some(me.incarnation));
            asks.begin(Concern::Drain, TableOp::SetDraining { id, incarnation, draining: true, by });
        }
    }

    /// After a failure it is asked again as soon as the database may be asked. If the row belongs to another life, it
    /// is not this server's row, and no event is sent.
    pub fn done(&mut self, facts: &mut Facts, asks: &mut Asks, done: &TableDone) {
        let outcome = match &done.result {
            Ok(outcome) => outcome,
            // It gave way to others: surely nothing was written.
            Err(failure) if failure.overtaken => return,
            Err(_) => {
                *self = Self::Again;
                return;
            }
        };
        if *outcome != Outcome::Written {
            *self = Self::No;
            return;
        }
        // What it found is the last word of an operator, also if no notice has told this server.
        if *self == Self::Wanted {
            facts.drained = !done.snapshot.wrote;
        }
        *self = Self::Since(facts.now);
        asks.own_event(EventBody::Service(Service { draining: Some(true), ..Service::default() }));
        asks.tell_followers(asks.me().id);
    }
}
