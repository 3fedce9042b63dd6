//! What an engine knows. Parts read it while they settle. Only inputs and the choice of watches change it.

use alloc::vec::Vec;
use core::time::Duration;

use ringmon_common::layout::DOUBT_MISSES;
use serde::{Deserialize, Serialize};

use super::asks::Asks;
use super::away::Away;
use super::blind::{Blind, Way};
use super::callers::Callers;
use super::contract::{Answers, Identity, Output};
use super::epoch::Epoch;
use super::path::Path;
use super::watching::{Watch, Watches};
use crate::blindness::Blindness;
use crate::buddy::Buddy;
use crate::detector::{Change, Observer, State, silence_asked};
use crate::edit::TableSnapshot;
use crate::event::{EventBody, Frozen, Suspected};
use crate::evidence::{Asked, LocalFault, Purpose, Testimony, WatchId, WatchReading};
use crate::host::HostChange;
use crate::lateness::Lateness;
use crate::law;
use crate::op::{Accusation, Finding, Mute};
use crate::outages::{Outages, Own};
use crate::outcome::effective_mode;
use crate::row::{Address, Health, Mode, Side};
use crate::time::millis;
use crate::{PoolRow, Rule, ServerId, Time, VoteKind};

/// What this server's row says of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Serving {
    pub health: Health,
    pub weight: u16,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pub now: Time,
    pub identity: Identity,
    /// As last read.
    pub pool: Option<PoolRow>,
    /// Health of this server's service.
    pub health: Health,
    pub watches: Watches,
    /// Other servers' probes that were answered here. They outlive a removal: what they prove is still true.
    pub callers: Callers,
    /// When this server last came back from where it heard nobody.
    pub away: Away,
    /// R6: how long past silences lasted that ended by themselves.
    pub outages: Outages,
    /// R6: the outages of this server itself.
    pub own_outages: Own,
    /// How often this server was late in the last seconds.
    pub lateness: Lateness,
    /// Whether the table has gone back in time.
    pub epoch: Epoch,
    /// An operator wants no new clients here, as the own row said before this server drained itself.
    #[serde(default)]
    pub drained: bool,
    /// This server has begun to drain itself: what its row says is not an operator's word any more.
    #[serde(default)]
    pub drains_itself: bool,
    /// Whether frames get through to this server.
    #[serde(default)]
    pub path: Path,
    /// Whether this server sees anybody.
    #[serde(default)]
    pub blind: Blind,
    /// Since when the link is down.
    pub link_down: Option<Time>,
    /// What this machine has told of its way to the network.
    #[serde(default)]
    pub way: Way,
    /// When the last fault of this machine ended that no stamps make up for. What its watches show counts from then on.
    clean: Time,
    /// What probes are answered with.
    answers: Option<Answers>,
}

impl Facts {
    /// What this server's row should say of its service.
    pub const fn serving(&self) -> Serving {
        Serving { health: self.health, weight: self.identity.card.clients.weight }
    }

    pub fn new(identity: Identity) -> Self {
        Self {
            now: Time::ZERO,
            identity,
            pool: None,
            health: Health::Unknown,
            watches: Watches::default(),
            callers: Callers::default(),
            away: Away::default(),
            outages: Outages::default(),
            own_outages: Own::default(),
            lateness: Lateness::default(),
            epoch: Epoch::default(),
            drained: false,
            drains_itself: false,
            path: Path::default(),
            blind: Blind::default(),
            link_down: None,
            way: Way::Untold,
            clean: Time::ZERO,
            answers: None,
        }
    }

    /// Whether a rule is in force. In an agent all rules are; only a simulator turns some off.
    pub const fn keeps(&self, rule: Rule) -> bool {
        self.identity.tuning.keeps(rule)
    }

    /// The stricter of the pool's mode and the agent's mode.
    pub fn mode(&self) -> Mode {
        effective_mode(self.pool.as_ref().map_or(Mode::Act, |p| p.rules.mode), self.identity.mode)
    }

    /// R6: how long this server must be silent before it may be removed. It depends on its past outages, and where no
    /// stamps of others' frames help, on how late the observing server is itself.
    pub fn silence_asked(&self, address: Address) -> Duration {
        silence_asked(self.outages.asked(address, self.now), self.lateness.factor(self.now))
    }

    /// The same for a silence that others' stamps show.
    pub fn stamped_silence_asked(&self, address: Address) -> Duration {
        silence_asked(self.outages.asked(address, self.now), 1)
    }

    /// R3: how long this server needs to answer a vote. It may notice the cut only when it misses a buddy itself.
    pub fn wait(&self, asks: &Asks) -> Duration {
        let (tuning, factor) = (&self.identity.tuning, self.lateness.factor(self.now));
        let buddies = self.watches.iter().filter(|watch| watch.purpose == Purpose::Buddy);
        let slowest = buddies.map(|watch| {
            let deadline = watch.reading.patience.max(tuning.deadline);
            deadline * 2 + tuning.burst * watch.detector.needed(factor).saturating_sub(2)
        });
        let least = tuning.deadline * 2 + tuning.burst;
        asks.tables().wait(tuning.interval + slowest.max().unwrap_or_default().max(least))
    }

