//! The rows of this server and of both buddies as last read, when to read them again, and how other servers left.

mod kept;
mod older;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::buddy::{Buddy, BuddyList};
use crate::edit::{Lookup, Removal, StoredEvent, TableSnapshot};
use crate::engine::asks::Asks;
use crate::engine::contract::Stopped;
use crate::engine::entry::NextPhase;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::event::{Cause, EventBody, EventKind, Left, Removed};
use crate::law;
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::row::Address;
use crate::{Rule, ServerId, ServerRow, Side, Time};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct View {
    place: Option<Place>,
    kept: Option<BuddyList>,
    /// Anything read from the table before this moment is older than what is known.
    known_at: Time,
    /// When to read this server's row again.
    read_at: Time,
    /// No hint from this machine itself causes a read before this moment.
    hinted_at: Time,
    /// No server that is not as this one knows it causes a read before this moment.
    stranger_at: Time,
    /// Since the last such read, one was not as this one knows it; and whether that was before `stranger_at`.
    strange: Option<bool>,
    /// How long after one such read the next one may follow. It grows while they find nothing new.
    stranger_pause: Duration,
    suspects_since: Option<Time>,
    /// Since when this server's row has had votes against it, as far as it knows.
    challenged_since: Option<Time>,
    /// Former buddies whose fate is not known yet.
    vanished: BTreeSet<ServerId>,
    told_gone: BTreeSet<ServerId>,
    /// Servers that this one removed itself.
    own_removals: BTreeSet<ServerId>,
}

/// The row of this server and the servers that it links to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub row: ServerRow,
    /// First and second buddy; `None` in a ring of one.
    pub buddies: [Option<Buddy>; 2],
}

impl Place {
    /// Whether the pool has exactly one other server.
    pub fn of_two(&self) -> bool {
        self.row.first_buddy == self.row.second_buddy && !self.is_alone()
    }

    /// Whether the pool has no other server.
    pub fn is_alone(&self) -> bool {
        self.row.first_buddy == self.row.id
    }
}

/// The result of reading the table.
#[derive(Debug)]
pub(super) enum Read {
    /// Nothing about this server, or nothing newer.
    Old,
    /// Taken over. The rows of these servers are gone, with all votes in them.
    Adopted(Vec<ServerId>),
    /// This server is no longer a member.
    Over(NextPhase),
}

impl View {
    pub fn new(now: Time) -> Self {
        Self {
            place: None,
            kept: None,
            known_at: now,
            read_at: now,
            hinted_at: Time::ZERO,
            stranger_at: Time::ZERO,
            strange: None,
            stranger_pause: law::STRANGER_EVERY,
            suspects_since: None,
            challenged_since: None,
            vanished: BTreeSet::new(),
            told_gone: BTreeSet::new(),
            own_removals: BTreeSet::new(),
        }
    }

    /// `None`: it was not read yet.
    pub const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub fn buddies(&self) -> impl Iterator<Item = &Buddy> {
        self.place.iter().flat_map(|place| place.buddies.iter().flatten())
    }

    /// Whether a buddy is silent, or this server is accused.
    pub const fn suspects(&self) -> bool {
        self.suspects_since.is_some()
    }

    /// Since when this server's row has had votes against it (R4).
    pub const fn challenged_since(&self) -> Option<Time> {
        self.challenged_since
    }

    /// Whether this server removed that one itself and has recorded it.
    pub fn has_removed(&self, id: ServerId) -> bool {
        self.own_removals.contains(&id)
    }

