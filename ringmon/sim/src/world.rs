//! The clock, the queue, and what moves between servers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::database::Database;
use super::datapath::{Datapath, Reply};
use super::drains::Drains;
use super::host::Host;
use super::network::Network;
use super::rotation::{Rotation, key};
use super::routers::Router;
use super::settings::{Settings, Traffic};
use super::tape::Tape;
use ringmon_core::engine::{Answers, Engine, Input, Output, Stopped};
use ringmon_core::rng::Rng;
use ringmon_core::row::Address;
use ringmon_core::virtual_table::VirtualTable;
use ringmon_core::{DbTime, Event, Incarnation, Notice, Rule, ServerId, Time, Tuning, WatchId, Word as _};

/// An event that an agent reported.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was reported, on the common clock.
    pub at: Time,
    /// The index of the server whose agent reported it.
    pub host: usize,
    /// The event; its own time is on that server's clock.
    pub event: Event,
}

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Happening {
    Send(WatchId, u32),
    Reply(WatchId, u64, Reply),
    Deadline(WatchId, u64),
    Turn,
    Wake,
    Statement(u64),
    Notice(Notice, Address),
    /// A prober asks to watch this server.
    Asked(ServerId, Address),
}

impl Happening {
    /// Whether the agent's process does this itself, and not the kernel below it.
    const fn is_of_process(&self) -> bool {
        match self {
            Self::Send(..) | Self::Turn | Self::Wake | Self::Statement(_) | Self::Notice(..) | Self::Asked(..) => true,
            Self::Reply(..) | Self::Deadline(..) => false,
        }
    }
}

/// A pool under a virtual clock, with its network and its database.
#[derive(Debug)]
pub struct World {
    /// The common clock, which no server can read.
    pub now: Time,
    /// All servers, whether their agents run or not.
    pub hosts: Vec<Host>,
    /// The network between the servers.
    pub network: Network,
    /// The database with the pool's table.
    pub table: VirtualTable,
    /// The database answers no server.
    pub database_away: bool,
    /// While the database is slow for all servers: least and most time of one statement.
    pub slow: Option<(Duration, Duration)>,
    pub(super) database: Database,
    pub(super) drains: Drains,
    /// The rotation of the pool's key that is under way.
    pub(super) rotation: Option<Rotation>,
    /// No notice arrives.
    pub notices_lost: bool,
    /// The recordings of the agents that are recorded ([`World::record`]), by the server's index.
    pub tapes: BTreeMap<usize, Tape>,
    /// All events that the agents reported.
    pub log: Vec<Line>,
    /// What must never happen, and did.
    pub violations: Vec<String>,
    pub(super) settings: Settings,
    pub(super) rng: Rng,
    queue: BTreeMap<(Time, u64), (usize, u32, Happening)>,
    sequence: u64,
    pub(super) events_checked: usize,
    pub(super) checked_at: Time,
    /// The row and the incarnation that each name last had.
    pub(super) lives: BTreeMap<String, (ServerId, Incarnation)>,
    /// The incarnations that the rows had when the table went back, until they are taken again.
    pub(super) restored: BTreeMap<ServerId, Incarnation>,
    /// Each row's links, and since when they are so; of small pools only.
    pub(super) placed: BTreeMap<ServerId, (ServerId, ServerId, Time)>,
    /// The routers that follow this pool, if any.
    pub(super) routers: Vec<Router>,
    pub(super) rough: Rough,
    /// Loss and latency as they were when watches last became calm.
    pub(super) weather: (u64, (Duration, Duration)),
    /// What the agents sent.
    pub traffic: Traffic,
    /// The number of happenings that were simulated one by one.
    pub steps: u64,
}

/// When the last disturbance happened of anything that a promise depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rough {
    /// The database did not answer a server, or was slow.
    pub database: Time,
    /// The database did not answer a server.
    pub away: Time,
    /// The database's clock stepped back.
    pub stepped: Option<Time>,
    /// The table went back in time; `None`: it never did.
    pub went_back: Option<Time>,
    /// A notice was lost although frames would have carried it.
    pub notices: Time,
    /// A server left the table.
    pub ended: Time,
}

impl World {
    /// The agent's loop turns at least this often.
    pub(super) const TURN: Duration = Duration::from_millis(50);
    /// The database's clock when the world begins.
    pub(super) const EPOCH: DbTime = DbTime::from_us(1_700_000_000_000_000);