    /// R6: until when this server's silence is not enough for a removal, because it was not heard since this server was
    /// away itself.
    pub fn grace(&self, watch: &Watch, kind: VoteKind) -> Option<Time> {
        let heard = match kind {
            VoteKind::Host => watch.reading.last_proof(),
            VoteKind::Agent => watch.reading.last_pulse,
        };
        self.away.grace(heard).filter(|_| self.keeps(Rule::R6))
    }

    /// What this server says against others, in a form that the table can judge.
    pub fn accusation(&self, asks: &Asks, side: Side, findings: Vec<Finding>) -> Accusation {
        Accusation {
            me: asks.me().id,
            incarnation: asks.me().incarnation,
            name: self.identity.card.name.clone(),
            side,
            findings,
            far_end: None,
            served: asks.tables().served(self.now),
            lag: asks.tables().pace(),
            mute: Mute::default(),
            confirmed: None,
            braked: false,
            mode: self.identity.mode,
            tuning: self.identity.tuning.clone(),
        }
    }

    /// Takes over the pool's row, unless a newer version is known.
    pub fn adopt_pool(&mut self, asks: &mut Asks, seen: &TableSnapshot) {
        let Some(pool) = &seen.pool else { return };
        if self.pool.as_ref().is_some_and(|known| pool.version < known.version) {
            return;
        }
        self.take_pool(asks, pool);
    }

    /// Takes over the pool's row, whatever its version.
    pub fn take_pool(&mut self, asks: &mut Asks, pool: &PoolRow) {
        let was = self.pool.as_ref().is_some_and(|p| p.frozen.is_some());
        self.pool = Some(pool.clone());
        match (was, &pool.frozen) {
            (false, Some(why)) => {
                let frozen = Frozen { why: why.clone() };
                asks.event(&pool.name, EventBody::Frozen(frozen));
            }
            (true, None) => asks.event(&pool.name, EventBody::Thawed { why: None }),
            (false, None) | (true, Some(_)) => {}
        }
    }

    /// Watches exactly these servers.
    pub fn watch_only(&mut self, asks: &mut Asks, wanted: &[(Buddy, Purpose)]) {
        self.watches.set(asks, wanted, self.now, &self.identity.tuning);
        self.tell_alive(asks);
    }

    /// Asks these servers that; others are asked about this server.
    pub fn ask(&mut self, asks: &mut Asks, questions: &[(ServerId, Asked)]) {
        self.watches.ask(asks, questions, &self.identity.tuning);
    }

    /// What this server's kernel said last, if that is of now.
    pub fn said(&self, watch: &Watch) -> Option<Testimony> {
        let fresh = self.identity.tuning.ears() + watch.reading.patience + law::READ_EVERY;
        watch.reading.testimony.filter(|said| self.now.since(said.at) <= fresh)
    }

    /// What a server says that is heard and that cannot vote: the database does not answer it, or it is blind.
    pub fn mute(&self, server: ServerId) -> Option<Testimony> {
        self.said(self.watches.of(server)?).filter(|said| !said.database || said.blind)
    }

    /// Since when this server cannot see others because of itself. They miss it too, and nobody tells it.
    pub fn cut_off_since(&self) -> Option<Time> {
        self.link_down.or(self.blind.since().map(|(since, _)| since))
    }

    /// Whether a buddy's kernel says that it misses this server. The buddy is about to accuse it.
    pub fn doubted(&self, me: ServerId) -> bool {
        let mut buddies = self.watches.iter().filter(|watch| watch.purpose == Purpose::Buddy);
        buddies.any(|watch| {
            let said = self.said(watch).filter(|said| said.of == me && said.watches);
            said.is_some_and(|said| said.misses >= DOUBT_MISSES)
        })
    }

    /// Takes in a reading and reports what it changes.
    pub fn observe(&mut self, asks: &mut Asks, id: WatchId, reading: WatchReading) {
        let (now, tuning, factor) = (self.now, &self.identity.tuning, self.lateness.factor(self.now));
        let Some(watch) = self.watches.get_mut(id) else { return };
        let address = watch.target.address;
        reading.prev_reply.into_iter().chain(reading.last_reply).for_each(|at| self.path.frame(address, at));
        self.away.observe(&watch.reading, &reading, tuning.interval);
        let silence = reading.last_proof().map(|proof| proof.since(watch.reading.silent_since()));
        watch.reading = reading;
        watch.ways.observe(&watch.reading);
        if watch.sight.look(now, &watch.reading, tuning) {
            // What it will hear or miss once it sees again counts, and nothing before.
            watch.told_suspect = false;
            let undone = watch.detector.fault(LocalFault::Blind, Time::ZERO, now + tuning.grace(), &watch.reading);
            undone.iter().for_each(|_| asks.void(LocalFault::Blind, 1));
        }
        if self.link_down.is_some() {
            // No silence counts before the link is up and a few probes have had time to return.
            let until = now + tuning.grace();
            watch.detector.fault(LocalFault::LinkDown, now, until, &watch.reading);
            self.clean = self.clean.max(until);
        }
        let observer = Observer { now, factor, open_until: self.path.open_until(address) };
        match watch.detector.observe(observer, &watch.reading, tuning) {
            Some(Change::Moved(from, to)) => {
                // A witness's watch is of one that was removed and comes back: it tells its new buddies itself.
                let own = matches!(watch.purpose, Purpose::Buddy | Purpose::Ahead);
                if let (State::Suspect, Some(silence), true) = (from, silence, own) {
                    self.outages.healed(address, silence, now);
                }
                self.tell_move(asks, id, from, to);
            }
            Some(Change::Void(fault)) => asks.void(fault, 1),
            None => {}
        }
        self.watches.set_pace(asks, factor, &self.identity.tuning);
        self.tell_alive(asks);
    }