    /// Reads this server's row again when it is time: on a hint, while a buddy is silent (since `suspects`) or this
    /// server is accused, and at regular intervals. Also looks up the `silent` servers.
    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks, suspects: Option<Time>, silent: &[ServerId]) {
        let suspects = suspects.or(self.challenged_since);
        if suspects != self.suspects_since {
            self.suspects_since = suspects;
            if let Some(since) = suspects {
                self.read_at = self.read_at.min(asks.next_check(since));
            }
        }
        if older::strange_lives(facts).next().is_some() {
            self.strange(facts.now);
        }
        let read_at = facts.epoch.decides_at().map_or(self.read_at, |at| at.min(self.read_at));
        if !asks.due(read_at) || !asks.ready(Concern::View) {
            return;
        }
        self.settle_strange(facts, asks);
        let regular = facts.now + asks.rng().around(law::REREAD, 10);
        self.read_at = suspects.map_or(regular, |since| asks.next_check(since));
        let mut known = self.vanished.clone();
        known.extend(self.buddies().map(|b| b.id));
        known.extend(silent);
        let op = TableOp::View { me: asks.me().id, known: known.into_iter().collect() };
        asks.begin(Concern::View, op);
    }

    /// Reads at the next opportunity.
    pub const fn read_now(&mut self, now: Time) {
        self.read_at = now;
    }

    /// Reads soon, but not more often than ten times a second.
    pub fn hint(&mut self, now: Time) {
        let at = self.hinted_at.max(now);
        if self.read_at > at {
            self.read_at = at;
            self.hinted_at = at + law::STRANGER_EVERY;
        }
    }

    /// R10: another server is not as this one knows it. Reads soon, and ever more seldom if that changes nothing:
    /// whatever is strange then is not strange because this server's row has changed.
    fn strange(&mut self, now: Time) {
        self.strange.get_or_insert(now < self.stranger_at);
        self.read_at = self.read_at.min(self.stranger_at.max(now));
    }

    /// The row is being read now: when strangers may cause the next read.
    fn settle_strange(&mut self, facts: &Facts, asks: &mut Asks) {
        let Some(again) = self.strange.take().filter(|_| facts.now >= self.stranger_at) else { return };
        let longer = (self.stranger_pause * 2).clamp(law::STRANGER_EVERY, law::STRANGER_MOST);
        self.stranger_pause = if again { longer } else { law::STRANGER_EVERY };
        self.stranger_at = facts.now + self.stranger_pause;
        if again {
            // The table may have forgotten a life of a buddy, and the buddy may not know that yet.
            for buddy in older::strange_lives(facts) {
                asks.send(buddy.address, buddy.notice_port, NoticeBody::Changed { subject: buddy.id });
            }
        }
    }

    /// R10: a server that is not a buddy probed this one as its buddy.
    pub fn stranger(&mut self, facts: &Facts, address: Address) {
        if !self.buddies().any(|buddy| buddy.address == address) && facts.keeps(Rule::R10) {
            self.strange(facts.now);
        }
    }

    /// Takes over what was read, if it is about this server and not older than what is known.
    pub fn adopt(&mut self, facts: &mut Facts, asks: &mut Asks, seen: &TableSnapshot) -> Read {
        let me = asks.me();
        let lookup = Lookup::Id(me.id);
        if !seen.asked(&lookup) || seen.read_at < self.known_at {
            return Read::Old;
        }
        let own = seen.row(&lookup);
        if own.is_none() && !seen.events.contains_key(&me.id) {
            // What became of it is not known.
            self.read_at = facts.now;
            return Read::Old;
        }
        let older = self.older(facts, me, seen);
        if facts.epoch.look(seen.read_at, older.is_some())
            && let Some(older) = older
        {
            return self.start_over(facts, asks, seen, older);
        }
        let Some(row) = own else { return self.gone(facts, asks, seen) };
        if row.card.name != facts.identity.card.name {
            return Read::Old;
        }
        let other_life = row.incarnation == me.incarnation && row.card.boot != facts.identity.card.boot;
        if row.incarnation > me.incarnation || other_life {
            return Read::Over(NextPhase::Stopped(Stopped::Refused(format!(
                "name {} was taken over by another agent (incarnation {}, own {}); \
                 is a second one running with the same name?",
                row.card.name, row.incarnation.0, me.incarnation.0
            ))));
        }
        let older = self.place.as_ref().is_some_and(|place| row.version < place.row.version);
        if older || row.incarnation < me.incarnation {
            return Read::Old;
        }
        let [Ok(first), Ok(second)] = Side::BOTH.map(|side| self.buddy(row, side, seen)) else {
            // A buddy's row disappeared between two reads: this server's row has changed by now.
            self.read_at = facts.now;
            return Read::Old;
        };
        let mut votes = Side::BOTH.into_iter().filter_map(|side| row.vote(side));
        let challenged = votes.any(|vote| vote.is_fresh(seen.db_now, law::VOTE_LIFETIME, Duration::ZERO));
        self.challenged_since = challenged.then(|| self.challenged_since.unwrap_or(facts.now));
        // Its own drain before a stop shows nothing, but that no operator ended one.
        facts.drained = row.draining && (facts.drained || !facts.drains_itself);
        self.install(facts, asks, row.clone(), [first, second]);
        Read::Adopted(self.became(facts, asks, seen))
    }

    /// The buddy that `row` names on this side; `Err` if its row was not read and is not known.
    fn buddy(&self, row: &ServerRow, side: Side, seen: &TableSnapshot) -> Result<Option<Buddy>, ServerId> {
        let id = row.buddy(side);
        if id == row.id {
            return Ok(None);
        }
        let known = || self.buddies().find(|b| b.id == id).cloned();
        seen.rows.get(&id).map(Buddy::from).or_else(known).map(Some).ok_or(id)
    }

    /// The row of this server is not there. If no event says why, the next looks decide what that means.
    fn gone(&self, facts: &Facts, asks: &mut Asks, seen: &TableSnapshot) -> Read {
        let Some(event) = older::end(&facts.identity.card.name, asks.me(), seen) else { return Read::Old };
        if event.kind() == EventKind::Left {
            return Read::Over(NextPhase::Stopped(Stopped::LeftByOperator));
        }
        let cause = Some(Box::new(Cause { by: event.by.clone(), body: event.body.clone() }));
        asks.own_event(EventBody::Removed { cause });
        Read::Over(NextPhase::Removed { outage: outage(facts, event, seen) })
    }

    /// From now on these are the buddies.
    fn install(&mut self, facts: &mut Facts, asks: &mut Asks, row: ServerRow, buddies: [Option<Buddy>; 2]) {
        let name = |buddy: &Option<Buddy>| buddy.as_ref().map(|b| b.name.clone());
        let names = |buddies: &[Option<Buddy>; 2]| -> [Option<String>; 2] { [name(&buddies[0]), name(&buddies[1])] };
        let me = asks.me();
        let version = row.version;
        let old = self.place.replace(Place { row, buddies: buddies.clone() });
        if old.as_ref().is_none_or(|place| place.row.version != version) {
            self.stranger_pause = law::STRANGER_EVERY;
        }
        let before: Vec<ServerId> =
            old.iter().flat_map(|place| place.buddies.iter().flatten()).map(|buddy| buddy.id).collect();
        let now: Vec<ServerId> = buddies.iter().flatten().map(|buddy| buddy.id).collect();
        self.vanished.extend(before.iter().filter(|id| !now.contains(id)));
        if old.as_ref().is_none_or(|place| names(&place.buddies) != names(&buddies)) {
            let [first, second] = names(&buddies);
            asks.own_event(EventBody::Buddies { first, second });
        }
        for buddy in buddies.iter().flatten().filter(|b| !before.contains(&b.id)) {
            tell_outages(facts, asks, buddy);
        }
        if old.is_none() {
            for buddy in buddies.iter().flatten() {
                asks.send(buddy.address, buddy.notice_port, NoticeBody::Spliced { subject: me.id });
            }
        }
        self.keep(facts, asks);
    }

    /// Finds out how former buddies left. Returns the servers whose rows are gone.
    fn became(&mut self, facts: &Facts, asks: &mut Asks, seen: &TableSnapshot) -> Vec<ServerId> {
        let me = asks.me().id;
        let gone = seen.events.iter().filter(|(id, _)| **id != me && !seen.rows.contains_key(id));
        let mut forgotten = Vec::new();
        for (id, event) in gone {
            self.vanished.remove(id);
            forgotten.push(*id);
            if let Some(event) = event {
                self.seen_gone(asks, *id, event);
            }
        }
        self.vanished.retain(|id| !seen.rows.contains_key(id));
        if !self.vanished.is_empty() {
            self.read_at = facts.now;
        }
        forgotten
    }

    /// A server is out of the table. It was not this server that removed it, or the answer to its COMMIT was lost.
    fn seen_gone(&mut self, asks: &mut Asks, id: ServerId, event: &StoredEvent) {
        let body = match event.body.removal() {
            Some((kind, removed)) => {
                let (voters, evidence) = (removed.voters.clone(), removed.witnessed());
                EventBody::removed(kind, Removed { voters, evidence, ..Removed::default() })
            }
            None if event.kind() == EventKind::Left => {
                EventBody::Left(Left { by: Some(event.by.clone()), ..Left::default() })
            }
            None => return,
        };
        self.tell_gone(asks, id, &event.subject_name, body);
    }

    /// Reports once that a server is out of the table.
    pub fn tell_gone(&mut self, asks: &mut Asks, server: ServerId, name: &str, body: EventBody) {
        if self.told_gone.insert(server) {
            asks.event(name, body);
        }
    }

    /// Records that this server removed that one. False: it was already recorded.
    pub fn note_removal(&mut self, server: ServerId) -> bool {
        self.own_removals.insert(server)
    }

    /// This server removed a run next to it: sets what its row says now, without waiting to read it. `next` are the
    /// buddies of each side once the run is gone.
    pub fn splice(&mut self, facts: &mut Facts, asks: &mut Asks, removed: &[Removal], next: [Option<Buddy>; 2]) {
        let Some(place) = &self.place else { return };
        let (mut row, mut buddies) = (place.row.clone(), place.buddies.clone());
        let links = [&mut row.first_buddy, &mut row.second_buddy];
        for ((link, buddy), next) in links.into_iter().zip(&mut buddies).zip(next) {
            if removed.iter().any(|r| r.server == *link) {
                *link = next.as_ref().map_or(asks.me().id, |b| b.id);
                *buddy = next;
                // Only then: a read that is under way may be the one that learns what others have changed here since
                // (R10).
                self.known_at = facts.now;
            }
        }
        self.install(facts, asks, row, buddies);
        for removal in removed {
            self.vanished.remove(&removal.server);
        }
    }
}

/// R6: new buddies do not know about the outages for which this server was removed, so it tells them itself.
fn tell_outages(facts: &mut Facts, asks: &mut Asks, buddy: &Buddy) {
    for silence in facts.own_outages.tell((buddy.address, buddy.incarnation), facts.now) {
        let silence_ms = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
        asks.send(buddy.address, buddy.notice_port, NoticeBody::Outage { silence_ms });
    }
}

/// For how long no server heard this one, which finds itself removed: the silence in its removal plus the time since.
/// It ended when this server was answered again, if that was after the removal. Where it was not, nobody may hear it
/// yet.
fn outage(facts: &Facts, removal: &StoredEvent, seen: &TableSnapshot) -> Option<Duration> {
    let EventBody::Down(removed) = &removal.body else { return None };
    let since = seen.db_now.since(removal.at)?;
    let after = facts.away.resumed().since(facts.now - since);
    let more = if after.is_zero() { since } else { after };
    Some(Duration::from_millis(removed.silence_ms?) + more)
}
