//! Out of the routes some time before out of the ring.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::engine::asks::Asks;
use crate::engine::contract::TableDone;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::event::{EventBody, Service};
use crate::op::TableOp;
use crate::outcome::Outcome;

/// Whether a member that is about to leave has its row say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Drain {
    #[default]
    No,
    Wanted,
    Since(Time),
}

impl Drain {
    pub const fn since(self) -> Option<Time> {
        match self {
            Self::No | Self::Wanted => None,
            Self::Since(at) => Some(at),
        }
    }

    /// No new clients: the row is to say so.
    pub fn want(&mut self) {
        if *self == Self::No {
            *self = Self::Wanted;
        }
    }

    pub fn settle(self, facts: &Facts, asks: &mut Asks) {
        if self == Self::Wanted && asks.ready(Concern::Drain) {
            let (me, by) = (asks.me(), facts.identity.card.name.clone());
            let (id, incarnation) = (me.id, Some(me.incarnation));
            asks.begin(Concern::Drain, TableOp::SetDraining { id, incarnation, draining: true, by });
        }
    }

    /// A failure is asked again when the database may be asked again. Another life's row is not this server's: nobody
    /// is told.
    pub fn done(&mut self, facts: &Facts, asks: &mut Asks, done: &TableDone) {
        let Ok(outcome) = &done.result else { return };
        if *outcome != Outcome::Written {
            *self = Self::No;
            return;
        }
        *self = Self::Since(facts.now);
        asks.own_event(EventBody::Service(Service { draining: Some(true), ..Service::default() }));
        asks.tell_followers(asks.me().id);
    }
}