    /// A world whose servers have no agents yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut rng = Rng::new(settings.seed);
        let mut table = VirtualTable::new(Self::EPOCH);
        table.pool.keys = vec![key(1)];
        table.links_only = settings.without.takes_out(Rule::R8);
        Self {
            now: Time::ZERO,
            hosts: (0..settings.servers).map(|i| Host::new(i, rng.word())).collect(),
            network: Network::new(rng.word()),
            table,
            database_away: false,
            slow: None,
            database: Database::default(),
            drains: Drains::new(),
            rotation: None,
            notices_lost: false,
            tapes: BTreeMap::new(),
            log: Vec::new(),
            violations: Vec::new(),
            settings,
            rng,
            queue: BTreeMap::new(),
            sequence: 0,
            events_checked: 0,
            checked_at: Time::ZERO,
            lives: BTreeMap::new(),
            restored: BTreeMap::new(),
            placed: BTreeMap::new(),
            routers: Vec::new(),
            rough: Rough::default(),
            weather: (0, (Duration::ZERO, Duration::ZERO)),
            traffic: Traffic::default(),
            steps: 0,
        }
    }

    /// The constants of every agent here.
    pub(super) fn tuning(&self) -> Tuning {
        Tuning { without: self.settings.without, ..self.settings.profile.tuning() }
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        self.notice_weather();
        while let Some((&(at, _), _)) = self.queue.first_key_value()
            && at <= until
        {
            self.step();
        }
        self.turn_routers(until);
        self.now = until;
    }

    /// Lets time pass until the condition holds, but no more than `most`. Returns whether it holds.
    pub fn run_until(&mut self, most: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + most;
        while !so(self) {
            if self.now >= until {
                return false;
            }
            self.run_for(Duration::from_millis(10));
        }
        true
    }

    fn step(&mut self) {
        let Some(((at, _), (host, life, happening))) = self.queue.pop_first() else { return };
        self.turn_routers(at);
        self.now = at;
        self.steps += 1;
        let h = &mut self.hosts[host];
        if h.life != life {
            return;
        }
        if h.frozen && happening.is_of_process() {
            h.deferred.push(happening);
            return;
        }
        self.happen(host, happening);
    }

    fn happen(&mut self, host: usize, happening: Happening) {
        let local = self.hosts[host].clock(self.now);
        match happening {
            Happening::Send(watch, round) => self.send(host, watch, round),
            Happening::Reply(watch, probe, reply) => {
                if self.hosts[host].datapath.reply(watch, probe, reply, local) {
                    self.read(host, watch);
                }
            }
            Happening::Deadline(watch, probe) => {
                if self.hosts[host].datapath.deadline(watch, probe, local) {
                    self.read(host, watch);
                }
            }
            Happening::Turn => self.turn(host),
            Happening::Wake => {
                // A sleeping server may have been woken and have gone to sleep again since this was planned.
                if self.settings.lazy && self.hosts[host].wake != Some(self.now) {
                    return;
                }
                self.hosts[host].wake = None;
                self.rouse(host);
                self.wake(host);
            }
            Happening::Statement(ticket) => self.statement(host, ticket),
            Happening::Notice(notice, from) => self.feed(host, Input::Notice(notice, (from, 7464))),
            Happening::Asked(server, address) => self.feed(host, Input::Asked { server, address }),
        }
    }

    pub(super) fn later(&mut self, host: usize, at: Time, happening: Happening) {
        self.sequence += 1;
        let life = self.hosts[host].life;
        self.queue.insert((at, self.sequence), (host, life, happening));
    }

    pub(super) fn start(&mut self, host: usize) {
        let (tuning, keys) = (self.tuning(), self.keys_at_start(host));
        let h = &mut self.hosts[host];
        h.life += 1;
        h.keys = keys;
        h.engine = Some(Engine::new(h.identity(tuning)));
        h.datapath = Datapath::default();
        h.answers = Some(Answers::default());
        h.pulse = Some(h.clock(self.now));
        h.beat = self.now;
        h.asleep = false;
        (h.frozen, h.stopped, h.wake) = (false, None, None);
        let kept = h.disk.clone();
        self.cut_tape(host);
        self.feed(host, Input::Start { kept });
        let phase = self.rng.between(Duration::ZERO, Self::TURN);
        self.later(host, self.now + phase, Happening::Turn);
    }

    pub(super) fn end(&mut self, host: usize, stopped: Option<Stopped>) {
        self.stir(host);
        let h = &mut self.hosts[host];
        h.life += 1;
        h.engine = None;
        h.answers = None;
        h.pulse = None;
        h.frozen = false;
        h.datapath = Datapath::default();
        h.flights.clear();
        h.deferred.clear();
        h.stopped = stopped;
        h.changed = self.now;
    }

    pub(super) fn thaw(&mut self, host: usize) {
        let h = &mut self.hosts[host];
        h.frozen = false;
        for happening in std::mem::take(&mut h.deferred) {
            self.later(host, self.now, happening);
        }
    }

    /// One turn of the agent's loop.
    fn turn(&mut self, host: usize) {
        let now = self.hosts[host].clock(self.now);
        self.wake(host);
        self.tell_probed(host);
        let probers = self.hosts[host].datapath.take_probers();
        for (address, (at, as_buddy)) in probers {
            let prober = self.host_at(address);
            let gets_answers = prober.is_some_and(|prober| self.network.reaches(host, prober));
            let proved = self.hosts[host].datapath.prove(address, at, gets_answers);
            self.feed(host, Input::Answered { address, at, proved });
            if as_buddy {
                self.feed(host, Input::Stranger(address));
            }
            if let Some((server, address)) = self.hosts[host].datapath.asked(address) {
                self.feed(host, Input::Asked { server, address });
            }
        }
        self.hosts[host].pulse = Some(now);
        self.hosts[host].beat = self.now;
        if !self.sleep(host) {
            self.later(host, self.now + Self::TURN, Happening::Turn);
        }
    }

    fn read(&mut self, host: usize, watch: WatchId) {
        let h = &self.hosts[host];
        // A frozen process finds out when it reads again.
        if !h.frozen
            && let Some(reading) = h.datapath.read(watch).cloned()
        {
            self.rouse(host);
            self.decide(host, [(watch, reading)]);
        }
    }

    fn wake(&mut self, host: usize) {
        self.catch_up(host);
        let readings = self.hosts[host].datapath.readings();
        self.decide(host, readings);
    }

    pub(super) fn feed(&mut self, host: usize, input: Input) {
        self.rouse(host);
        self.call(host, Some(input));
        self.drain(host);
    }

    pub(super) fn drain(&mut self, host: usize) {
        self.carry_out_all(host);
        let h = &self.hosts[host];
        let due = h.engine.as_ref().and_then(Engine::poll_timeout).map(|t| h.world(t).max(self.now));
        if let Some(due) = due
            && h.wake.is_none_or(|w| due < w)
        {
            self.hosts[host].wake = Some(due);
            self.later(host, due, Happening::Wake);
        }
    }

    pub(super) fn carry_out(&mut self, host: usize, output: Output) {
        let now = self.hosts[host].clock(self.now);
        match output {
            Output::Watch(spec) => {
                let spec = self.as_it_probes(host, spec);
                let (id, interval) = (spec.id, spec.interval);
                self.stir_watch(host, id);
                if let Some((at, round)) = self.hosts[host].datapath.watch(spec, now) {
                    // Some time passes between the decision and the sender.
                    let phase = self.rng.between(Duration::ZERO, interval / 10);
                    let at = self.hosts[host].world(at).max(self.now);
                    self.later(host, at + phase, Happening::Send(id, round));
                }
            }
            Output::Unwatch(id) => {
                self.stir_watch(host, id);
                self.hosts[host].datapath.unwatch(id);
            }
            Output::Table { ticket, op } => self.fly(host, ticket, op),
            Output::Send { to, notice, .. } => self.send_notice(host, to, &notice),
            Output::Event(event) => {
                self.note(host, &format!("{} {} {}", event.kind().word(), event.subject, event.body.detail()));
                self.log.push(Line { at: self.now, host, event });
            }
            Output::Keep(list) => self.hosts[host].disk = Some(list),
            Output::Identity(answers) => {
                self.stir(host);
                self.hosts[host].answers = Some(answers);
            }
            Output::Stopped(stopped) => {
                self.note(host, &format!("{stopped:?}"));
                self.end(host, Some(stopped));
            }
        }
    }

    /// Prints this to standard error if the settings say so.
    pub(super) fn note(&self, host: usize, what: &str) {
        if self.settings.loud {
            let ms = self.now.since(Time::ZERO).as_secs_f64() * 1e3;
            #[expect(clippy::print_stderr, reason = "asked for by whoever runs the simulation")]
            {
                eprintln!("{ms:>10.1} {} {what}", self.hosts[host].name);
            }
        }
    }
}
