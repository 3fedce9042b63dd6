//! Faults of a random pool, each with its end.

use std::time::Duration;

use crate::{Fault, World};
use ringmon_core::rng::Rng;
use ringmon_core::{Time, Word as _, words};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The machine is gone: no frames, no processes. It comes back as it was.
    Crash,
    /// The agent stands still; its kernel answers.
    AgentPaused,
    /// The whole machine stands still for a moment.
    HostPaused,
    /// A link between two servers carries nothing in either direction.
    LinkCut,
    /// A link carries frames in one direction only.
    OneWayCut,
    /// Some servers and the others do not hear each other.
    Partition,
    /// No server hears this one for less than half a second.
    Blip,
    /// No server hears this one; it reaches the database.
    Isolated,
    /// Statements take tens or hundreds of milliseconds, for one server or for all.
    DatabaseSlow,
    /// The database does not answer one server.
    DatabaseAwayForOne,
    /// The database answers no server.
    DatabaseAway,
    /// Notices do not arrive.
    NoticesLost,
    /// A server joins that was never there.
    Join,
    /// A server leaves, and joins again.
    Leave,
    /// An agent is killed and started again.
    Restart,
    /// An agent is killed, and starts again at another address.
    AddressChanged,
    /// An agent is killed, and starts again without its state directory.
    StateLost,
    /// Another machine starts with a copy of a server's name and state directory. It reaches the database and no
    /// server.
    Copy,
    /// The database's clock steps back.
    ClockBack,
    /// All servers lose their power, and come back one after the other.
    PowerCut,
    /// No server hears another one; their ports come back one after the other. The database may be behind the switch.
    SwitchReboot,
    /// The table goes back in time: what was committed since the fault began is lost.
    TableBack,
    /// Every third answer to a COMMIT is lost.
    AnswersLost,
    /// A machine dies inside a transaction: the database keeps its locks for six seconds.
    DiesWriting,
    /// An agent is killed, and starts again as the version before, or as the one of today: see [`World::set_older`].
    VersionChanged,
    /// The pool's key is rotated.
    KeyRotated,
    /// An operator drains a server, and ends that.
    Drained,
    /// A filter drops one server's probes to another one, or to all, before they leave.
    Blind,
}

words! { Kind:
    Crash = "crash",
    AgentPaused = "agent paused",
    HostPaused = "host paused",
    LinkCut = "link cut",
    OneWayCut = "one-way cut",
    Partition = "partition",
    Blip = "blip",
    Isolated = "isolated",
    DatabaseSlow = "database slow",
    DatabaseAwayForOne = "database away for one",
    DatabaseAway = "database away",
    NoticesLost = "notices lost",
    Join = "join",
    Leave = "leave",
    Restart = "restart",
    AddressChanged = "address changed",
    StateLost = "state lost",
    Copy = "copy",
    ClockBack = "clock back",
    PowerCut = "power cut",
    SwitchReboot = "switch reboot",
    TableBack = "table back",
    AnswersLost = "answers lost",
    DiesWriting = "dies writing",
    VersionChanged = "version changed",
    KeyRotated = "key rotated",
    Drained = "drained",
    Blind = "blind",
}

/// One fault of one pool: its kind, its servers, its begin and its end.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub kind: Kind,
    pub at: Time,
    pub until: Time,
    servers: usize,
    one: usize,
    other: usize,
    group: Vec<usize>,
    slow: (Duration, Duration),
}

impl Plan {
    /// These kinds are drawn apart from the others, which therefore are what they are without them.
    const APART: [(Kind, [u8; 8]); 7] = [
        (Kind::TableBack, *b"go back!"),
        (Kind::AnswersLost, *b"answers?"),
        (Kind::DiesWriting, *b"to write"),
        (Kind::VersionChanged, *b"upgrades"),
        (Kind::KeyRotated, *b"new key!"),
        (Kind::Drained, *b"drained!"),
        (Kind::Blind, *b"no sight"),
    ];

    /// Whether the pool of this seed has this kind, which is drawn apart.
    #[cfg(test)]
    pub fn is_apart(seed: u64, servers: usize, kind: Kind) -> bool {
        Self::apart(seed, servers, Time::ZERO).iter().any(|plan| plan.kind == kind)
    }

    /// In every fourth pool, the table goes back at some time; in every fourth pool answers are lost, and so on. Of
    /// upgrades and downgrades there are up to three.
    pub fn apart(seed: u64, servers: usize, begin: Time) -> Vec<Self> {
        let of = |(kind, name): (Kind, [u8; 8])| {
            let mut rng = Rng::new(seed ^ u64::from_be_bytes(name));
            let mut draw = || Self { kind, ..Self::draw(&mut rng, servers, &mut Vec::new(), begin) };
            let first = draw();
            let more: Vec<Self> = if kind == Kind::VersionChanged { vec![draw(), draw()] } else { Vec::new() };
            let (some, count) = (rng.chance(250), index(&mut rng, more.len() + 1));
            let all = std::iter::once(first).chain(more.into_iter().take(count));
            if some { all.collect() } else { Vec::new() }
        };
        let mut plans: Vec<Self> = Self::APART.into_iter().flat_map(of).collect();
        // Agents take back the keys that a restore brings back (`docs/database.md`). That is not modelled.
        let goes_back = plans.iter().any(|plan| plan.kind == Kind::TableBack);
        plans.retain(|plan| !goes_back || plan.kind != Kind::KeyRotated);
        plans
    }

