//! Many pools with many faults at random. `RINGMON_SEED=n` runs that one alone, `RINGMON_SEEDS=n` the first n.

use std::time::Duration;

use super::kit::{loud, ms, secs};
use crate::core::Time;
use crate::core::engine::Stopped;
use crate::core::rng::Rng;
use crate::core::row::{Alone, Quorum, Vote};
use crate::core::sim::{Fault, Settings, World};

/// One thing done to the world.
#[derive(Clone, Copy, Debug)]
enum Act {
    Befall(usize, Fault),
    Link(usize, usize, bool),
    Loss(usize, usize, u64),
    Partition(u64, bool),
    Database(bool),
}

fn act(world: &mut World, act: Act) {
    match act {
        Act::Befall(host, Fault::Start) if world.hosts[host].engine.is_some() => {}
        Act::Befall(host, fault) => world.befall(host, fault),
        Act::Link(a, b, cut) => world.network.set_cut(a, b, cut, world.now),
        Act::Loss(a, b, permille) => world.network.set_loss(a, b, permille, world.now),
        Act::Partition(bits, cut) => {
            let group: Vec<usize> = (0..world.hosts.len()).filter(|h| bits >> h & 1 == 1).collect();
            world.partition(&group, cut);
        }
        Act::Database(away) => world.database_away = away,
    }
}

/// A fault with its end.
fn random_fault(rng: &mut Rng, servers: usize) -> (Act, Act) {
    let mut any = || usize::try_from(rng.below(servers as u64)).unwrap_or(0);
    let (a, b) = (any(), any());
    let befall = |from, to| (Act::Befall(a, from), Act::Befall(a, to));
    match rng.below(12) {
        0 | 1 => befall(Fault::Crash, Fault::Return),
        2 | 3 => befall(Fault::Isolate, Fault::Return),
        4 => befall(Fault::Kill, Fault::Start),
        5 => befall(Fault::Stop, Fault::Continue),
        6 => befall(Fault::Leave, Fault::Start),
        7 => befall(Fault::LoseDatabase, Fault::FindDatabase),
        8 => (Act::Link(a, b, true), Act::Link(a, b, false)),
        9 => (Act::Loss(a, b, 200), Act::Loss(a, b, 0)),
        10 => {
            let bits = rng.word();
            (Act::Partition(bits, true), Act::Partition(bits, false))
        }
        _ => (Act::Database(true), Act::Database(false)),
    }
}

fn live_through(seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let servers = 1 + usize::try_from(rng.below(8)).unwrap_or(0);
    let mut settings = Settings { loud: loud(), ..Settings::new(seed, servers) };
    if rng.chance(300) {
        settings.statement = (ms(1), ms(20));
    }
    let mut world = World::new(settings);
    if rng.chance(300) {
        world.network.loss_permille = rng.below(30);
    }
    let rules = &mut world.table.pool.rules;
    rules.quorum = if rng.chance(200) { Quorum::Single } else { Quorum::Both };
    rules.alone = if rng.chance(500) { Alone::One } else { Alone::All };
    rules.brake_permille = if rng.chance(300) { 500 } else { 1000 };
    for host in 0..servers {
        world.befall(host, Fault::Start);
    }
    if !world.run_until(secs(60), World::settled) {
        return Err(format!("{servers} servers do not come together: {:?}", world.ring()));
    }
    let begin = world.now + secs(1);
    let mut acts: Vec<(Time, Act)> = Vec::new();
    for _ in 0..1 + rng.below(7) {
        let at = begin + rng.between(Duration::ZERO, secs(6));
        let long = if rng.chance(500) { ms(400) } else { secs(6) };
        let span = rng.between(ms(20), long);
        let (start, end) = random_fault(&mut rng, servers);
        acts.push((at, start));
        acts.push((at + span, end));
    }
    acts.sort_by_key(|(at, _)| *at);
    for (at, what) in acts {
        world.run_for(at.since(world.now));
        act(&mut world, what);
    }
    world.run_for(ms(500));
    world.heal();
    let settled = world.run_until(secs(120), World::settled) && {
        // The pause between two tries of the database is five seconds at most.
        world.run_for(secs(6));
        world.settled()
    };
    judge(&world, settled)?;
    die_for_good(&mut world, &mut rng)
}

/// Then some of them die for good, in ways at random: the others remove them, if the pool lets them.
fn die_for_good(world: &mut World, rng: &mut Rng) -> Result<(), String> {
    let rules = &mut world.table.pool.rules;
    (rules.alone, rules.brake_permille) = (Alone::All, 1000);
    world.table.pool.frozen = None;
    world.table.pool.version += 1;
    for host in 1..world.hosts.len() {
        if rng.chance(500) {
            let fault = [Fault::Crash, Fault::Kill, Fault::Stop][usize::try_from(rng.below(3)).unwrap_or(0)];
            world.befall(host, fault);
            world.run_for(rng.between(Duration::ZERO, ms(200)));
        }
    }
    let settled = world.run_until(secs(20), World::settled) && {
        // An alone mark stands for a little longer than it is true.
        world.run_for(secs(2));
        world.settled()
    };
    judge(world, settled)
}

fn judge(world: &World, settled: bool) -> Result<(), String> {
    if !world.violations.is_empty() {
        return Err(world.violations.join("; "));
    }
    if let Some(host) = world.hosts.iter().find(|h| matches!(h.stopped, Some(Stopped::Refused(_)))) {
        return Err(format!("{} stopped: {:?}", host.name, host.stopped));
    }
    if !settled {
        return Err(format!("after everything healed the ring is {:?}", world.ring()));
    }
    // A vote of a life that is over may lie about; it counts for nothing.
    let lives = |v: &&Vote| world.table.rows.get(&v.voter).is_some_and(|r| r.incarnation == v.voter_incarnation);
    for row in world.table.rows.values() {
        let votes: Vec<&Vote> = row.vote_first.iter().chain(&row.vote_second).filter(lives).collect();
        if !votes.is_empty() || row.alone_at.is_some() {
            return Err(format!(
                "everybody is well, and {} is accused or marked: {votes:?} {:?}",
                row.name, row.alone_at
            ));
        }
    }
    Ok(())
}

#[test]
fn pools_live_through_random_faults() {
    let number = |name| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = match number("RINGMON_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGMON_SEEDS").unwrap_or(200),
    };
    let failed: Vec<(u64, String)> =
        seeds.clone().filter_map(|seed| live_through(seed).err().map(|why| (seed, why))).collect();
    for (seed, why) in &failed {
        println!("RINGMON_SEED={seed}: {why}");
    }
    assert!(failed.is_empty(), "{} of {} pools failed", failed.len(), seeds.end - seeds.start);
}
