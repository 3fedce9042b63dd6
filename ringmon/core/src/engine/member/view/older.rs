//! What shows that a look at the table is older than what is known: see [`epoch`](crate::engine::epoch).

use alloc::string::String;

use super::{Read, View};
use crate::buddy::Buddy;
use crate::edit::{Lookup, StoredEvent, TableSnapshot};
use crate::engine::asks::{Asks, Me};
use crate::engine::entry::NextPhase;
use crate::engine::facts::Facts;
use crate::event::{EventBody, EventKind, RowSeen, WentBack};
use crate::notice::NoticeBody;
use crate::{Incarnation, Purpose, ServerRow};

impl View {
    /// The row that shows that this look is older than what is known; `None`: no row does.
    pub(super) fn older(&self, facts: &Facts, me: Me, seen: &TableSnapshot) -> Option<WentBack> {
        self.older_own(facts, me, seen).or_else(|| older_pool(facts, seen)).or_else(|| self.removed_again(seen))
    }

    /// The table went back in time. Nothing that is known of it counts any more. The buddies may know as little.
    pub(super) fn start_over(&self, facts: &mut Facts, asks: &mut Asks, seen: &TableSnapshot, older: WentBack) -> Read {
        asks.tally_mut().went_back += 1;
        asks.own_event(EventBody::TableWentBack(older));
        let subject = asks.me().id;
        for buddy in self.buddies() {
            asks.send(buddy.address, buddy.notice_port, NoticeBody::Spliced { subject });
        }
        if let Some(pool) = &seen.pool {
            facts.take_pool(asks, pool);
        }
        Read::Over(NextPhase::StartOver { kept: self.kept.clone() })
    }

    fn older_own(&self, facts: &Facts, me: Me, seen: &TableSnapshot) -> Option<WentBack> {
        let version = self.place().map(|place| place.row.version);
        let known = RowSeen { incarnation: Some(me.incarnation), name: None, version };
        let name = &facts.identity.card.name;
        let went_back = |seen| Some(WentBack { known: Some(known), row: name.clone(), seen });
        let Some(row) = seen.row(&Lookup::Id(me.id)) else {
            return if end(name, me, seen).is_some() { None } else { went_back(None) };
        };
        // The join of this server is lost, and another one has its id by now.
        let other = (row.card.name != *name).then(|| row.card.name.clone());
        let earlier = row.incarnation < me.incarnation;
        let lower = row.incarnation == me.incarnation && version > Some(row.version);
        if other.is_some() || earlier || lower { went_back(Some(RowSeen { name: other, ..mark(row) })) } else { None }
    }

    /// A removed server's row never returns: it would join again with another id.
    fn removed_again(&self, seen: &TableSnapshot) -> Option<WentBack> {
        let removed = |row: &&ServerRow| self.own_removals.contains(&row.id) || self.told_gone.contains(&row.id);
        let row = seen.rows.values().find(removed)?;
        Some(WentBack { known: None, row: row.card.name.clone(), seen: Some(mark(row)) })
    }
}

/// The pool's row has been written less often than is known, or it is another pool of the same name.
fn older_pool(facts: &Facts, seen: &TableSnapshot) -> Option<WentBack> {
    let (known, pool) = (facts.pool.as_ref()?, seen.pool.as_ref()?);
    let mark = |version| Some(RowSeen { incarnation: None, name: None, version: Some(version) });
    (pool.version < known.version || pool.id != known.id).then(|| WentBack {
        known: mark(known.version),
        row: pool.name.clone(),
        seen: mark(pool.version),
    })
}

/// The event about the end of this server's row.
pub(super) fn end<'a>(name: &String, me: Me, seen: &'a TableSnapshot) -> Option<&'a StoredEvent> {
    let event = seen.events.get(&me.id)?.as_ref()?;
    let ends = matches!(event.kind(), EventKind::Left | EventKind::Down | EventKind::AgentLost);
    // An id that was given again has the events of others.
    Some(event).filter(|event| ends && event.subject_name == *name)
}

fn mark(row: &ServerRow) -> RowSeen {
    RowSeen { incarnation: Some(row.incarnation), name: None, version: Some(row.version) }
}

/// Buddies that answer in a newer life than their rows had, or before they have one. Then their rows have changed, or
/// are gone: who left and starts again looks for a place.
pub(super) fn strange_lives(facts: &Facts) -> impl Iterator<Item = &Buddy> {
    let strange = facts.watches.iter().filter(|w| {
        let life = w.reading.incarnation;
        let strange = life > w.target.incarnation || life == Incarnation(0);
        w.purpose == Purpose::Buddy && strange && w.reading.last_reply.is_some()
    });
    strange.map(|w| &w.target)
}
