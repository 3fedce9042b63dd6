//! What must never happen, looked for while it could.

use std::time::Duration;

use super::host::Host;
use super::world::World;
use crate::core::edit::StoredEvent;
use crate::core::row::{Address, Side};
use crate::core::{EventKind, ServerId, Time, ring};

impl World {
    /// A server that was well for this long may not be removed: longer than any silence takes to be noticed as over.
    const WELL: Duration = Duration::from_millis(150);
    /// A ring of at most this many is checked whole after each operation.
    const SMALL: usize = 64;
    /// A larger one this often.
    const WHOLE: Duration = Duration::from_secs(1);

    /// After each operation: the table is one ring, and nobody was removed who could be heard.
    pub(super) fn check_table(&mut self) {
        self.check_links();
        let new: Vec<StoredEvent> = self.table.events[self.events_checked..].to_vec();
        self.events_checked = self.table.events.len();
        for event in new {
            self.note(
                0,
                &format!("*** table: {:?} {} by {} {}", event.kind, event.subject_name, event.by, event.detail),
            );
            if event.kind == EventKind::Down {
                self.check_down(&event);
            } else if event.kind == EventKind::AgentLost {
                self.check_lost(&event);
            }
        }
    }

    /// A small ring whole each time; of a large one the rows that were written and their buddies, and the whole of it now and then.
    fn check_links(&mut self) {
        let touched = std::mem::take(&mut self.table.touched);
        self.check_lives(&touched);
        if self.table.rows.len() <= Self::SMALL || self.now >= self.checked_at + Self::WHOLE {
            self.check_whole();
            return;
        }
        let mut wrong = Vec::new();
        for id in &touched {
            let Some(row) = self.table.rows.get(id) else { continue };
            for side in Side::BOTH {
                let back = self.table.rows.get(&row.buddy(side)).map(|r| r.buddy(side.opposite()));
                if back != Some(*id) {
                    wrong.push(format!("the ring is broken: {} has a {side:?} buddy that has {back:?}", row.name));
                }
            }
        }
        wrong.into_iter().for_each(|what| self.violate(what));
    }

    /// Each life of a server has a greater incarnation than all before it.
    fn check_lives(&mut self, touched: &[ServerId]) {
        for row in touched.iter().filter_map(|id| self.table.rows.get(id)) {
            let before = self.lives.insert(row.name.clone(), row.incarnation);
            if before.is_some_and(|before| before > row.incarnation) {
                let what = format!("{} went from {before:?} back to {:?}", row.name, row.incarnation);
                self.note(0, &format!("!!! {what}"));
                self.violations.push(what);
            }
        }
    }

    /// The whole table is one ring.
    pub fn check_whole(&mut self) {
        self.checked_at = self.now;
        for damage in ring::check(self.table.rows.values()) {
            self.violate(format!("the ring is broken: {damage:?}"));
        }
    }

    fn violate(&mut self, what: String) {
        self.note(0, &format!("!!! {what}"));
        let at = self.now.since(Time::ZERO);
        self.violations.push(format!("at {:.1} ms: {what}", at.as_secs_f64() * 1e3));
    }

    /// Each server that spoke for this removal must have been unable to reach the removed one.
    fn check_down(&mut self, event: &StoredEvent) {
        let Some(gone) = self.host(&event.subject_name) else { return };
        let names = event.detail.get("voters").and_then(|v| v.as_array()).cloned().unwrap_or_default();
        let voters = names.iter().filter_map(|n| n.as_str()).filter_map(|n| self.host(n));
        let hears = |voter: &usize| self.reaches(*voter, gone) && self.hosts[gone].is_up();
        let wrong: Vec<usize> = voters.chain(self.host(&event.by)).filter(hears).collect();
        if !wrong.is_empty() {
            self.violate(format!("{} is down, but {wrong:?} reach it", event.subject_name));
        }
    }

    fn check_lost(&mut self, event: &StoredEvent) {
        let Some(gone) = self.host(&event.subject_name) else { return };
        let host = &self.hosts[gone];
        let runs = host.engine.is_some() && !host.frozen && self.now.since(host.changed) > Self::WELL;
        let heard = self.host(&event.by).is_some_and(|by| self.reaches(by, gone));
        if runs && heard && !host.cut {
            self.violate(format!("{} lost its agent, which runs", event.subject_name));
        }
    }

    /// Frames pass both ways between the two, and have for a while.
    fn reaches(&self, a: usize, b: usize) -> bool {
        let (x, y) = (&self.hosts[a], &self.hosts[b]);
        let since = x.changed.max(y.changed).max(self.network.steady_since(a, b));
        !x.cut && !y.cut && self.network.reaches(a, b) && self.now.since(since) > Self::WELL
    }

    /// The server of this name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<usize> {
        let index = name.strip_prefix('s').and_then(|n| n.parse::<usize>().ok()).and_then(|n| n.checked_sub(1));
        let likely = index.filter(|i| self.hosts.get(*i).is_some_and(|h| h.name == name));
        likely.or_else(|| self.hosts.iter().position(|h| h.name == name))
    }

    /// The server at this address.
    #[must_use]
    pub fn host_at(&self, address: Address) -> Option<usize> {
        let Address::V4(v4) = address else { return None };
        let index = usize::try_from(u32::from(v4) & 0x00ff_ffff).ok().and_then(|n| n.checked_sub(1));
        let likely = index.filter(|i| self.hosts.get(*i).is_some_and(|h| h.address == address));
        likely.or_else(|| self.hosts.iter().position(|h| h.address == address))
    }

    /// The names on the ring, in its order, beginning with the smallest id.
    #[must_use]
    pub fn ring(&self) -> Vec<String> {
        let name = |id: &ServerId| self.table.rows.get(id).map_or_else(|| id.to_string(), |r| r.name.clone());
        let Some((least, _)) = self.table.rows.first_key_value() else { return Vec::new() };
        ring::order(&self.table.rows, *least).iter().map(name).collect()
    }

    /// Everybody who is well is on the ring, nobody else is, and every agent knows its buddies.
    #[must_use]
    pub fn settled(&self) -> bool {
        let well: Vec<&Host> = self.hosts.iter().filter(|h| h.is_well()).collect();
        well.len() == self.table.rows.len()
            && well.iter().all(|h| {
                self.table
                    .named(&h.name)
                    .is_some_and(|row| h.buddies(self.now) == Some((row.first_buddy, row.second_buddy)))
            })
    }
}

impl Host {
    /// Its kernel answers.
    const fn is_up(&self) -> bool {
        !self.cut
    }
}
