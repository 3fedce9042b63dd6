//! Writes the result of this server's service checks into its row.

use serde::{Deserialize, Serialize};

use crate::engine::asks::Asks;
use crate::engine::contract::TableDone;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::op::TableOp;
use crate::row::Health;

/// The health that the row was last asked to have; `None`: unknown.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnHealth(pub Option<Health>);

impl OwnHealth {
    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks) {
        if self.0 != Some(facts.health) && asks.ready(Concern::Health) {
            self.0 = Some(facts.health);
            let me = asks.me();
            let op = TableOp::SetHealth { me: me.id, incarnation: me.incarnation, health: facts.health };
            asks.begin(Concern::Health, op);
        }
    }

    pub fn done(&mut self, asks: &mut Asks, done: &TableDone) {
        if done.result.is_ok() {
            asks.tell_followers(asks.me().id);
        } else {
            // It is unknown what the row says: write it again.
            self.0 = None;
        }
    }
}
