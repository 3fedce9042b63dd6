//! The own row and both buddies' rows, as last read.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Next;
use super::common::Common;
use super::contract::{Buddy, BuddyList, Output, Stopped};
use super::member::Member;
use crate::edit::{Lookup, Removal, StoredEvent, TableSnapshot};
use crate::event::{Cause, EventBody, EventKind, Left, Removed};
use crate::notice::NoticeBody;
use crate::{ServerId, ServerRow, Side};

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct View {
    pub me: ServerRow,
    /// First, second; `None` in a ring of one.
    pub buddies: [Option<Buddy>; 2],
}

/// For so long a server tells its buddies of its last outage: as long as half of it would count.
const OUTAGE_TOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long nobody heard a server that finds itself removed: what its removal says, and the time since. It may have been heard
/// again a little earlier, so this is rather too long, which removes nobody.
fn outage(removal: &StoredEvent, seen: &TableSnapshot) -> Option<Duration> {
    let EventBody::Down(removed) = &removal.body else { return None };
    let before = removed.silence_ms?;
    let since = seen.db_now.since(removal.at)?;
    Some(Duration::from_millis(before) + since)
}

impl View {
    /// Whether the pool has one other server.
    pub fn of_two(&self) -> bool {
        self.me.first_buddy == self.me.second_buddy && self.me.first_buddy != self.me.id
    }
}

impl Member {
    /// Take over what was read, if it is about this server and not older than what is known.
    pub(super) fn adopt(&mut self, common: &mut Common, seen: &TableSnapshot) -> Option<Next> {
        let lookup = Lookup::Id(self.id);
        if !seen.asked(&lookup) || seen.read_at < self.known_at {
            return None;
        }
        let Some(row) = seen.row(&lookup) else { return self.gone(common, seen) };
        if row.incarnation > self.incarnation
            || (row.incarnation == self.incarnation && row.boot != common.identity.boot)
        {
            return Some(Next::Stop(Stopped::Refused(format!(
                "name {} was taken over by another agent (incarnation {}, own {}); is a second one running with the same name?",
                row.name, row.incarnation.0, self.incarnation.0
            ))));
        }
        let older = self.view.as_ref().is_some_and(|v| row.version < v.me.version);
        if older || row.incarnation < self.incarnation {
            return None;
        }
        let buddies = Side::BOTH.map(|side| self.buddy(row, side, seen));
        let complete = buddies.iter().all(Result::is_ok);
        if !complete {
            // A buddy's row went between two reads: the own row has changed by now.
            self.read_at = common.now;
            return None;
        }
        let buddies = buddies.map(|b| b.ok().flatten());
        self.install(common, row.clone(), buddies);
        self.became(common, seen);
        None
    }

    /// The buddy that `row` names on this side; `Err` if its row was not read and is not known.
    fn buddy(&self, row: &ServerRow, side: Side, seen: &TableSnapshot) -> Result<Option<Buddy>, ServerId> {
        let id = row.buddy(side);
        if id == row.id {
            return Ok(None);
        }
        let known = || self.view.iter().flat_map(|v| v.buddies.iter().flatten()).find(|b| b.id == id).cloned();
        seen.rows.get(&id).map(Buddy::from).or_else(known).map(Some).ok_or(id)
    }

    /// The own row is not there.
    fn gone(&mut self, common: &mut Common, seen: &TableSnapshot) -> Option<Next> {
        let Some(event) = seen.events.get(&self.id) else {
            self.read_at = common.now;
            return None;
        };
        let own = |e: &StoredEvent| self.witnesses.moving && e.by == common.identity.name;
        if event.as_ref().is_some_and(|e| e.kind() == EventKind::Left && !own(e)) {
            return Some(Next::Stop(Stopped::LeftByOperator));
        }
        let cause = event.as_ref().map(|e| Box::new(Cause { by: e.by.clone(), body: e.body.clone() }));
        common.own_event(EventBody::Removed { cause });
        if let Some(silence) = event.as_ref().and_then(|e| outage(e, seen)) {
            common.outage = Some((silence, common.now));
        }
        Some(Next::Removed)
    }

    /// R6: new buddies know nothing of an outage after which this server was removed: it tells them itself.
    fn tell_outage(common: &mut Common, buddy: &Buddy) {
        let Some((silence, at)) = common.outage else { return };
        if common.now.since(at) < OUTAGE_TOLD {
            let silence_ms = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
            common.send(buddy.address, buddy.notice_port, NoticeBody::Outage { silence_ms });
        }
    }

