//! A pool's key is rotated while its agents run, as `ringmon pool rotate-key` does it.
//!
//! ```text
//!   keys in the pool's row       goes on when every agent in the table can be reached and
//!   [old]          ---------->   (at once)
//!   [old, new]     ---------->   accepts the new key
//!   [new, old]     ---------->   uses the new key
//!   [new]
//! ```
//!
//! An agent takes the keys of the newest pool row that it reads, and keeps them on disk for a start without a database.
//! A probe that its target does not accept is echoed by the kernel there, as if no agent ran. A notice is dropped.
//! What a restored table does to a rotation is not modelled: agents then take back the keys that are there
//! (`docs/database.md`).

use std::time::Duration;

use super::world::{Happening, World};
use ringmon_core::engine::TableDone;
use ringmon_core::keys::PoolKeys;
use ringmon_core::row::PoolKey;
use ringmon_core::{Incarnation, Notice, NoticeBody, ServerId, ServerRow, Time};

/// The operator's command, while it runs.
#[derive(Debug)]
pub(super) struct Rotation {
    new: PoolKey,
    /// When it asks everybody next.
    next: Time,
}

/// The key with this number.
pub(super) const fn key(id: u8) -> PoolKey {
    PoolKey { id, secret: [id; 16] }
}

impl World {
    /// Between two rounds of questions.
    const ROUND: Duration = Duration::from_millis(500);

    /// Begins a rotation of the pool's key, if none is under way.
    pub fn rotate_key(&mut self) {
        if let [used] = self.table.pool.keys[..] {
            let new = key(used.id % u8::MAX + 1);
            self.set_keys(vec![used, new]);
            self.rotation = Some(Rotation { new, next: self.now });
        }
    }

    /// Whether no rotation is under way among agents that can be reached. (A pool whose only row is that of a copy that
    /// ended has nobody left who could remove it.)
    #[must_use]
    pub fn is_rotated(&self) -> bool {
        self.rotation.is_none() || self.table.rows.values().all(|row| self.reached_by_operator(row).is_none())
    }

    fn set_keys(&mut self, keys: Vec<PoolKey>) {
        let ids: Vec<u8> = keys.iter().map(|key| key.id).collect();
        self.note(0, &format!("--- the pool's keys are {ids:?}"));
        self.table.pool.keys = keys;
        self.table.pool.version += 1;
    }

    /// The operator looks whether everybody is ready, and tells those that are not. Called now and then by the code
    /// that drives a world.
    pub fn rotate_on(&mut self) {
        let now = self.now;
        let Some(rotation) = self.rotation.as_mut().filter(|rotation| rotation.next <= now) else { return };
        rotation.next = now + Self::ROUND;
        let (new, used) = (rotation.new, self.table.pool.keys[0]);
        let ready = |row: &ServerRow| {
            let Some(host) = self.reached_by_operator(row) else { return false };
            let keys = self.hosts[host].keys.list();
            if used == new { keys.first() == Some(&new) } else { keys.contains(&new) }
        };
        let waits: Vec<ServerRow> = self.table.rows.values().filter(|row| !ready(row)).cloned().collect();
        for row in &waits {
            self.nudge(row);
        }
        if !waits.is_empty() || self.database_away {
            return;
        }
        if used == new {
            self.rotation = None;
            self.set_keys(vec![new]);
        } else {
            self.set_keys(vec![new, used]);
        }
    }

    /// The server of this row, if its agent answers.
    fn reached_by_operator(&self, row: &ServerRow) -> Option<usize> {
        let host = self.host_at(row.card.address)?;
        let h = &self.hosts[host];
        (h.name == row.card.name && h.engine.is_some() && !h.frozen && !h.cut).then_some(host)
    }

    /// The operator makes this agent read its row.
    pub(super) fn nudge(&mut self, row: &ServerRow) {
        let Some(host) = self.reached_by_operator(row) else { return };
        let body = NoticeBody::Spliced { subject: row.id };
        let notice = Notice { from: ServerId::NEW, incarnation: Incarnation(0), body };
        self.later(host, self.now, Happening::Notice(notice, row.card.address));
    }

    /// Which keys this server's agent starts with: the table's, or else those of its last run.
    pub(super) fn keys_at_start(&self, host: usize) -> PoolKeys {
        let h = &self.hosts[host];
        if self.database_away || h.database_cut {
            PoolKeys::kept(h.keys.list().to_vec())
        } else {
            PoolKeys::from(self.table.pool.clone())
        }
    }

    /// An agent takes the keys of the pool's row that it has read.
    pub(super) fn take_keys(&mut self, host: usize, done: &TableDone) {
        let pool = done.snapshot.pool.as_ref();
        if pool.is_some_and(|pool| self.hosts[host].keys.take(pool)) {
            self.stir(host);
        }
    }

    /// Whether what this server sends is accepted there. Where no agent has ever run there are no keys, and nothing
    /// depends on them.
    pub(super) fn accepts(&self, from: usize, to: usize) -> bool {
        let (ours, theirs) = (self.hosts[from].keys.list(), self.hosts[to].keys.list());
        theirs.is_empty() || ours.first().is_none_or(|used| theirs.contains(used))
    }
}