    fn tell_move(&mut self, asks: &mut Asks, id: WatchId, from: State, to: State) {
        let (now, late) = (self.now, self.lateness.factor(self.now));
        let of = |watch: &Watch| (watch.target.address, watch.detector.is_stamped(&watch.reading));
        let Some((address, stamped)) = self.watches.iter().find(|watch| watch.id == id).map(of) else { return };
        let (factor, asked) =
            if stamped { (1, self.stamped_silence_asked(address)) } else { (late, self.silence_asked(address)) };
        let silence_asked_ms = millis(asked);
        let Some(watch) = self.watches.get_mut(id) else { return };
        if !matches!(watch.purpose, Purpose::Buddy | Purpose::Ahead) {
            return;
        }
        let body = match (from, to) {
            (_, State::Suspect) => {
                watch.told_suspect = true;
                watch.told_alive = None;
                EventBody::Suspect(Suspected {
                    loss: libm::round(watch.detector.loss().share() * 1e4) / 1e4,
                    misses: watch.reading.consecutive,
                    needed: watch.detector.needed(factor),
                    silence_asked_ms,
                    silence_ms: millis(now.since(watch.reading.silent_since())),
                })
            }
            (_, State::Restarting) => {
                EventBody::AgentGone { silence_ms: millis(now.since(watch.reading.pulseless_since())) }
            }
            (_, State::AgentSilent) => {
                EventBody::AgentSilent { silence_ms: millis(now.since(watch.reading.pulseless_since())) }
            }
            (State::Restarting | State::AgentSilent, State::Alive) => EventBody::AgentBack {},
            (State::Waiting | State::Alive | State::Suspect, State::Alive) | (_, State::Waiting) => return,
        };
        asks.event(&watch.target.name, body);
    }

    /// Reports as alive a buddy at the first reply to its watch and of each new life, and any server after a suspicion.
    fn tell_alive(&mut self, asks: &mut Asks) {
        for watch in self.watches.iter_mut() {
            if let Some(incarnation) = watch.newly_alive() {
                asks.event(&watch.target.name, EventBody::Alive { incarnation });
            }
        }
    }

    /// What this server observed between `from` and `until` does not count.
    pub fn fault(&mut self, asks: &mut Asks, fault: LocalFault, from: Time, until: Time) {
        // A link that is down does not mean that this server is slow.
        if fault != LocalFault::LinkDown {
            self.lateness.fault(self.now);
        }
        // A witness that is asked hears the asker, and so shows that its own way in is open.
        if !fault.is_lateness() {
            self.clean = self.clean.max(until);
        }
        let undone = self.watches.fault(fault, from, until);
        if undone > 0 {
            asks.void(fault, undone);
        }
    }

    /// The interface went down or came up. Every suspicion whose silence the link may have caused is undone, no
    /// matter how it arose.
    pub fn link(&mut self, asks: &mut Asks, up: bool) {
        let until = self.now + self.identity.tuning.grace();
        if !up || self.link_down.is_some() {
            self.fault(asks, LocalFault::LinkDown, Time::ZERO, until);
        }
        self.link_down = if up { None } else { self.link_down.or(Some(self.now)) };
    }

    /// The interface or the address changed.
    pub fn host_changed(&mut self, change: HostChange) {
        match change {
            HostChange::AddressGone => self.way = Way::Lost(Blindness::NoAddress),
            HostChange::InterfaceGone => self.way = Way::Lost(Blindness::NoDevice),
            HostChange::AddressBack | HostChange::InterfaceBack => self.way = Way::Back,
            HostChange::Renamed => {}
        }
    }

    /// From now on, probes are answered with this, if it is new.
    pub fn identify(&mut self, asks: &mut Asks) {
        let answers = Answers {
            incarnation: asks.me().incarnation,
            health: self.health,
            clean: self.clean,
            database: asks.tables().away().is_none(),
            blind: self.is_blind(),
        };
        if self.answers.replace(answers) != Some(answers) {
            asks.say(Output::Identity(answers));
        }
    }
}
