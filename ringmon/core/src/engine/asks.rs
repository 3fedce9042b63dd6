//! What the parts of an engine may ask for: outputs, a later call, table operations. The parts write nothing else.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::contract::{Output, TableDone};
use super::followers::Followers;
use super::table::{Concern, Tables, Turn};
use crate::buddy::BuddyList;
use crate::event::{Event, EventBody};
use crate::evidence::LocalFault;
use crate::law;
use crate::notice::{Notice, NoticeBody};
use crate::op::TableOp;
use crate::outcome::Held;
use crate::rng::Rng;
use crate::row::Address;
use crate::time::millis;
use crate::{Incarnation, ServerId, Time};

/// Row id and incarnation of this server. Notices and most table operations carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Me {
    pub id: ServerId,
    pub incarnation: Incarnation,
}

impl Me {
    /// From the buddy list on disk.
    pub const fn of(kept: &BuddyList) -> Self {
        Self { id: kept.id, incarnation: kept.incarnation }
    }
}

/// Counters for the snapshot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub rejoins: u64,
    pub voids: BTreeMap<LocalFault, u64>,
    pub held: BTreeMap<Held, u64>,
    pub votes: u64,
    pub removals: u64,
    /// How often the table went back in time.
    pub went_back: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asks {
    /// Name of this server, the subject of its events about itself.
    name: String,
    now: Time,
    me: Me,
    wake: Option<Time>,
    tables: Tables,
    followers: Followers,
    rng: Rng,
    tally: Tally,
    void_told: BTreeMap<LocalFault, Time>,
    /// The caller drains it before a checkpoint is taken, so it is not saved.
    #[serde(skip)]
    out: VecDeque<Output>,
}

impl Asks {
    /// Each kind of fault is reported at most this often.
    const VOID_TOLD_EVERY: Duration = Duration::from_secs(1);

    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            now: Time::ZERO,
            me: Me { id: ServerId::NEW, incarnation: Incarnation(0) },
            wake: None,
            tables: Tables::new(),
            followers: Followers::default(),
            rng: Rng::new(seed),
            tally: Tally::default(),
            void_told: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    /// Starts a turn at this time.
    pub const fn turn(&mut self, now: Time) {
        self.now = now;
    }

    pub const fn me(&self) -> Me {
        self.me
    }

    pub const fn i_am(&mut self, me: Me) {
        self.me = me;
    }

    pub const fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    pub const fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    // Outputs.

    pub fn say(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub fn take(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn event(&mut self, subject: &str, body: EventBody) {
        let event = Event { mono: self.now, subject: subject.to_owned(), body };
        self.say(Output::Event(event));
    }

    /// An event about this server itself.
    pub fn own_event(&mut self, body: EventBody) {
        let name = self.name.clone();
        self.event(&name, body);
    }

    pub fn send(&mut self, to: Address, port: u16, body: NoticeBody) {
        let Me { id: from, incarnation } = self.me;
        self.say(Output::Send { to, port, notice: Notice { from, incarnation, body } });
    }

    /// Counts suspicions that a fault made invalid, and reports the fault (at most once a second).
    pub fn void(&mut self, fault: LocalFault, suspicions: u64) {
        *self.tally.voids.entry(fault).or_default() += suspicions;
        let now = self.now;
        if self.void_told.get(&fault).is_none_or(|at| now.since(*at) >= Self::VOID_TOLD_EVERY) {
            self.void_told.insert(fault, now);
            self.own_event(EventBody::Void { fault, suspicions });
        }
    }

    /// Counts a removal that this rule held back.
    pub fn held(&mut self, held: Held) {
        *self.tally.held.entry(held).or_default() += 1;
    }

    /// A router asks to be told about changes, for this long.
    pub fn follow(&mut self, at: (Address, u16), span: Duration) {
        self.followers.follow(at, span, self.now);
    }

    /// Tells the routers that the row of this server has changed or is gone.
    pub fn tell_followers(&mut self, subject: ServerId) {
        let told: Vec<(Address, u16)> = self.followers.at(self.now).collect();
        for (address, port) in told {
            self.send(address, port, NoticeBody::Changed { subject });
        }
    }

    // A later call.

    /// Asks for a call at `at` or earlier.
    pub fn wake_at(&mut self, at: Time) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }

    /// Like [`Self::wake_at`], but does nothing if `at` has passed.
    pub fn call_at(&mut self, at: Time) {
        if at > self.now {
            self.wake_at(at);
        }
    }

    pub const fn clear_wake(&mut self) {
        self.wake = None;
    }

    pub const fn wake(&self) -> Option<Time> {
        self.wake
    }

    /// Whether `at` has come. If not, asks for a call then.
    pub fn due(&mut self, at: Time) -> bool {
        if at <= self.now {
            return true;
        }
        self.wake_at(at);
        false
    }

    /// The time until the next vote, +- 20 %.
    pub fn revote(&mut self) -> Duration {
        self.rng.around(law::REVOTE, 20)
    }

    /// When to check again something that began at `first`: half of the shortest wait after it, then after twice that
    /// time, and so on, but at most one re-vote time from now. So a pause of the database is noticed (R3).
    pub fn next_check(&mut self, first: Time) -> Time {
        let elapsed = self.now.since(first);
        let doubled = first + (law::WAIT_LEAST / 2).max(elapsed * 2);
        doubled.min(self.now + self.revote())
    }

    // Table operations.

    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Another phase has begun: see [`Tables::forget`].
    pub fn forget_operations(&mut self) {
        self.tables.forget();
    }

    pub fn busy(&self, concern: Concern) -> bool {
        self.tables.busy(concern)
    }

    /// Whether an operation of this concern may begin now. If the database needs a rest first, asks for a call when the
    /// rest is over.
    pub fn ready(&mut self, concern: Concern) -> bool {
        !self.tables.busy(concern) && self.due(self.tables.quiet_until())
    }

    /// Whether an accusation may be made now. It says what is known at that moment, so it does not wait in line behind
    /// another write: it would not know of a proof (R12) or a pause of the database (R3) that comes meanwhile.
    pub fn may_accuse(&mut self, concern: Concern) -> bool {
        self.ready(concern) && !self.tables.writing()
    }

    /// Begins an operation, even while the database is given a rest.
    pub fn begin(&mut self, concern: Concern, op: TableOp) {
        let output = self.tables.begin(concern, op, self.now);
        self.say(output);
    }

    /// An operation ended. Returns its concern, if the current phase asked for it. After a failure the database gets a
    /// rest of at most `most`.
    pub fn ended(&mut self, done: &TableDone, most: Duration) -> Option<Concern> {
        let (concern, turn) = self.tables.end(done, self.now, &mut self.rng, most);
        match turn {
            Some(Turn::Away(cause)) => self.own_event(EventBody::DatabaseAway { cause }),
            Some(Turn::Back(away)) => self.own_event(EventBody::DatabaseBack { away_ms: millis(away) }),
            None => {}
        }
        concern
    }
}
