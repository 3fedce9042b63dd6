//! Small pools, each with up to seven random faults. One seed is one pool and its history.
//!
//! ```text
//!  come together --> faults, each with its end --> everything heals --> some die for good --> the end
//!                                                        |                                     |
//!              everybody is on one ring, nobody is accused    so is everybody who lives, and nobody else
//! ```
//!
//! All the while, [`World::violations`] collects what must never happen: see `check`.

mod faults;

use std::collections::BTreeMap;
use std::time::Duration;

pub use faults::Kind;
use faults::{Plan, index};

use super::{Fault, Host, Settings, World};
use ringmon_core::engine::Stopped;
use ringmon_core::op::TableOp;
use ringmon_core::rng::Rng;
use ringmon_core::route::Policy;
use ringmon_core::row::{Alone, Quorum, ServerRow, Vote};
use ringmon_core::{EventKind, Rule, ServerId, Time, Without, law};

/// The settings of a run, besides the seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The rules that are taken out.
    pub without: Vec<Rule>,
    /// Whether to print everything that happens to standard error.
    pub loud: bool,
}

/// What happened in one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The number of servers in the pool.
    pub servers: usize,
    /// The number of faults, by kind.
    pub faults: BTreeMap<Kind, u64>,
    /// The number of servers removed by votes or alone.
    pub removals: u64,
    /// The number of servers that joined again after a removal.
    pub rejoins: u64,
    /// How much of the world's time it took.
    pub span: Duration,
    /// What must never happen, and did. Empty: all is well.
    pub wrong: Vec<String>,
}

/// The least and most servers of a pool.
const SERVERS: (u64, u64) = (2, 12);
const FAULTS: u64 = 7;
/// The most statements of a server in six seconds of a pool that has healed. Each agent may still find out that the
/// table went back, take its row again, and be told to look by its buddies.
const REST: u64 = 100;
const STEP: Duration = Duration::from_millis(100);

/// Simulates the pool of this seed.
#[must_use]
pub fn live(seed: u64, options: &Options) -> Life {
    live_in(seed, options).0
}

/// Whether a fault of this kind, which is drawn apart from the others, is in the pool of this seed.
#[cfg(test)]
pub(crate) fn has(seed: u64, kind: Kind) -> bool {
    Plan::is_apart(seed, size(&mut Rng::new(seed)), kind)
}

/// How many servers a pool has: the first thing that is drawn.
fn size(rng: &mut Rng) -> usize {
    usize::try_from(SERVERS.0 + rng.below(SERVERS.1 - SERVERS.0 + 1)).unwrap_or(2)
}

/// The same as [`live`]; also returns the world at its end.
pub(crate) fn live_in(seed: u64, options: &Options) -> (Life, World) {
    let mut rng = Rng::new(seed);
    let mut life = Life::default();
    let mut world = found(seed, options, &mut rng, &mut life);
    let told = endure(&mut world, seed, &mut rng, &mut life).and_then(|()| die_for_good(&mut world, &mut rng));
    life.wrong = std::mem::take(&mut world.violations);
    if life.wrong.is_empty() {
        life.wrong.extend(told.err());
    }
    let removed = |kind| matches!(kind, EventKind::Down | EventKind::AgentLost);
    life.removals = world.table.events.iter().filter(|e| removed(e.kind())).count() as u64;
    life.rejoins = world.log.iter().filter(|l| l.event.kind() == EventKind::Rejoined).count() as u64;
    life.span = world.now.since(Time::ZERO);
    (life, world)
}

