//! Checks for what must never happen, at the moments when it could.

mod removal;

use std::time::Duration;

use super::host::Host;
use super::world::World;
use ringmon_core::edit::StoredEvent;
use ringmon_core::row::{Address, ServerRow, Side};
use ringmon_core::{EventKind, ServerId, Time, ring};

impl World {
    /// A server that was well for this long may not be removed. This is longer than it takes to notice the end of any
    /// silence.
    pub(super) const WELL: Duration = Duration::from_millis(150);
    /// A ring of at most this many servers is checked as a whole after each operation.
    pub(super) const SMALL: usize = 64;
    /// A larger ring is checked as a whole this often.
    const WHOLE: Duration = Duration::from_secs(1);

    /// Checks after each operation that the table is one ring, and that no server was removed that could be heard.
    pub(super) fn check_table(&mut self) {
        let touched = std::mem::take(&mut self.table.touched);
        if touched.is_empty() && self.events_checked == self.table.events.len() {
            return;
        }
        self.check_links(&touched);
        let ids: Vec<ServerId> = touched.iter().map(|(id, _)| *id).collect();
        self.check_drains(&ids);
        let new: Vec<StoredEvent> = self.table.events[self.events_checked..].to_vec();
        self.events_checked = self.table.events.len();
        let before: Vec<ServerRow> = touched.into_iter().filter_map(|(_, was)| was).collect();
        for event in &new {
            self.note(
                0,
                &format!(
                    "*** table: {:?} {} by {} {}",
                    event.kind(),
                    event.subject_name,
                    event.by,
                    event.body.detail()
                ),
            );
            if matches!(event.kind(), EventKind::Down | EventKind::AgentLost | EventKind::Left) {
                self.rough.ended = self.now;
            }
            if event.kind() == EventKind::Down {
                self.check_down(event, &before);
            } else if event.kind() == EventKind::AgentLost {
                self.check_lost(event);
            } else if event.kind() == EventKind::Joined {
                self.check_taken(event, &before);
            }
        }
        self.check_brake(&new);
        self.route(&ids);
        if self.table.rows.len() <= Self::SMALL {
            self.note_places(&ids);
        }
    }

    /// Checks the links: of a small ring all of them each time; of a large one the rows that were written and their
    /// buddies, and all links every [`Self::WHOLE`].
    fn check_links(&mut self, touched: &[(ServerId, Option<ServerRow>)]) {
        let ids: Vec<ServerId> = touched.iter().map(|(id, _)| *id).collect();
        self.check_lives(&ids);
        if self.table.rows.len() <= Self::SMALL || self.now >= self.checked_at + Self::WHOLE {
            self.check_whole();
            return;
        }
        let mut wrong = Vec::new();
        for id in &ids {
            let Some(row) = self.table.rows.get(id) else { continue };
            for side in Side::BOTH {
                let back = self.table.rows.get(&row.buddy(side)).map(|r| r.buddy(side.opposite()));
                if back != Some(*id) {
                    wrong.push(format!("the ring is broken: {} has a {side:?} buddy that has {back:?}", row.card.name));
                }
            }
        }
        wrong.into_iter().for_each(|what| self.violate(what));
    }

    pub(super) fn note_places(&mut self, ids: &[ServerId]) {
        for id in ids {
            let links = self.table.rows.get(id).map(|row| (row.first_buddy, row.second_buddy));
            let known = self.placed.get(id).map(|(first, second, _)| (*first, *second));
            match links {
                None => drop(self.placed.remove(id)),
                Some(links) if known != Some(links) => drop(self.placed.insert(*id, (links.0, links.1, self.now))),
                Some(_) => {}
            }
        }
    }

