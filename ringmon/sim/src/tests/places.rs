//! Who may have a row: copied and lost state directories, changed addresses, a pool that is frozen, half dead or gone,
//! and a server whose links broke.

use super::kit::{anybody_removed, assert_sound, ms, pool, refusal, rule, secs, told};
use crate::{Fault, World};
use ringmon_core::op::TableOp;
use ringmon_core::row::Address;
use ringmon_core::{EventBody, EventKind};

/// A pool of this many servers, and one more machine without an agent.
fn pool_and_one(servers: usize) -> World {
    let mut world = pool(servers + 1);
    world.befall(servers, Fault::Leave);
    assert!(world.run_until(secs(2), World::settled));
    world
}

fn freeze(world: &mut World, frozen: bool) {
    rule(world, |pool| pool.frozen = frozen.then(|| "by hand".into()));
}

/// What a server last said that it waits for.
fn waits(world: &World, host: usize) -> String {
    let said = world.log.iter().rev().filter(|l| l.host == host).find_map(|l| match &l.event.body {
        EventBody::Waiting { why } => Some(why.clone()),
        _ => None,
    });
    said.unwrap_or_default()
}

/// Makes `host` a copy of `s2`, and returns the address in the row of `s2`.
fn clone_of_s2(world: &mut World, host: usize) -> Address {
    world.copy_state(1, host);
    world.table.named("s2").expect("there").card.address
}

/// P5: the copy hears nobody, so that nobody answers it proves nothing.
#[test]
fn a_deaf_copy_displaces_nobody() {
    for frozen in [false, true] {
        let mut world = pool_and_one(4);
        freeze(&mut world, frozen);
        let address = clone_of_s2(&mut world, 4);
        world.befall(4, Fault::Isolate);
        world.befall(4, Fault::Start);
        world.run_for(secs(30));
        assert_eq!(world.table.named("s2").map(|row| row.card.address), Some(address), "frozen: {frozen}");
        assert_eq!(world.hosts[1].stopped, None, "frozen: {frozen}");
        assert!(waits(&world, 4).contains("10.0.0.2"), "{}", waits(&world, 4));
        assert!(!anybody_removed(&world));
        assert_sound(&world);
    }
}

#[test]
fn a_copy_that_hears_the_server_stops() {
    let mut world = pool_and_one(4);
    let address = clone_of_s2(&mut world, 4);
    world.befall(4, Fault::Start);
    world.run_for(secs(3));
    let why = refusal(&world, 4);
    assert!(why.contains("s2") && why.contains("10.0.0.2") && why.contains("still answers"), "{why}");
    assert_eq!(world.table.named("s2").map(|row| row.card.address), Some(address));
    assert!(!anybody_removed(&world));
    assert_sound(&world);
}

/// Only the link between the two is broken: a buddy of the server knows better.
#[test]
fn a_copy_that_is_told_that_the_server_answers_stops() {
    let mut world = pool_and_one(4);
    let address = clone_of_s2(&mut world, 4);
    world.network.set_cut(1, 4, true, world.now);
    world.network.set_cut(4, 1, true, world.now);
    world.befall(4, Fault::Start);
    world.run_for(secs(5));
    let why = refusal(&world, 4);
    assert!(why.contains("10.0.0.2") && why.contains("still answers"), "{why}");
    assert_eq!(world.table.named("s2").map(|row| row.card.address), Some(address));
    assert!(!anybody_removed(&world));
    assert_sound(&world);
}

/// Its old address is silent to all, so the pool removes the old row, and the server joins.
#[test]
fn a_server_with_another_address_comes_back_when_its_old_row_is_removed() {
    for servers in [2, 4] {
        let mut world = pool(servers);
        world.befall(1, Fault::Kill);
        world.readdress(1, [10, 9, 9, 9].into());
        let from = world.now;
        world.befall(1, Fault::Start);
        assert!(world.run_until(secs(10), World::settled), "{servers}: {:?}", world.ring());
        println!("{servers} servers: back after {:?}", world.now.since(from));
        assert_eq!(world.table.named("s2").map(|row| row.card.address), Some([10, 9, 9, 9].into()));
        assert_sound(&world);
    }
}

#[test]
fn while_the_pool_is_frozen_a_server_with_another_address_waits_and_says_so() {
    let mut world = pool(4);
    freeze(&mut world, true);
    world.befall(1, Fault::Kill);
    world.readdress(1, [10, 9, 9, 9].into());
    world.befall(1, Fault::Start);
    world.run_for(secs(20));
    assert_eq!(world.table.named("s2").map(|row| row.card.address), Some([10, 0, 0, 2].into()));
    let why = waits(&world, 1);
    assert!(why.contains("frozen") && why.contains("`ringmon leave s2`"), "{why}");
    freeze(&mut world, false);
    assert!(world.run_until(secs(40), World::settled), "{:?}", world.ring());
    assert_sound(&world);
}

#[test]
fn the_row_of_a_pool_of_one_is_taken_over_when_it_is_silent_and_not_while_the_pool_is_frozen() {
    let mut world = pool(1);
    freeze(&mut world, true);
    world.befall(0, Fault::Kill);
    world.readdress(0, [10, 9, 9, 9].into());
    world.befall(0, Fault::Start);
    world.run_for(secs(10));
    assert_eq!(world.table.named("s1").map(|row| row.card.address), Some([10, 0, 0, 1].into()));
    assert!(waits(&world, 0).contains("frozen"), "{}", waits(&world, 0));
    freeze(&mut world, false);
    assert!(world.run_until(secs(10), World::settled));
    assert_sound(&world);
}

