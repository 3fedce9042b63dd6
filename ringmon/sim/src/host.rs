//! One simulated server: its agent, its kernel, its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::datapath::Datapath;
use super::world::{Happening, World};
use ringmon_core::buddy::BuddyList;
use ringmon_core::card::{Card, Clients};
use ringmon_core::engine::{Answers, Engine, Identity, Stopped};
use ringmon_core::evidence::Ground;
use ringmon_core::op::Lane;
use ringmon_core::row::{Address, Mode};
use ringmon_core::virtual_table::Attempt;
use ringmon_core::{BootToken, PoolKeys, ServerId, Time, Tuning};

/// A table operation under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub attempt: Attempt,
    pub grounds: Vec<Ground>,
    pub began: Time,
    pub lane: Lane,
    /// Whether it has a connection. Of each lane, as many have as it is wide.
    pub connected: bool,
    /// Since when it waits for rows that others hold.
    pub waits: Option<Time>,
    /// Its connection is gone.
    pub broken: bool,
}

/// A simulated server.
#[derive(Debug)]
pub struct Host {
    /// The name: `s1`, `s2`, ...
    pub name: String,
    /// The address at which it is probed.
    pub address: Address,
    /// The agent; `None`: the process does not run.
    pub engine: Option<Engine>,
    /// How the last agent ended.
    pub stopped: Option<Stopped>,
    /// The agent's process gets no CPU time.
    pub frozen: bool,
    /// No frame passes.
    pub cut: bool,
    /// A filter drops all of its own probes ...
    pub blind: bool,
    /// ... or those of these servers.
    pub blind_to: BTreeSet<usize>,
    /// This server cannot reach the database.
    pub database_cut: bool,
    /// While the database is slow for this server: least and most time of one statement.
    pub slow: Option<(Duration, Duration)>,
    /// How far the database is from this server at all times: least and most time of one statement.
    pub distance: Option<(Duration, Duration)>,
    /// When any of these, or the process itself, last changed.
    pub changed: Time,
    /// What the agent may do, from its next start on.
    pub mode: Mode,
    /// The state directory: the kept buddy list.
    pub disk: Option<BuddyList>,
    /// The pool's keys, in memory and on disk. The first one is used.
    pub(super) keys: PoolKeys,
    /// The agent is of the version before: see the module `older`.
    pub(super) older: bool,
    pub(super) offset: Duration,
    pub(super) life: u32,
    pub(super) datapath: Datapath,
    /// The identity with which the kernel answers probes; `None`: it answers with plain echoes.
    pub(super) answers: Option<Answers>,
    pub(super) pulse: Option<Time>,
    pub(super) flights: BTreeMap<u64, Flight>,
    pub(super) deferred: Vec<Happening>,
    pub(super) wake: Option<Time>,
    /// The servers from which a frame arrived since this machine booted: their neighbour entries exist.
    pub(super) resolved: BTreeMap<usize, ()>,
    /// The queue holds no event for its healthy watches and its idle turns: see the module `calm`.
    pub(super) asleep: bool,
    /// When its loop last turned, on the common clock.
    pub(super) beat: Time,
    pub(super) boot: BootToken,
    /// It is a copy of this server, and not one of the pool's machines.
    pub(super) copy_of: Option<usize>,
    /// Its row was taken over when it was the only one of its pool and could not be heard: it has to give way.
    pub(super) orphaned: bool,
    seed: u64,
}

impl Host {
    /// Whether any of its probes are dropped before they leave.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind || !self.blind_to.is_empty()
    }

    /// Whether its probes of that server are.
    pub(super) fn cannot_probe(&self, other: usize) -> bool {
        self.blind || self.blind_to.contains(&other)
    }

    pub(super) fn new(index: usize, seed: u64) -> Self {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let [_, high, middle, low] = number.to_be_bytes();
        Self {
            name: format!("s{number}"),
            address: Address::from([10, high, middle, low]),
            engine: None,
            stopped: None,
            frozen: false,
            cut: false,
            blind: false,
            blind_to: BTreeSet::new(),
            database_cut: false,
            slow: None,
            distance: None,
            changed: Time::ZERO,
            mode: Mode::Act,
            disk: None,
            keys: PoolKeys::default(),
            older: false,
            // Monotonic clocks begin at boot: no two servers agree.
            offset: Duration::from_secs(1000 * u64::from(number)),
            life: 0,
            datapath: Datapath::default(),
            answers: None,
            pulse: None,
            flights: BTreeMap::new(),
            deferred: Vec::new(),
            wake: None,
            resolved: BTreeMap::new(),
            asleep: false,
            beat: Time::ZERO,
            boot: BootToken(format!("boot-{number}")),
            copy_of: None,
            orphaned: false,
            seed,
        }
    }

    /// The common clock's `now` on this server's own clock.
    #[must_use]
    pub fn clock(&self, now: Time) -> Time {
        now + self.offset
    }

    /// When its pulse had last beaten by that moment, on the common clock. The loop of a sleeping server turns too.
    pub(super) fn pulse_at(&self, at: Time) -> Option<Time> {
        self.pulse?;
        if at < self.beat || !self.asleep {
            let behind = self.beat.since(at).as_nanos().div_ceil(World::TURN.as_nanos());
            return Some(self.beat - World::TURN * u32::try_from(behind).unwrap_or(u32::MAX));
        }
        let turns = at.since(self.beat).as_nanos() / World::TURN.as_nanos();
        Some(self.beat + World::TURN * u32::try_from(turns).unwrap_or(u32::MAX))
    }

    /// A moment of this server's own clock on the common clock.
    pub(super) fn world(&self, local: Time) -> Time {
        local - self.offset
    }

    pub(super) fn identity(&self, tuning: Tuning) -> Identity {
        Identity {
            card: Card {
                name: self.name.clone(),
                address: self.address,
                notice_port: 7464,
                clients: Clients { address: None, port: None, weight: 1 },
                boot: self.boot.clone(),
            },
            mode: self.mode,
            tuning,
            seed: self.seed.wrapping_add(u64::from(self.life) << 32),
            start_drained: false,
        }
    }

    /// Whether its agent runs and can do its work.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.engine.is_some() && !self.frozen && !self.cut && !self.database_cut
    }

    /// The engine's buddies, by id; `None` if it is not a member.
    #[must_use]
    pub fn buddies(&self) -> Option<(ServerId, ServerId)> {
        let list = self.engine.as_ref()?.member()?;
        let id = |b: &Option<ringmon_core::buddy::Buddy>| b.as_ref().map_or(list.id, |b| b.id);
        Some((id(&list.first), id(&list.second)))
    }
}
