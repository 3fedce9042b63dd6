//! What the tests share.

use std::time::Duration;

use crate::{Fault, Settings, World};
use ringmon_core::engine::Stopped;
use ringmon_core::{EventKind, PoolRow, Time};

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The seed of the runs that use a single one. RINGMON_SEED sets another.
pub fn seed() -> u64 {
    let seed = std::env::var("RINGMON_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("RINGMON_SEED={seed}");
    seed
}

/// The seeds of the runs that use a few: the first RINGMON_SEEDS, or [`seed`] alone.
pub fn seeds() -> std::ops::Range<u64> {
    let many = std::env::var("RINGMON_SEEDS").ok().and_then(|s| s.parse::<u64>().ok());
    many.map_or_else(|| seed()..seed() + 1, |many| 1..many + 1)
}

/// A pool of this many servers, all of them on the ring and heard.
pub fn pool(servers: usize) -> World {
    let mut world = World::new(Settings { loud: loud(), ..Settings::new(seed(), servers) });
    for host in 0..servers {
        world.befall(host, Fault::Start);
    }
    assert!(world.run_until(secs(20), World::settled), "{servers} servers do not come together: {:?}", world.ring());
    world.run_for(secs(1));
    rule(&mut world, |pool| pool.rules.brake_permille = 1000);
    world
}

/// The time from `from` until any agent first reported such an event about this server.
pub fn told(world: &World, from: Time, kind: EventKind, subject: &str) -> Option<Duration> {
    let line = world.log.iter().find(|l| l.at >= from && l.event.kind() == kind && l.event.subject == subject)?;
    Some(line.at.since(from))
}

pub fn assert_sound(world: &World) {
    assert_eq!(world.violations, Vec::<String>::new());
}

/// How often such an event was reported about this server since `from`.
pub fn count(world: &World, from: Time, kind: EventKind, subject: &str) -> usize {
    world.log.iter().filter(|l| l.at >= from && l.event.kind() == kind && l.event.subject == subject).count()
}

/// Makes a fault happen to the server with this name.
pub fn befall(world: &mut World, name: &str, fault: Fault) {
    let host = world.host(name).expect("known");
    world.befall(host, fault);
}

/// Changes the pool's row, as an operator would.
pub fn rule(world: &mut World, change: impl FnOnce(&mut PoolRow)) {
    change(&mut world.table.pool);
    world.table.pool.version += 1;
}

/// Whether any server was ever removed.
pub fn anybody_removed(world: &World) -> bool {
    world.table.events.iter().any(|e| matches!(e.kind(), EventKind::Down | EventKind::AgentLost))
}

/// With RINGMON_SIM_LOG set, a world prints everything that happens.
pub fn loud() -> bool {
    std::env::var_os("RINGMON_SIM_LOG").is_some()
}

/// Why this server's agent refused to go on.
pub fn refusal(world: &World, host: usize) -> String {
    match &world.hosts[host].stopped {
        Some(Stopped::Refused(why)) => why.clone(),
        other => panic!("not refused: {other:?}"),
    }
}
