//! Agents of this version and of the one before in one pool: see the module `older`.

use super::kit::{anybody_removed, assert_sound, befall, loud, ms, pool, rule, secs, seeds, told};
use crate::{Fault, Settings, World};
use ringmon_core::{EventKind, Time};

/// A pool of this many servers. Those at these indexes are of the version before.
fn mixed(seed: u64, servers: usize, older: &[usize]) -> World {
    let mut world = World::new(Settings { loud: loud(), lazy: true, ..Settings::new(seed, servers) });
    for host in 0..servers {
        world.set_older(host, older.contains(&host));
        world.befall(host, Fault::Start);
    }
    assert!(world.run_until(secs(20), World::settled), "{:?}", world.ring());
    rule(&mut world, |pool| pool.rules.brake_permille = 1000);
    world.run_for(secs(1));
    world
}

fn change(world: &mut World, host: usize, older: bool) {
    world.befall(host, Fault::Kill);
    world.set_older(host, older);
    world.run_for(ms(200));
    world.befall(host, Fault::Start);
    world.run_for(secs(1));
}

/// What was said against any server since then.
fn doubts(world: &World, from: Time) -> Vec<String> {
    let doubt = |kind| matches!(kind, EventKind::Suspect | EventKind::AgentSilent | EventKind::Vote | EventKind::Down);
    let lines = world.log.iter().filter(|line| line.at >= from && doubt(line.event.kind()));
    lines.map(|line| format!("{:?} {:?} {}", line.at, line.event.kind(), line.event.subject)).collect()
}

#[test]
fn an_upgrade_makes_nobody_suspect_anybody_and_neither_does_going_back() {
    for seed in seeds() {
        let mut world = mixed(seed, 6, &[0, 1, 2, 3, 4, 5]);
        for older in [false, true] {
            let from = world.now;
            (0..6).for_each(|host| change(&mut world, host, older));
            assert_eq!(doubts(&world, from), [""; 0], "seed {seed}, older: {older}");
            assert!(world.settled(), "{:?}", world.ring());
        }
        assert_sound(&world);
    }
}

/// It cannot write its row, which says that it knows what it does not know any more.
#[test]
fn who_goes_back_while_the_database_is_away_is_heard_all_the_same() {
    for seed in seeds() {
        let mut world = mixed(seed, 6, &[]);
        world.befall(2, Fault::LoseDatabase);
        change(&mut world, 2, true);
        world.run_for(secs(10));
        world.befall(2, Fault::FindDatabase);
        world.run_for(secs(10));
        assert!(!anybody_removed(&world) && world.settled(), "{:?}", world.ring());
        assert_sound(&world);
    }
}

#[test]
fn rows_of_older_agents_say_nothing_of_waits() {
    let mut world = mixed(1, 4, &[1]);
    let answers = |world: &World| world.table.rows.values().filter(|row| row.answering().is_some()).count();
    assert_eq!(answers(&world), 3);
    change(&mut world, 1, false);
    assert_eq!(answers(&world), 4);
    change(&mut world, 2, true);
    assert_eq!(answers(&world), 3, "what its last life wrote is there, and counts for nothing");
}

/// Nobody knows how long an old agent needs to answer, so it gets the longest wait.
#[test]
fn the_dead_of_both_versions_are_removed_by_both() {
    for seed in seeds() {
        for (older, wait) in [(vec![1, 3, 5], secs(2)), (vec![0, 2, 4], ms(60))] {
            let mut world = mixed(seed, 6, &older);
            let from = world.now;
            let name = world.hosts[1].name.clone();
            befall(&mut world, &name, Fault::Crash);
            world.run_for(secs(5));
            let down = told(&world, from, EventKind::Down, &name).expect("removed");
            println!("seed {seed}, old: {older:?}: {down:?}");
            assert!(down > wait && down < wait + ms(700), "{down:?}");
            assert!(world.settled(), "{:?}", world.ring());
            assert_sound(&world);
        }
    }
}

#[test]
fn a_cut_in_halves_removes_nobody_of_either_version() {
    for seed in seeds() {
        for older in [&[0, 2, 4, 6][..], &[0, 1, 2, 3], &[0, 3], &[7]] {
            let mut world = mixed(seed, 8, older);
            world.run_for(secs(70));
            world.partition(&[0, 1, 2, 3], true);
            world.run_for(secs(5));
            world.partition(&[0, 1, 2, 3], false);
            world.run_for(secs(5));
            assert!(!anybody_removed(&world), "seed {seed}, old: {older:?}: {:?}", world.ring());
            assert_sound(&world);
        }
    }
}

/// Whoever cannot read the table stops the rotation, and is heard all the time.
#[test]
fn a_rotation_of_the_key_waits_for_everybody_and_loses_no_probe() {
    let mut world = pool(6);
    let (from, name) = (world.now, world.hosts[2].name.clone());
    let go_on = |world: &mut World, span| {
        for _ in 0..span {
            world.run_for(ms(100));
            world.rotate_on();
        }
    };
    befall(&mut world, &name, Fault::LoseDatabase);
    world.rotate_key();
    go_on(&mut world, 100);
    assert!(!world.is_rotated() && world.table.pool.keys.len() == 2);
    // It starts again with the keys of its last run.
    befall(&mut world, &name, Fault::Kill);
    befall(&mut world, &name, Fault::Start);
    go_on(&mut world, 20);
    befall(&mut world, &name, Fault::FindDatabase);
    go_on(&mut world, 150);
    assert!(world.is_rotated() && world.table.pool.keys.len() == 1, "{:?}", world.table.pool.keys);
    assert_eq!(doubts(&world, from), [""; 0]);
    assert!(world.settled(), "{:?}", world.ring());
    assert_sound(&world);
}

/// What the three steps are for: whoever does not know the new key yet answers as if no agent ran there.
#[test]
fn a_key_that_is_exchanged_at_once_makes_agents_look_dead() {
    let mut world = pool(6);
    let from = world.now;
    rule(&mut world, |pool| pool.keys[0].id += 1);
    world.run_for(secs(40));
    assert!(doubts(&world, from).iter().any(|doubt| doubt.contains("AgentSilent")), "{:?}", doubts(&world, from));
}