    /// Checks that no life of a server has a smaller incarnation than an earlier life: of its row, and of a server
    /// whose state directory tells of that life. (It is told a moment after the row is written.)
    fn check_lives(&mut self, touched: &[ServerId]) {
        for row in touched.iter().filter_map(|id| self.table.rows.get(id)) {
            // The table went back, and not the server: this row was written since, but not taken by it again.
            if self.restored.get(&row.id) == Some(&row.incarnation) {
                continue;
            }
            // What the table has forgotten, only a state directory tells.
            let forgotten = self.restored.remove(&row.id).is_some();
            let before = self.lives.insert(row.card.name.clone(), (row.id, row.incarnation));
            let disk = self.host_at(row.card.address).and_then(|host| self.hosts[host].disk.as_ref());
            let back = |(id, life)| {
                life > row.incarnation
                    && (id == row.id && !forgotten || disk.is_some_and(|kept| kept.incarnation >= life))
            };
            if before.is_some_and(back) {
                let what = format!("{} went from {before:?} back to {:?}", row.card.name, row.incarnation);
                self.note(0, &format!("!!! {what}"));
                self.violations.push(what);
            }
        }
    }

    /// Checks that nobody took over the row of a server that lives at another address.
    fn check_taken(&mut self, event: &StoredEvent, before: &[ServerRow]) {
        let Some(was) = before.iter().find(|row| Some(row.id) == event.subject) else { return };
        let taken = self.table.rows.get(&was.id).is_some_and(|row| row.card.address != was.card.address);
        let Some(host) = self.host_at(was.card.address).filter(|_| taken) else { return };
        // Nobody can say whether the only server of a pool lives.
        if was.first_buddy == was.id {
            self.hosts[host].orphaned = true;
        } else if self.hosts[host].is_well() {
            self.violate(format!("the row of {}, which lives, was taken over", was.card.name));
        }
    }

    /// Checks that the whole table is one ring.
    pub fn check_whole(&mut self) {
        self.checked_at = self.now;
        for damage in ring::check(self.table.rows.values()) {
            self.violate(format!("the ring is broken: {damage:?}"));
        }
    }

    pub(super) fn violate(&mut self, what: String) {
        self.note(0, &format!("!!! {what}"));
        let at = self.now.since(Time::ZERO);
        self.violations.push(format!("at {:.1} ms: {what}", at.as_secs_f64() * 1e3));
    }

    /// The index of the server with this name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<usize> {
        let index = name.strip_prefix('s').and_then(|n| n.parse::<usize>().ok()).and_then(|n| n.checked_sub(1));
        let likely = index.filter(|i| self.hosts.get(*i).is_some_and(|h| h.name == name));
        likely.or_else(|| self.hosts.iter().position(|h| h.name == name))
    }

    /// The index of the server at this address.
    #[must_use]
    pub fn host_at(&self, address: Address) -> Option<usize> {
        let Address::V4(v4) = address else { return None };
        let index = usize::try_from(u32::from(v4) & 0x00ff_ffff).ok().and_then(|n| n.checked_sub(1));
        let likely = index.filter(|i| self.hosts.get(*i).is_some_and(|h| h.address == address));
        likely.or_else(|| self.hosts.iter().position(|h| h.address == address))
    }

    /// The names on the ring, in its order, starting with the smallest id.
    #[must_use]
    pub fn ring(&self) -> Vec<String> {
        let name = |id: &ServerId| self.table.rows.get(id).map_or_else(|| id.to_string(), |r| r.card.name.clone());
        let Some((least, _)) = self.table.rows.first_key_value() else { return Vec::new() };
        ring::order(&self.table.rows, *least).iter().map(name).collect()
    }

    /// Whether exactly the servers that are well are on the ring, and every agent knows its buddies.
    #[must_use]
    pub fn settled(&self) -> bool {
        let well: Vec<&Host> = self.hosts.iter().filter(|h| h.is_well()).collect();
        well.len() == self.table.rows.len()
            && well.iter().all(|h| {
                self.table.named(&h.name).is_some_and(|row| h.buddies() == Some((row.first_buddy, row.second_buddy)))
            })
    }
}
