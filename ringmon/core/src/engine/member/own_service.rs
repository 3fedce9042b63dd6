//! Writes what this server says of its service into its row: the result of its checks, and its share of the clients.

use serde::{Deserialize, Serialize};

use crate::engine::asks::Asks;
use crate::engine::contract::TableDone;
use crate::engine::facts::{Facts, Serving};
use crate::engine::table::Concern;
use crate::op::TableOp;

/// What the row was last asked to say; `None`: unknown.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnService(pub Option<Serving>);

impl OwnService {
    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks) {
        let serving = facts.serving();
        if self.0 != Some(serving) && asks.ready(Concern::Service) {
            self.0 = Some(serving);
            let (me, Serving { health, weight }) = (asks.me(), serving);
            let op = TableOp::SetService { me: me.id, incarnation: me.incarnation, health, weight: Some(weight) };
            asks.begin(Concern::Service, op);
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
