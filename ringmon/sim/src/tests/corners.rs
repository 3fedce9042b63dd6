//! The corners of `docs/detector.md`: what is right where the plain rule would be wrong.

use super::kit::{anybody_removed, assert_sound, befall, count, ms, pool, rule, secs, told};
use crate::{Fault, World};
use ringmon_core::EventKind;
use ringmon_core::row::Mode;

/// Breaks the links between the second server of the ring and both its buddies, in both directions. Returns its name.
fn break_both_links(world: &mut World) -> String {
    let ring: Vec<usize> = world.ring().iter().filter_map(|n| world.host(n)).collect();
    for buddy in [ring[0], ring[2]] {
        world.network.set_cut(ring[1], buddy, true, world.now);
        world.network.set_cut(buddy, ring[1], true, world.now);
    }
    world.hosts[ring[1]].name.clone()
}

/// R12: without witnesses it was removed after three seconds.
#[test]
fn a_server_whose_buddies_cannot_hear_it_moves_and_is_not_removed() {
    for servers in [6, 8, 12] {
        let mut world = pool(servers);
        let from = world.now;
        let name = break_both_links(&mut world);
        world.run_for(secs(60));
        assert!(!anybody_removed(&world), "{servers} servers: {:?}", world.ring());
        let moving = told(&world, from, EventKind::Moving, &name).expect("moves");
        let moved = world.table.events.iter().find(|e| e.kind() == EventKind::Moving).expect("moved");
        println!("{servers} servers: wants to move after {moving:?}, has moved at {:?}", moved.at);
        assert_eq!(told(&world, from, EventKind::Rejoined, &name), None, "it is never off the ring");
        assert!(told(&world, from, EventKind::BrokenLink, &name).is_some(), "it is shown");
        assert_eq!(count(&world, from, EventKind::Moving, &name), 1);
        assert!(world.settled() && world.ring().len() == servers, "{:?}", world.ring());
        assert_sound(&world);
    }
}

/// The witness's word lasts for three seconds and no longer.
#[test]
fn a_server_that_dies_after_its_links_broke_is_removed_when_the_last_proof_is_old() {
    let mut world = pool(6);
    // It cannot move: a server that is observed does not.
    let name = break_both_links(&mut world);
    let host = world.host(&name).expect("known");
    world.run_for(ms(1500));
    assert!(told(&world, ringmon_core::Time::ZERO, EventKind::BrokenLink, &name).is_some());
    let from = world.now;
    world.befall(host, Fault::Crash);
    assert!(world.run_until(secs(5), |w| w.ring().len() == 5), "{:?}", world.ring());
    let down = told(&world, from, EventKind::Down, &name).expect("down");
    println!("down after {down:?}");
    assert_sound(&world);
}

#[test]
fn nobody_moves_where_there_is_no_better_place_or_while_nothing_may_change() {
    let mut four = pool(4);
    let from = four.now;
    break_both_links(&mut four);
    four.run_for(secs(20));
    let mut frozen = pool(8);
    rule(&mut frozen, |pool| pool.frozen = Some("by hand".into()));
    frozen.run_for(secs(40));
    break_both_links(&mut frozen);
    frozen.run_for(secs(20));
    let mut observed = pool(8);
    rule(&mut observed, |pool| pool.rules.mode = Mode::Observe);
    observed.run_for(secs(40));
    break_both_links(&mut observed);
    observed.run_for(secs(20));
    for (world, servers) in [(&four, 4), (&frozen, 8), (&observed, 8)] {
        assert_eq!(world.ring().len(), servers);
        assert!(!world.log.iter().any(|l| l.at >= from && l.event.kind() == EventKind::Moving));
        assert!(!anybody_removed(world));
        assert_sound(world);
    }
}

/// A removal does not wait for witnesses: with no notice delivered it is as quick as ever.
#[test]
fn a_crash_is_removed_at_once_with_and_without_notices() {
    for lost in [false, true] {
        let mut world = pool(6);
        world.notices_lost = lost;
        let from = world.now;
        world.befall(1, Fault::Crash);
        assert!(world.run_until(secs(2), World::settled));
        let down = told(&world, from, EventKind::Down, "s2").expect("down");
        println!("notices lost: {lost}: down after {down:?}");
        assert!(down < ms(500), "{down:?}");
        assert_sound(&world);
    }
}

/// R6: an outage that no wait could have bridged teaches nothing. RINGMON_REST sets how many seconds lie between it and
/// the crash: a day takes minutes.
#[test]
fn a_crash_after_a_long_outage_is_removed_as_fast_as_ever() {
    let rest = std::env::var("RINGMON_REST").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let mut world = pool(4);
    let ring = world.ring();
    for fault in [Fault::Isolate, Fault::LoseDatabase] {
        befall(&mut world, &ring[2], fault);
    }
    world.run_for(secs(30));
    for fault in [Fault::Return, Fault::FindDatabase] {
        befall(&mut world, &ring[2], fault);
    }
    assert!(world.run_until(secs(20), World::settled), "{:?}", world.ring());
    world.run_for(secs(rest));
    let from = world.now;
    befall(&mut world, &ring[2], Fault::Crash);
    assert!(world.run_until(secs(5), World::settled), "{:?}", world.ring());
    let down = told(&world, from, EventKind::Down, &ring[2]).expect("down");
    println!("{rest} s after an outage of 30 s: down after {down:?}");
    assert!(down <= ms(200), "{down:?}");
    assert_sound(&world);
}

/// R6: an outage that both witnesses share, and that outlasts their patience, removes a living server once.
#[test]
fn the_second_outage_of_a_length_removes_nobody() {
    let mut world = pool(6);
    let removed = |world: &World| world.table.events.iter().filter(|e| e.kind() == EventKind::Down).count();
    let ring = world.ring();
    let outage = |world: &mut World| {
        befall(world, &ring[2], Fault::Isolate);
        befall(world, &ring[2], Fault::LoseDatabase);
        world.run_for(ms(300));
        befall(world, &ring[2], Fault::Return);
        befall(world, &ring[2], Fault::FindDatabase);
        assert!(world.run_until(secs(20), World::settled), "{:?}", world.ring());
        world.run_for(secs(2));
    };
    outage(&mut world);
    assert_eq!(removed(&world), 1, "300 ms are longer than anything it knew of");
    for again in 0..3 {
        outage(&mut world);
        assert_eq!(removed(&world), 1, "{again}");
    }
    assert_sound(&world);
    // It can still be removed, only a little later.
    let from = world.now;
    befall(&mut world, &ring[2], Fault::Crash);
    assert!(world.run_until(secs(5), World::settled), "{:?}", world.ring());
    let down = told(&world, from, EventKind::Down, &ring[2]).expect("down");
    println!("down after {down:?}");
    assert!(down > ms(400) && down < secs(1), "{down:?}");
}
