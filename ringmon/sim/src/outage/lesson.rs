//! What a pool has learned after some outages of one server (R6): how long it waits, whom the next outage removes, and
//! for how long a dead server is kept.

use std::time::Duration;

use super::{Reach, SERVERS, calm, outage};
use crate::{Fault, Settings, World};
use ringmon_core::rng::Rng;
use ringmon_core::{EventKind, Profile, Purpose};

/// The outages that a pool has been through. All servers share each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// How many.
    pub outages: u32,
    /// How long each was; `None`: as the next one.
    pub length: Option<Duration>,
    /// The mean length of the next one, which is drawn from an exponential distribution.
    pub mean: Duration,
}

/// What one pool did after its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The silence that a removal asked for before the next outage: the shorter one of both buddies.
    pub asked: Duration,
    /// Whether the next outage removed any server.
    pub removed: bool,
    /// How long the server was in the table after it died; `None`: it stayed.
    pub kept: Option<Duration>,
}

/// The most time until a dead server is removed.
const GONE: Duration = Duration::from_secs(30);
/// The most time until the ring is whole after an outage.
const WHOLE: Duration = Duration::from_secs(120);

/// A length with this mean, distributed exponentially.
fn drawn(rng: &mut Rng, mean: Duration) -> Duration {
    // 53 bits are what a number of this type holds: at least one, so that the logarithm has an end.
    let share = ((rng.word() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    mean.mul_f64(-share.ln())
}

/// Simulates this history in a pool of this seed, then another outage, then a crash of the same server.
#[must_use]
pub fn lesson(profile: Profile, seed: u64, history: &History) -> Lesson {
    let settings = Settings { profile, lazy: true, ..Settings::new(seed, SERVERS) };
    let (mut world, order) = World::established(settings, Duration::from_secs(1));
    let (victim, buddy, tuning) = (order[0], order[1], profile.tuning());
    let mut rng = Rng::new(seed ^ 0x6c65_7373_6f6e);
    let mut calm_down = |world: &mut World| {
        world.run_until(WHOLE, World::settled);
        world.run_for(calm(&tuning) + rng.between(Duration::ZERO, tuning.interval));
    };
    let mut lengths = Rng::new(seed ^ 0x6c65_6e67_7468);
    calm_down(&mut world);
    for _ in 0..history.outages {
        let length = history.length.unwrap_or_else(|| drawn(&mut lengths, history.mean));
        outage(&mut world, victim, buddy, length, Reach::Shared);
        calm_down(&mut world);
    }
    let asked = asked(&world, victim);
    let next = drawn(&mut lengths, history.mean);
    let (_, removed) = outage(&mut world, victim, buddy, next, Reach::Shared);
    calm_down(&mut world);
    Lesson { asked, removed, kept: kept(&mut world, victim) }
}

/// The silence that either buddy of this server asks for before it removes it.
fn asked(world: &World, victim: usize) -> Duration {
    let address = world.hosts[victim].address;
    let engines = world.hosts.iter().filter_map(|host| host.engine.as_ref().map(|e| e.snapshot(host.clock(world.now))));
    let watches = engines.flat_map(|snapshot| snapshot.watches);
    let buddies = watches.filter(|watch| watch.address == address && watch.purpose == Purpose::Buddy);
    buddies.map(|watch| watch.silence_asked).min().unwrap_or_default()
}

/// Crashes this server, and returns how long it stayed in the table.
fn kept(world: &mut World, victim: usize) -> Option<Duration> {
    let (from, name, seen) = (world.now, world.hosts[victim].name.clone(), world.log.len());
    world.befall(victim, Fault::Crash);
    world.run_until(GONE, |world| world.table.named(&name).is_none());
    let mut downs =
        world.log.iter().skip(seen).filter(|l| l.event.kind() == EventKind::Down && l.event.subject == name);
    downs.next().map(|line| line.at.since(from))
}
