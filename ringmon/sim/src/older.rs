//! Servers whose agents are of the version before.
//!
//! Such an agent is the engine of today without what has come since: its row says no wait and no answers, it is probed
//! and probes in version 1 of the wire format, and so no kernel testifies to it or for it, or takes the place of a
//! vote. A program that knows only version 1 does not know a probe of version 2, and its kernel echoes it. A server's
//! version changes when its agent is restarted.
//!
//! *Not modelled*: the old rules of removal by which such an agent judges others (it waited for 40 ms and twice the
//! 99th percentile of its own operations, and took a counter-vote for the only answer), its single lane for operations,
//! and what it did after a start, an outage or a restore. Here it judges as those of today do. So what is checked of a
//! mixed pool is what today's agents do to old ones, and that whoever is mixed in takes nothing from the others:
//!
//! - whoever the old rules would have kept is kept: all that `check` promises of a removal holds for an old agent as
//!   well, with the longest wait that any server may ask for ([`law::WAIT_MOST`](ringmon_core::law::WAIT_MOST));
//! - nobody is suspected because of an upgrade (`tests/mixed.rs`).
//!
//! Nothing is promised of what routers make of an old agent: one vote counts against it at once, and for 30 s at most
//! (`docs/routing.md`).

use super::world::World;
use ringmon_common::wire::FIRST_VERSION;
use ringmon_core::ServerId;
use ringmon_core::edit::TableSnapshot;
use ringmon_core::evidence::{Asked, WatchSpec};
use ringmon_core::op::TableOp;
use ringmon_core::row::ServerRow;

impl World {
    /// From its next start on, this server's agent is of the version before (or of today). Its agent must not run.
    pub fn set_older(&mut self, host: usize, older: bool) {
        self.note(host, &format!("--- has {} agent", if older { "an older" } else { "a new" }));
        self.hosts[host].older = older;
    }

    /// What this server's sender makes of a watch.
    pub(super) fn as_it_probes(&self, host: usize, spec: WatchSpec) -> WatchSpec {
        if self.hosts[host].older { WatchSpec { wire: FIRST_VERSION, asked: Asked::NOTHING, ..spec } } else { spec }
    }

    /// What this server does in place of an operation that it does not know: it looks at the pool, and writes nothing.
    pub(super) fn as_it_writes(&self, host: usize, op: TableOp) -> TableOp {
        let unknown = self.hosts[host].older && matches!(op, TableOp::Answer { .. });
        if unknown { TableOp::PickWitnesses { picks: Vec::new() } } else { op }
    }

    /// What this server reads: to an old agent all others are as old, so it asks them in notices.
    pub(super) fn as_it_reads(&self, host: usize, mut read: TableSnapshot) -> TableSnapshot {
        if self.hosts[host].older {
            read.rows.values_mut().for_each(|row| row.answering = None);
        }
        read
    }

    /// After a statement of this server: what an old agent writes into its own row says nothing of waits and answers.
    pub(super) fn without_answers(&mut self, host: usize) {
        let Some(name) = Some(&self.hosts[host]).filter(|h| h.older).map(|h| h.name.clone()) else { return };
        let was = |row: &Option<ServerRow>| row.as_ref().and_then(|row| row.answering);
        let touched: Vec<(ServerId, _)> = self.table.touched.iter().map(|(id, row)| (*id, was(row))).collect();
        for (id, answering) in touched {
            if let Some(row) = self.table.rows.get_mut(&id).filter(|row| row.card.name == name) {
                row.answering = answering;
            }
        }
    }
}