/// A pool with random rules, network and database. Not all of its servers have started yet.
fn found(seed: u64, options: &Options, rng: &mut Rng, life: &mut Life) -> World {
    let ms = Duration::from_millis;
    life.servers = size(rng);
    let without = Without::rules(&options.without);
    let mut settings = Settings { loud: options.loud, lazy: true, without, ..Settings::new(seed, life.servers) };
    if rng.chance(300) {
        settings.statement = (ms(1), ms(20));
    }
    let mut world = World::new(settings);
    if rng.chance(400) {
        // Some servers are farther from the database than others.
        let most = ms(1 + rng.below(30));
        for host in (0..life.servers).filter(|_| rng.chance(500)) {
            world.hosts[host].distance = Some((most / 2, most));
        }
    }
    if rng.chance(300) {
        world.network.loss_permille = rng.below(30);
    }
    mix(&mut world, seed);
    let rules = &mut world.table.pool.rules;
    rules.quorum = if rng.chance(150) { Quorum::Single } else { Quorum::Both };
    rules.alone = if rng.chance(500) { Alone::One } else { Alone::All };
    rules.brake_permille = if rng.chance(300) { 500 } else { 1000 };
    world
}

/// In every fourth pool, about half of the agents are of the version before. This is drawn apart from all else.
fn mix(world: &mut World, seed: u64) {
    let mut rng = Rng::new(seed ^ u64::from_be_bytes(*b"versions"));
    if rng.chance(250) {
        (0..world.hosts.len()).filter(|_| rng.chance(500)).for_each(|host| world.set_older(host, true));
    }
}

/// Lets the pool come together, go through its faults, and heal.
fn endure(world: &mut World, seed: u64, rng: &mut Rng, life: &mut Life) -> Result<(), String> {
    let ms = Duration::from_millis;
    let mut absent: Vec<usize> = (1..life.servers).filter(|_| rng.chance(100)).collect();
    for host in (0..life.servers).filter(|host| !absent.contains(host)) {
        world.befall(host, Fault::Start);
    }
    if !pass_until(world, ms(60_000)) {
        return Err(format!("{} servers do not come together: {:?}", life.servers, world.ring()));
    }
    world.watch_routes(&Policy::default());
    let begin = world.now + ms(1000);
    let mut plans: Vec<Plan> =
        (0..1 + rng.below(FAULTS)).map(|_| Plan::draw(rng, life.servers, &mut absent, begin)).collect();
    plans.extend(Plan::apart(seed, life.servers, begin));
    for plan in &plans {
        *life.faults.entry(plan.kind).or_default() += 1;
    }
    let parts = plans.iter().flat_map(|plan| plan.parts(rng));
    let parts: Vec<Plan> = parts.collect();
    let ends = parts.iter().flat_map(|plan| [(plan.at, plan, true), (plan.until, plan, false)]);
    let mut acts: Vec<(Time, &Plan, bool)> = ends.collect();
    acts.sort_by_key(|(at, _, _)| *at);
    for (at, plan, begins) in acts {
        pass(world, at.since(world.now));
        if begins { plan.begin(world) } else { plan.end(world) }
    }
    pass(world, ms(500));
    world.heal();
    // Not every pool may remove the row of a server that comes back at another address. Then that server says what to
    // do.
    if !pass_until(world, ms(30_000)) {
        leave_for_the_readdressed(world);
    }
    // The pause between two tries of the database is at most five seconds.
    let mut settled = pass_until(world, ms(120_000));
    // Whoever does not know yet that the table went back finds out at its next look, and takes its row again.
    while settled && world.doubts() {
        pass(world, STEP);
    }
    // Whom it has not heard since then may have a grace of a minute.
    settled = settled && pass_until(world, ms(120_000)) && {
        let before = world.traffic.statements;
        pass(world, ms(6000));
        let many = world.traffic.statements - before;
        if many > REST * life.servers as u64 {
            return Err(format!("everybody is well, and {} servers need {many} statements in 6 s", life.servers));
        }
        world.settled()
    };
    judge(world, settled)
}

/// `ringmon leave` of all rows whose servers are at another address by now.
fn leave_for_the_readdressed(world: &mut World) {
    let moved =
        |row: &&ServerRow| world.host(&row.card.name).is_some_and(|h| world.hosts[h].address != row.card.address);
    let ids: Vec<ServerId> = world.table.rows.values().filter(moved).map(|row| row.id).collect();
    for id in ids {
        // Fails only if the rows are no ring, which is a violation anyway.
        let _ = world.table.run_plain(&TableOp::Leave { id, incarnation: None, by: "operator".into() });
    }
}

