//! The schedules of the stories, one for each rule.

use std::time::Duration;

use super::{Stage, Story};
use crate::{Fault, World};
use ringmon_core::{EventKind, Rule};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const QUICK: (Duration, Duration) = (Duration::from_micros(100), Duration::from_micros(800));

pub(super) fn all() -> [Story; 12] {
    let story = |rule, worlds, live, about| Story { rule, about, worlds, live };
    [
        story(Rule::R1, 1, far, "17 neighbours die: nobody finds a living server beyond them, they stay for ever"),
        story(
            Rule::R2,
            20,
            deaf,
            "one of three hears nobody: it takes itself for the last one, and removes the others",
        ),
        story(
            Rule::R3,
            200,
            at_once,
            "a cut while the database is away: when it is back, the first half to speak removes the other",
        ),
        story(Rule::R4, 4, halves, "a cut into halves, both of which reach the table: each removes the other"),
        story(
            Rule::R5,
            4,
            two_blips,
            "two blips, three seconds apart, one at each buddy: together they make a removal",
        ),
        story(Rule::R6, 24, short, "an outage that both buddies share, of a length the pool has seen heal: a removal"),
        story(
            Rule::R7,
            140,
            suspended,
            "a voter stands still between reading and writing: it removes who is back by then",
        ),
        story(Rule::R8, 4, old_word, "an agent is killed before it takes its vote back: its next life is held to it"),
        story(Rule::R9, 4, pulseless, "a server dies beside one whose agent is lost: both stay for ever"),
        story(Rule::R10, 8, unheard, "a join whose notice is lost: its buddies do not know it for half a minute"),
        story(Rule::R11, 4, mass, "six of eight die one after the other: all six are removed"),
        story(
            Rule::R12,
            4,
            broken_pair,
            "both links of a living server break, which cannot answer: it is removed, though all others hear it",
        ),
    ]
}

/// What went wrong in a world, including dead servers that are left in the table.
fn ended(mut world: World, dead: &[usize]) -> Vec<String> {
    world.check_whole();
    let left = dead.iter().map(|host| world.hosts[*host].name.clone()).filter(|name| world.table.named(name).is_some());
    let mut wrong: Vec<String> = left.map(|name| format!("{name} is dead, and still in the table")).collect();
    wrong.append(&mut world.violations);
    wrong
}

/// The same as [`ended`], for a pool in which all servers are alive: every removal is wrong.
fn kept(world: World) -> Vec<String> {
    let down = world.table.events.iter().filter(|e| e.kind() == EventKind::Down);
    let mut wrong: Vec<String> = down.map(|e| format!("{} lives, and was removed", e.subject_name)).collect();
    wrong.extend(ended(world, &[]));
    wrong
}

fn cut(world: &mut World, a: usize, b: usize, cut: bool) {
    world.network.set_cut(a, b, cut, world.now);
    world.network.set_cut(b, a, cut, world.now);
}

fn far(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(21, QUICK);
    let dead = &ring[2..19];
    dead.iter().for_each(|host| world.befall(*host, Fault::Crash));
    world.run_until(ms(15_000), World::settled);
    ended(world, dead)
}

fn deaf(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(3, QUICK);
    [ring[0], ring[2]].iter().for_each(|host| world.befall(*host, Fault::LoseDatabase));
    world.befall(ring[1], Fault::Isolate);
    world.run_for(ms(5_000));
    ended(world, &[])
}

fn at_once(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(4, QUICK);
    world.database_away = true;
    world.partition(&ring[..2], true);
    world.run_for(ms(2_000));
    world.database_away = false;
    world.run_for(ms(6_000));
    kept(world)
}

fn halves(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(6, QUICK);
    world.partition(&ring[..3], true);
    world.run_for(ms(10_000));
    world.partition(&ring[..3], false);
    world.run_for(ms(5_000));
    kept(world)
}

/// The first server that votes loses the database before it can take its vote back. It is of the version before, so its
/// kernel does not say that it hears the accused again. No witness can say so either, because otherwise R12 would
/// prevent the harm, and the accused does not reach the table, because otherwise R4 would.
fn two_blips(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(5, QUICK);
    world.befall(ring[0], Fault::Kill);
    world.set_older(ring[0], true);
    world.run_for(ms(200));
    world.befall(ring[0], Fault::Start);
    world.run_for(ms(2_000));
    world.notices_lost = true;
    world.befall(ring[1], Fault::LoseDatabase);
    cut(&mut world, ring[0], ring[1], true);
    let voted = world.run_until(ms(1_000), |w| {
        w.table.named(&w.hosts[ring[1]].name).is_some_and(|row| row.vote_second.is_some() || row.vote_first.is_some())
    });
    if !voted {
        return Vec::new();
    }
    world.befall(ring[0], Fault::LoseDatabase);
    cut(&mut world, ring[0], ring[1], false);
    world.run_for(ms(3_000));
    [2, 3, 4].iter().for_each(|other| cut(&mut world, ring[1], ring[*other], true));
    world.run_for(ms(8_000));
    ended(world, &[])
}