#[test]
fn a_lost_state_directory_costs_no_place() {
    let mut world = pool(4);
    let before = world.table.named("s2").expect("there").id;
    world.befall(1, Fault::Kill);
    world.lose_state(1);
    world.befall(1, Fault::Start);
    assert!(world.run_until(secs(5), World::settled));
    assert_eq!(world.table.named("s2").map(|row| row.id), Some(before));
    assert_sound(&world);
}

/// A pool of six and one more machine, in which every second server is dead and nobody may be removed. Returns the
/// names of the dead.
fn half_dead() -> (World, Vec<String>) {
    let mut world = pool_and_one(6);
    freeze(&mut world, true);
    world.run_for(secs(35));
    let dead: Vec<String> = world.ring().into_iter().step_by(2).collect();
    for name in &dead {
        super::kit::befall(&mut world, name, Fault::Crash);
    }
    world.run_for(secs(3));
    (world, dead)
}

/// P8: no two neighbours live, so no place has two ends that answer.
#[test]
fn a_server_joins_a_frozen_pool_whose_every_second_server_is_dead() {
    let (mut world, dead) = half_dead();
    let from = world.now;
    world.befall(6, Fault::Start);
    assert!(world.run_until(secs(10), |w| w.table.named("s7").is_some()), "{:?}", world.ring());
    println!("joined after {:?}", world.now.since(from));
    world.run_for(secs(5));
    assert!(!anybody_removed(&world) && world.ring().len() == 7);
    freeze(&mut world, false);
    assert!(world.run_until(secs(60), World::settled), "{:?}", world.ring());
    assert!(dead.iter().all(|name| world.table.named(name).is_none()));
    assert_sound(&world);
}

#[test]
fn a_deaf_server_does_not_join_a_half_dead_pool() {
    let (mut world, _) = half_dead();
    world.befall(6, Fault::Isolate);
    world.befall(6, Fault::Start);
    world.run_for(secs(30));
    assert_eq!(world.table.named("s7"), None);
    assert_sound(&world);
}

/// Who hears one end only, and not the other, although that one lives, does not join between them.
#[test]
fn nobody_joins_beside_one_that_only_it_does_not_hear() {
    let mut world = pool_and_one(2);
    for (a, b) in [(2, 1), (1, 2)] {
        world.network.set_cut(a, b, true, world.now);
    }
    world.befall(2, Fault::Start);
    world.run_for(secs(30));
    assert_eq!(world.table.named("s3"), None);
    assert_sound(&world);
}

/// P8: nobody is left who could say that the others are gone. New servers hear nobody, and that is no proof either.
#[test]
fn a_pool_whose_members_are_all_gone_is_taken_over_by_one_named_command() {
    let mut world = pool(6);
    for host in 3..6 {
        world.befall(host, Fault::Leave);
    }
    assert!(world.run_until(secs(5), World::settled));
    for host in 0..3 {
        world.befall(host, Fault::Crash);
    }
    world.run_for(secs(1));
    for host in 3..6 {
        world.befall(host, Fault::Start);
    }
    world.run_for(secs(60));
    assert_eq!(world.table.rows.len(), 3, "a server that hears nobody takes over no pool");
    let mut named: Vec<String> = Vec::new();
    for host in 3..6 {
        let why = waits(&world, host);
        assert!(why.contains("`ringmon leave"), "{why}");
        named = why.split('`').nth(1).unwrap_or_default().split(' ').skip(2).map(str::to_owned).collect();
        named.sort();
        assert_eq!(named, ["s1", "s2", "s3"], "{why}");
    }
    for name in named {
        let id = world.table.named(&name).expect("there").id;
        world.table.run_plain(&TableOp::Leave { id, incarnation: None, by: "operator".into() }).expect("left");
    }
    assert!(world.run_until(secs(10), World::settled), "{:?}", world.ring());
    assert_sound(&world);
}

/// P9: no two neighbours hear it, so there is no place with two good ends. It never gives up the one that it has.
#[test]
fn a_server_that_reaches_only_two_others_stays_and_moves_beside_one_of_them() {
    let mut world = pool(6);
    let ring: Vec<usize> = world.ring().iter().filter_map(|n| world.host(n)).collect();
    let (me, from) = (ring[0], world.now);
    // The others in the ring's order; it goes on to reach the second and the fourth.
    for other in [ring[1], ring[3], ring[5]] {
        world.network.set_cut(me, other, true, world.now);
        world.network.set_cut(other, me, true, world.now);
    }
    let name = world.hosts[me].name.clone();
    for _ in 0..600 {
        world.run_for(ms(100));
        assert!(world.table.named(&name).is_some(), "it has no row after {:?}", world.now.since(from));
    }
    println!("moves after {:?}", told(&world, from, EventKind::Moving, &name).expect("moves"));
    let row = world.table.named(&name).expect("there");
    let buddies = [row.first_buddy, row.second_buddy].map(|id| world.host(&world.table.rows[&id].card.name));
    assert!(buddies.iter().any(|b| *b == Some(ring[2]) || *b == Some(ring[4])), "{:?}", world.ring());
    assert!(!anybody_removed(&world) && world.settled());
    assert_sound(&world);
}

/// P10: what is kept on disk says which life was the last.
#[test]
fn a_life_is_never_older_than_the_last_one_even_if_the_clock_was_stepped_back() {
    let mut world = pool(4);
    let before = world.table.named("s2").expect("there").incarnation;
    world.befall(1, Fault::Leave);
    assert!(world.run_until(secs(2), World::settled));
    world.step_back(secs(3600));
    world.befall(1, Fault::Start);
    assert!(world.run_until(secs(5), World::settled));
    let after = world.table.named("s2").expect("there").incarnation;
    assert!(after > before, "{after:?} after {before:?}");
    assert_sound(&world);
}