/// Lets some servers die for good, in random ways. The others must remove them; the pool's limits are lifted first.
fn die_for_good(world: &mut World, rng: &mut Rng) -> Result<(), String> {
    // The first server never dies, so that somebody is left to notice. It has stopped if its row was taken over, or if
    // it could not say that it leaves and was found lost.
    if !world.hosts.first().is_some_and(Host::is_well) {
        return Ok(());
    }
    let ms = Duration::from_millis;
    let rules = &mut world.table.pool.rules;
    (rules.alone, rules.brake_permille) = (Alone::All, 1000);
    world.table.pool.frozen = None;
    world.table.pool.version += 1;
    let mut dead = Vec::new();
    for host in 1..world.hosts.len() {
        if world.hosts[host].copy_of.is_none() && rng.chance(500) {
            dead.push(world.hosts[host].name.clone());
            let fault = [Fault::Crash, Fault::Kill, Fault::Stop][index(rng, 3)];
            world.befall(host, fault);
            pass(world, rng.between(Duration::ZERO, ms(200)));
        }
    }
    // Whoever was away a moment ago gives servers that it has not heard since a grace (R6).
    let settled = pass_until(world, ms(20_000) + law::GRACE_MOST) && {
        // An alone mark stands for a little longer than it is true.
        pass(world, ms(2000));
        world.settled()
    };
    let left: Vec<&String> = dead.iter().filter(|name| world.table.named(name).is_some()).collect();
    if !left.is_empty() {
        return Err(format!("dead servers are left in the table: {left:?} of {:?}", world.ring()));
    }
    judge(world, settled)
}

/// Lets time pass, and checks every [`STEP`] which servers know their buddies.
fn pass(world: &mut World, span: Duration) {
    let until = world.now + span;
    while world.now < until {
        world.run_for(STEP.min(until.since(world.now)));
        world.rotate_on();
        world.check_buddies();
        world.check_routes();
    }
}

/// Waits until exactly the servers that are well are on one ring, but no longer than `most`. Returns whether that
/// happened.
fn pass_until(world: &mut World, most: Duration) -> bool {
    let until = world.now + most;
    while !world.settled() {
        if world.now >= until || !world.violations.is_empty() {
            return false;
        }
        pass(world, STEP);
    }
    true
}

fn judge(world: &World, settled: bool) -> Result<(), String> {
    let refused = |h: &&Host| h.copy_of.is_none() && !h.orphaned && matches!(h.stopped, Some(Stopped::Refused(_)));
    if let Some(host) = world.hosts.iter().find(refused) {
        return Err(format!("{} stopped: {:?}", host.name, host.stopped));
    }
    if !world.is_rotated() {
        return Err("everybody is well, and the rotation of the key does not end".to_owned());
    }
    if !settled {
        return Err(format!("after everything healed the ring is {:?}", world.ring()));
    }
    // A vote from a life that is over may be left in a row, and so may words that came back with the table: they grow
    // old there, by a clock that may have stepped back, and count for nothing then.
    let same_life = |v: &Vote| world.table.rows.get(&v.voter).is_some_and(|r| r.incarnation == v.voter_incarnation);
    for row in world.table.rows.values() {
        let lives = |v: &&Vote| same_life(v) && !world.came_back(row.id, v.at);
        let votes: Vec<&Vote> = row.vote_first.iter().chain(&row.vote_second).filter(lives).collect();
        if !votes.is_empty() || row.alone_at.is_some_and(|at| !world.came_back(row.id, at)) {
            return Err(format!(
                "everybody is well, and {} is accused or marked: {votes:?} {:?}",
                row.card.name, row.alone_at
            ));
        }
    }
    Ok(())
}