    /// Draws any fault that begins within six seconds of `begin`. `absent`: servers that were not started yet.
    pub fn draw(rng: &mut Rng, servers: usize, absent: &mut Vec<usize>, begin: Time) -> Self {
        let ms = Duration::from_millis;
        let mut kind = Kind::ALL[index(rng, Kind::ALL.len() - Self::APART.len())];
        let mut one = index(rng, servers);
        if kind == Kind::Join {
            match absent.pop() {
                Some(host) => one = host,
                None => kind = Kind::Restart,
            }
        }
        let other = (one + 1 + index(rng, servers - 1)) % servers;
        let (bits, most) = (rng.word(), ms(20 + rng.below(380)));
        let at = begin + rng.between(Duration::ZERO, ms(6000));
        let long = kind != Kind::Blip && rng.chance(600);
        let span = rng.between(ms(20), if long { ms(8000) } else { ms(450) });
        Self {
            kind,
            at,
            until: at + span,
            servers,
            one,
            other,
            group: (0..servers).filter(|host| bits >> host & 1 == 1).collect(),
            slow: (most / 10, most),
        }
    }

    /// The faults of single servers that this one consists of.
    pub fn parts(&self, rng: &mut Rng) -> Vec<Self> {
        let spread = Duration::from_secs(if self.kind == Kind::PowerCut { 30 } else { 5 });
        if !matches!(self.kind, Kind::PowerCut | Kind::SwitchReboot) {
            return vec![self.clone()];
        }
        let of = |one| Self { one, until: self.until + rng.between(Duration::ZERO, spread), ..self.clone() };
        (0..self.servers).map(of).collect()
    }

    pub fn begin(&self, world: &mut World) {
        self.turn(world, true);
    }

    pub fn end(&self, world: &mut World) {
        self.turn(world, false);
    }

    fn turn(&self, world: &mut World, on: bool) {
        let (one, other, now) = (self.one, self.other, world.now);
        world.note(one, &format!("--- {} {}", self.kind.word(), if on { "begins" } else { "ends" }));
        let befall = |world: &mut World, from, to| {
            let fault = if on { from } else { to };
            // The end of another fault may have started it again.
            if fault != Fault::Start || world.hosts[one].engine.is_none() {
                world.befall(one, fault);
            }
        };
        match self.kind {
            Kind::Crash | Kind::HostPaused => befall(world, Fault::Crash, Fault::Return),
            Kind::AgentPaused => befall(world, Fault::Stop, Fault::Continue),
            Kind::Blip | Kind::Isolated => befall(world, Fault::Isolate, Fault::Return),
            Kind::LinkCut => {
                world.network.set_cut(one, other, on, now);
                world.network.set_cut(other, one, on, now);
            }
            Kind::OneWayCut => world.network.set_cut(one, other, on, now),
            Kind::Partition => world.partition(&self.group, on),
            Kind::DatabaseSlow if self.group.len().is_multiple_of(2) => world.slow = on.then_some(self.slow),
            Kind::DatabaseSlow => world.hosts[one].slow = on.then_some(self.slow),
            Kind::DatabaseAwayForOne => befall(world, Fault::LoseDatabase, Fault::FindDatabase),
            Kind::DatabaseAway => world.database_away = on,
            Kind::NoticesLost => world.notices_lost = on,
            Kind::AddressChanged | Kind::StateLost => {
                befall(world, Fault::Kill, Fault::Start);
                if on && self.kind == Kind::StateLost {
                    world.lose_state(one);
                } else if on {
                    world.readdress(one, [10, 77, 1, u8::try_from(one).unwrap_or(0)].into());
                }
            }
            Kind::Copy if on => world.copy_of(one),
            Kind::Copy => world.end_copies(one),
            Kind::ClockBack if on => world.step_back(self.until.since(self.at) * 60),
            Kind::ClockBack => {}
            Kind::Leave => befall(world, Fault::Leave, Fault::Start),
            Kind::Restart => befall(world, Fault::Kill, Fault::Start),
            Kind::VersionChanged => {
                befall(world, Fault::Kill, Fault::Start);
                if on {
                    world.set_older(one, !world.hosts[one].older);
                }
            }
            Kind::KeyRotated if on => world.rotate_key(),
            Kind::KeyRotated => {}
            Kind::Drained => world.set_draining(one, on),
            Kind::Blind if self.group.len().is_multiple_of(2) => world.blind_to(one, other, on),
            Kind::Blind => befall(world, Fault::Blind, Fault::See),
            // A server that is not there yet stays away.
            Kind::PowerCut | Kind::DiesWriting if world.hosts[one].life == 0 => {}
            Kind::PowerCut | Kind::DiesWriting if !on && world.hosts[one].engine.is_some() => {
                world.befall(one, Fault::Return);
            }
            Kind::PowerCut | Kind::DiesWriting => {
                if self.kind == Kind::DiesWriting && on {
                    world.hold_rows(one);
                }
                befall(world, Fault::PowerOff, Fault::PowerOn);
            }
            Kind::SwitchReboot => {
                befall(world, Fault::Isolate, Fault::Return);
                if self.group.len().is_multiple_of(2) {
                    befall(world, Fault::LoseDatabase, Fault::FindDatabase);
                }
            }
            Kind::AnswersLost => world.lose_answers(on),
            Kind::TableBack if on => world.keep_table(),
            Kind::TableBack => world.table_goes_back(),
            Kind::Join if on => befall(world, Fault::Start, Fault::Start),
            Kind::Join => {}
        }
    }
}

/// A random number below `end`.
pub(super) fn index(rng: &mut Rng, end: usize) -> usize {
    usize::try_from(rng.below(end as u64)).unwrap_or(0)
}
