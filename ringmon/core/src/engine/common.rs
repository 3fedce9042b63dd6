//! What all phases of an engine share: its watches, its table operations, its voice.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::contract::{Buddy, Identity, Output, TableDone};
use super::followers::Followers;
use super::table::{Concern, Tables, Turn};
use super::watching::Watches;
use super::witness::Proofs;
use crate::detector::{Change, State, silence_asked};
use crate::edit::{Held, TableSnapshot, effective_mode};
use crate::event::{Event, EventBody, Frozen, Suspected};
use crate::evidence::{LocalFault, Purpose, WatchId, WatchReading};
use crate::lateness::Lateness;
use crate::law;
use crate::notice::{Notice, NoticeBody};
use crate::op::TableOp;
use crate::outages::Outages;
use crate::rng::Rng;
use crate::row::{Address, Health, Mode};
use crate::{Incarnation, PoolRow, ServerId, Time};

/// Counters for the snapshot.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub rejoins: u64,
    pub voids: BTreeMap<LocalFault, u64>,
    pub held: BTreeMap<Held, u64>,
    pub votes: u64,
    pub removals: u64,
}

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Common {
    pub identity: Identity,
    /// R6: how long silences were that healed.
    pub outages: Outages,
    /// The last time that this server itself was removed while it lived: for how long it was not heard, and when that was found.
    pub outage: Option<(Duration, Time)>,
    /// How often this server was late of late.
    pub lateness: Lateness,
    pub rng: Rng,
    pub now: Time,
    /// Own row and incarnation in what is sent.
    pub me: (ServerId, Incarnation),
    pub watches: Watches,
    pub tables: Tables,
    pub pool: Option<PoolRow>,
    pub health: Health,
    /// What the own row was last asked to say; `None`: unknown.
    pub row_health: Option<Health>,
    pub tally: Tally,
    /// Routers.
    #[serde(default)]
    pub followers: Followers,
    /// R12: who is heard by others.
    pub proofs: Proofs,
    /// When a probe of whom on the ring was last answered here.
    pub visits: BTreeMap<ServerId, Time>,
    /// Drained before a checkpoint is taken.
    #[serde(skip)]
    out: VecDeque<Output>,
    wake: Option<Time>,
    link_down: bool,
    void_told: BTreeMap<LocalFault, Time>,
}