/// Outages of one length heal. Then comes an outage that is up to six times as long, a little longer in each world.
fn short(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(5, QUICK);
    let outage = |world: &mut World, span| {
        let (begin, end) = ([Fault::Isolate, Fault::LoseDatabase], [Fault::Return, Fault::FindDatabase]);
        begin.iter().for_each(|fault| world.befall(ring[1], *fault));
        world.run_for(span);
        end.iter().for_each(|fault| world.befall(ring[1], *fault));
        world.run_for(ms(2_000));
    };
    outage(&mut world, ms(60));
    outage(&mut world, ms(60));
    let span = ms(60 + 15 * (stage.seed % 20));
    outage(&mut world, span);
    kept(world)
}

/// The fault comes at another moment in each world, 3 ms apart. The other witness loses the database, so that its vote
/// stays.
fn suspended(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(3, (ms(3), ms(6)));
    world.befall(ring[1], Fault::Crash);
    world.run_for(ms(60 + 3 * (stage.seed % 140)));
    if world.table.rows.len() == 3 {
        world.befall(ring[0], Fault::Stop);
        [ring[1], ring[2]].iter().for_each(|host| world.befall(*host, Fault::LoseDatabase));
        world.befall(ring[1], Fault::Return);
        world.run_for(ms(300));
        world.befall(ring[0], Fault::Continue);
        world.run_for(ms(1_000));
        return kept(world);
    }
    Vec::new()
}

/// Notices are lost, because otherwise R12 would prevent the harm.
fn old_word(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(3, QUICK);
    let [a, gone, b] = [ring[0], ring[1], ring[2]];
    world.notices_lost = true;
    world.befall(gone, Fault::LoseDatabase);
    cut(&mut world, gone, b, true);
    world.run_for(ms(1_000));
    world.befall(b, Fault::LoseDatabase);
    cut(&mut world, a, gone, true);
    let id = world.table.named(&world.hosts[a].name).map(|row| row.id);
    let voted = world.run_until(ms(1_000), |w| {
        let row = w.table.named(&w.hosts[gone].name);
        row.is_some_and(|row| row.vote_first.iter().chain(&row.vote_second).any(|vote| Some(vote.voter) == id))
    });
    if !voted {
        return Vec::new();
    }
    world.befall(a, Fault::Kill);
    cut(&mut world, a, gone, false);
    world.run_for(ms(500));
    world.befall(a, Fault::Start);
    world.run_for(ms(1_500));
    world.befall(b, Fault::FindDatabase);
    world.run_for(ms(10_000));
    ended(world, &[])
}

fn pulseless(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(5, QUICK);
    world.befall(ring[1], Fault::Kill);
    world.run_for(ms(100));
    world.befall(ring[2], Fault::Crash);
    world.run_until(ms(20_000), World::settled);
    ended(world, &ring[1..3])
}

fn unheard(stage: &mut Stage) -> Vec<String> {
    let (mut world, _) = stage.pool(4, (ms(1), ms(2)));
    world.befall(0, Fault::Leave);
    world.run_until(ms(5_000), World::settled);
    world.run_for(ms(2_000));
    world.befall(0, Fault::Start);
    let since = world.now;
    while world.table.rows.len() < 4 && world.now.since(since) < ms(5_000) {
        world.run_for(ms(1));
    }
    world.notices_lost = true;
    let known = world.run_until(ms(1_500), World::settled);
    let mut wrong = ended(world, &[]);
    if !known {
        wrong.push("its buddies do not know a joined server after 1.5 s".into());
    }
    wrong
}

fn mass(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(8, QUICK);
    world.table.pool.rules.brake_permille = 400;
    world.table.pool.version += 1;
    for host in &ring[2..] {
        world.befall(*host, Fault::Crash);
        world.run_for(ms(1_500));
    }
    ended(world, &[])
}

fn broken_pair(stage: &mut Stage) -> Vec<String> {
    let (mut world, ring) = stage.pool(6, QUICK);
    world.befall(ring[1], Fault::LoseDatabase);
    cut(&mut world, ring[0], ring[1], true);
    cut(&mut world, ring[2], ring[1], true);
    world.run_for(ms(10_000));
    kept(world)
}