    /// These are the buddies now.
    fn install(&mut self, common: &mut Common, row: ServerRow, buddies: [Option<Buddy>; 2]) {
        let first_time = self.view.is_none();
        let names = |b: &[Option<Buddy>; 2]| b.clone().map(|b| b.map(|b| b.name));
        let old = self.view.replace(View { me: row, buddies: buddies.clone() });
        for buddy in old.iter().flat_map(|v| v.buddies.iter().flatten()) {
            if !buddies.iter().flatten().any(|b| b.id == buddy.id) {
                self.vanished.insert(buddy.id);
            }
        }
        let before: Vec<ServerId> = old.iter().flat_map(|v| v.buddies.iter().flatten()).map(|buddy| buddy.id).collect();
        if old.is_none_or(|v| names(&v.buddies) != names(&buddies)) {
            let [first, second] = names(&buddies);
            common.own_event(EventBody::Buddies { first, second });
        }
        let is_new = |b: &&Buddy| first_time || !before.contains(&b.id);
        for buddy in buddies.iter().flatten().filter(is_new) {
            Self::tell_outage(common, buddy);
        }
        let [first, second] = buddies;
        if first_time {
            for buddy in [&first, &second].into_iter().flatten() {
                common.send(buddy.address, buddy.notice_port, NoticeBody::Spliced { subject: self.id });
            }
        }
        let list = BuddyList { id: self.id, incarnation: self.incarnation, first, second };
        if self.kept.as_ref() != Some(&list) {
            self.kept = Some(list.clone());
            common.say(Output::Keep(list));
        }
    }

    /// What became of servers that are no buddies any more.
    fn became(&mut self, common: &mut Common, seen: &TableSnapshot) {
        let me = self.id;
        for (id, event) in seen.events.iter().filter(|(id, _)| **id != me) {
            if seen.rows.contains_key(id) {
                continue;
            }
            self.forget(*id);
            if let Some(event) = event {
                self.seen_gone(common, *id, event);
            }
        }
        let there: Vec<ServerId> = self.vanished.iter().filter(|id| seen.rows.contains_key(id)).copied().collect();
        for id in there {
            self.vanished.remove(&id);
        }
        if !self.vanished.is_empty() {
            self.read_at = common.now;
        }
    }

    /// A server is out of the table, by somebody else's doing.
    fn seen_gone(&mut self, common: &mut Common, id: ServerId, event: &StoredEvent) {
        let body = match (event.body.removal(), event.kind()) {
            (Some((kind, removed)), _) => {
                let (voters, evidence) = (removed.voters.clone(), removed.witnessed());
                EventBody::removed(kind, Removed { voters, evidence, ..Removed::default() })
            }
            (None, EventKind::Left) => EventBody::Left(Left { by: Some(event.by.clone()), ..Left::default() }),
            (None, _) => return,
        };
        self.tell_gone(common, id, &event.subject_name, body);
    }

    /// A run next to this server was removed by it: what its row says now, without waiting to read it.
    pub(super) fn splice(&mut self, common: &mut Common, removed: &[Removal], end: Option<&Buddy>) {
        let Some(view) = &self.view else { return };
        let mut row = view.me.clone();
        let out = |id: ServerId| removed.iter().any(|r| r.server == id);
        let mut buddies = view.buddies.clone();
        let links = [&mut row.first_buddy, &mut row.second_buddy];
        for ((work, link), buddy) in self.sides.iter_mut().zip(links).zip(&mut buddies) {
            if out(*link) {
                let next = work.chain.members.iter().find(|member| !out(member.id)).or(end);
                *link = next.map_or(self.id, |b| b.id);
                *buddy = next.cloned();
                // Only then: a read that is on its way may be the one that knows what others have changed here since (R10).
                self.known_at = common.now;
            }
            // The first one is missed by `turn_to`, which begins a new suspicion.
            let first = work.chain.members.first().map(|member| member.id);
            work.chain.members.retain(|member| Some(member.id) == first || !out(member.id));
        }
        self.install(common, row, buddies);
        for removal in removed {
            self.forget(removal.server);
        }
    }

    /// A row is gone, and all votes in it.
    fn forget(&mut self, id: ServerId) {
        self.vanished.remove(&id);
        for work in &mut self.sides {
            work.votes.remove(&id);
        }
    }
}