impl Common {
    pub fn new(identity: Identity) -> Self {
        Self {
            outages: Outages::default(),
            outage: None,
            lateness: Lateness::default(),
            rng: Rng::new(identity.seed),
            identity,
            now: Time::ZERO,
            me: (ServerId::NEW, Incarnation(0)),
            watches: Watches::default(),
            tables: Tables::new(),
            pool: None,
            health: Health::Unknown,
            row_health: None,
            tally: Tally::default(),
            followers: Followers::default(),
            proofs: Proofs::default(),
            visits: BTreeMap::new(),
            out: VecDeque::new(),
            wake: None,
            link_down: false,
            void_told: BTreeMap::new(),
        }
    }

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
        let name = self.identity.name.clone();
        self.event(&name, body);
    }

    pub fn send(&mut self, to: Address, port: u16, body: NoticeBody) {
        let (from, incarnation) = self.me;
        self.say(Output::Send { to, port, notice: Notice { from, incarnation, body } });
    }

    /// Ask to be called at `at` or before.
    pub fn wake_at(&mut self, at: Time) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }

    /// As [`Self::wake_at`], unless that time has passed.
    pub fn call_at(&mut self, at: Time) {
        if at > self.now {
            self.wake_at(at);
        }
    }

    pub fn clear_wake(&mut self) {
        self.wake = None;
    }

    pub const fn wake(&self) -> Option<Time> {
        self.wake
    }

    /// Whether `at` has come; if not, asks to be called then.
    pub fn due(&mut self, at: Time) -> bool {
        if at <= self.now {
            return true;
        }
        self.wake_at(at);
        false
    }

    /// A re-vote's time, +- 20 %.
    pub fn revote(&mut self) -> Duration {
        self.rng.around(law::REVOTE, 20)
    }

    /// The next look at something that began at `first`: at H, 2H, 4H ... after it, at most a re-vote's time from now.
    pub fn next_check(&mut self, first: Time) -> Time {
        let elapsed = self.now.since(first);
        let doubled = first + self.tables.hold().max(elapsed * 2);
        doubled.min(self.now + self.revote())
    }

    /// Whether an operation of this concern may begin now; if the database must not be asked yet, asks to be called then.
    pub fn ready(&mut self, concern: Concern) -> bool {
        !self.tables.busy(concern) && self.due(self.tables.quiet_until())
    }

    /// Begin an operation, even while the database is given a rest.
    pub fn begin(&mut self, concern: Concern, op: TableOp) {
        if let Some(output) = self.tables.begin(concern, op, self.now) {
            self.say(output);
        }
    }

    /// An operation ended: what it was for.
    pub fn ended(&mut self, done: &TableDone, most: Duration) -> Option<Concern> {
        let (concern, turn) = self.tables.end(done, self.now, &mut self.rng, most);
        match turn {
            Some(Turn::Away(cause)) => self.own_event(EventBody::DatabaseAway { cause }),
            Some(Turn::Back(away)) => self.own_event(EventBody::DatabaseBack { away_ms: millis(away) }),
            None => {}
        }
        self.rules(&done.snapshot);
        concern
    }

    /// Take over the pool's row, if it is not older than the one that is known.
    fn rules(&mut self, seen: &TableSnapshot) {
        let Some(pool) = &seen.pool else { return };
        if self.pool.as_ref().is_some_and(|known| pool.version < known.version) {
            return;
        }
        let was = self.pool.as_ref().and_then(|p| p.frozen.clone());
        self.pool = Some(pool.clone());
        match (&was, &pool.frozen) {
            (None, Some(why)) => {
                let frozen = Frozen { why: why.clone(), ..Frozen::default() };
                self.event(&pool.name, EventBody::Frozen(frozen));
            }
            (Some(_), None) => self.event(&pool.name, EventBody::Thawed { why: None }),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// The stricter of the pool's and the agent's word.
    pub fn mode(&self) -> Mode {
        effective_mode(self.pool.as_ref().map_or(Mode::Act, |p| p.rules.mode), self.identity.mode)
    }

    /// Watch exactly these.
    pub fn watch_only(&mut self, wanted: &[(Buddy, Purpose)]) {
        let Self { watches, out, identity, now, .. } = self;
        watches.set(wanted, *now, &identity.tuning, &mut |output| out.push_back(output));
        self.tell_alive();
    }

    /// A reading: what it changes is told.
    pub fn observe(&mut self, id: WatchId, reading: WatchReading) {
        let (now, link_down) = (self.now, self.link_down);
        let (grace, factor) = (self.identity.tuning.grace(), self.lateness.factor(now));
        let Some(watch) = self.watches.get_mut(id) else { return };
        let silence = reading.last_proof().map(|proof| proof.since(watch.reading.silent_since()));
        watch.reading = reading;
        watch.ways.observe(&watch.reading);
        if link_down {
            // No silence counts before the link is up and there was time for some probes.
            watch.detector.fault(LocalFault::LinkDown, now, now + grace, &watch.reading);
        }
        match watch.detector.observe(now, &watch.reading, &self.identity.tuning, factor) {
            Some(Change::Moved(from, to)) => {
                if let (State::Suspect, Some(silence)) = (from, silence) {
                    self.outages.healed(watch.target.address, silence, now);
                }
                self.tell_move(id, from, to);
            }
            Some(Change::Void(fault)) => self.tell_void(fault, 1),
            None => {}
        }
        self.set_pace();
        self.tell_alive();
    }

    fn set_pace(&mut self) {
        let factor = self.lateness.factor(self.now);
        let Self { watches, out, identity, .. } = self;
        watches.set_pace(factor, &identity.tuning, &mut |output| out.push_back(output));
    }

    /// R6: the silence that a removal of this server asks for, by what this one has seen of it, and how late it is itself.
    pub fn silence_asked(&self, address: Address) -> Duration {
        let taught = self.outages.asked(address, law::REMOVAL_SILENCE_MOST, self.now);
        silence_asked(taught, self.lateness.factor(self.now))
    }

    fn tell_move(&mut self, id: WatchId, from: State, to: State) {
        let (now, factor) = (self.now, self.lateness.factor(self.now));
        let asked = self.watches.get_mut(id).map(|watch| watch.target.address);
        let asked = asked.map(|address| self.silence_asked(address)).unwrap_or_default();
        let Some(watch) = self.watches.get_mut(id) else { return };
        if !matches!(watch.purpose, Purpose::Buddy | Purpose::Ahead) {
            return;
        }
        let body = match (from, to) {
            (_, State::Suspect) => {
                watch.told_suspect = true;
                watch.told_alive = None;
                let silence = now.since(watch.reading.silent_since());
                let loss = libm::round(watch.detector.loss().share() * 1e4) / 1e4;
                let (misses, needed) = (watch.reading.consecutive, watch.detector.needed(factor));
                let (silence_ms, silence_asked_ms) = (millis(silence), millis(asked));
                EventBody::Suspect(Suspected { loss, misses, needed, silence_asked_ms, silence_ms })
            }
            (_, State::AgentSilent) => {
                let silence = now.since(watch.reading.pulseless_since());
                EventBody::AgentSilent { silence_ms: millis(silence) }
            }
            (State::AgentSilent, State::Alive) => EventBody::AgentBack {},
            (State::Waiting | State::Alive | State::Suspect, State::Alive) | (_, State::Waiting) => return,
        };
        let name = watch.target.name.clone();
        self.event(&name, body);
    }

    /// The first reply of a buddy's watch, of a new life of it, and after a suspicion.
    fn tell_alive(&mut self) {
        let mut told = Vec::new();
        for watch in self.watches.iter_mut() {
            let life = Some(watch.reading.incarnation);
            let shown = watch.purpose == Purpose::Buddy || watch.told_suspect;
            // An agent that has just started answers before it knows which life it lives: that one is told when it says.
            let unborn = watch.reading.incarnation == Incarnation(0) && watch.told_alive.is_some();
            if watch.detector.state() == State::Alive && shown && watch.told_alive != life && !unborn {
                watch.told_alive = life;
                watch.told_suspect = false;
                told.push((watch.target.name.clone(), watch.reading.incarnation));
            }
        }
        for (name, incarnation) in told {
            self.event(&name, EventBody::Alive { incarnation });
        }
    }

    /// This server's own evidence from `from` to `until` counts for nothing.
    pub fn fault(&mut self, fault: LocalFault, from: Time, until: Time) {
        // A link that is down is no sign that this server is slow.
        if fault != LocalFault::LinkDown {
            self.lateness.fault(self.now);
        }
        let undone = self.watches.fault(fault, from, until);
        if undone > 0 {
            self.tell_void(fault, undone);
        }
    }

    /// The interface went down or came up. A suspicion whose silence the link may have made is undone, however it came about.
    pub fn link(&mut self, up: bool) {
        let until = self.now + self.identity.tuning.grace();
        if !up || self.link_down {
            self.fault(LocalFault::LinkDown, Time::ZERO, until);
        }
        self.link_down = !up;
    }

    pub fn tell_void(&mut self, fault: LocalFault, suspicions: u64) {
        *self.tally.voids.entry(fault).or_default() += suspicions;
        let now = self.now;
        if self.void_told.get(&fault).is_none_or(|at| now.since(*at) >= Duration::from_secs(1)) {
            self.void_told.insert(fault, now);
            self.own_event(EventBody::Void { fault, suspicions });
        }
    }
}

/// Milliseconds with three digits, for people.
pub(super) fn millis(span: Duration) -> f64 {
    libm::round(span.as_secs_f64() * 1e6) / 1e3
}
