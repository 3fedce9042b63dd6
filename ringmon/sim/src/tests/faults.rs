//! One fault at a time, on rings of one to eight servers: what the demo shows, without a kernel.

use std::time::Duration;

use super::kit::{assert_sound, count, ms, pool, secs, told};
use crate::{Fault, World};
use ringmon_core::engine::Stopped;
use ringmon_core::row::Alone;
use ringmon_core::{EventKind, Time, law};

#[test]
fn servers_that_start_together_come_together() {
    for servers in 1..=8 {
        let world = pool(servers);
        assert_eq!(world.ring().len(), servers);
        assert_sound(&world);
    }
}

/// Makes this fault happen to `s2` in a pool of `servers`, and waits until the ring is whole again without `s2`.
fn lose_s2(servers: usize, fault: Fault) -> (World, Time) {
    let mut world = pool(servers);
    let from = world.now;
    world.befall(1, fault);
    world.run_until(secs(10), |w| w.ring().len() < servers);
    assert!(world.run_until(secs(10), World::settled), "{servers} servers, {fault:?}: {:?}", world.ring());
    assert_sound(&world);
    (world, from)
}

/// An isolated server that reaches the database says there that it hears nobody, and gets three seconds to find
/// somebody.
#[test]
fn a_crashed_server_is_down_within_half_a_second_and_an_isolated_one_after_three_to_four() {
    for (servers, fault) in (3..=8).flat_map(|n| [(n, Fault::Crash), (n, Fault::Isolate)]) {
        let (world, from) = lose_s2(servers, fault);
        let suspect = told(&world, from, EventKind::Suspect, "s2").expect("suspected");
        let down = told(&world, from, EventKind::Down, "s2").expect("down");
        println!("{servers} servers, {fault:?}: suspect after {suspect:?}, down after {down:?}");
        let least = if fault == Fault::Crash { Duration::ZERO } else { secs(3) };
        // Its mark begins anew once it has asked the whole ring.
        let most = if fault == Fault::Crash { ms(600) } else { secs(4) };
        let right = suspect < ms(150) && down > least && down < most;
        assert!(right, "{servers}, {fault:?}: suspect {suspect:?}, down {down:?}");
        assert_eq!(count(&world, from, EventKind::Down, "s2"), 2, "each neighbour says so once");
    }
}

#[test]
fn of_two_servers_the_one_that_is_left_removes_the_other() {
    let (world, from) = lose_s2(2, Fault::Crash);
    let down = told(&world, from, EventKind::Down, "s2").expect("down");
    println!("down after {down:?}");
    assert!(down > secs(1) && down < ms(2500), "{down:?}");
    assert_eq!(world.ring(), ["s1"]);
}

#[test]
fn a_lost_agent_has_its_time_and_then_leaves() {
    for (servers, fault) in (2..=8).flat_map(|n| [(n, Fault::Kill), (n, Fault::Stop)]) {
        let (world, from) = lose_s2(servers, fault);
        let silent = told(&world, from, EventKind::AgentSilent, "s2").expect("silent");
        let lost = told(&world, from, EventKind::AgentLost, "s2").expect("lost");
        println!("{servers} servers, {fault:?}: silent after {silent:?}, lost after {lost:?}");
        assert!(silent < ms(700), "{silent:?}");
        assert!(lost > ms(2900) && lost < secs(4), "{servers}, {fault:?}: {lost:?}");
        assert_eq!(told(&world, from, EventKind::Down, "s2"), None);
    }
}

#[test]
fn an_agent_that_pauses_for_a_second_is_not_removed() {
    for servers in 2..=8 {
        let mut world = pool(servers);
        let from = world.now;
        world.befall(1, Fault::Stop);
        world.run_for(secs(1));
        world.befall(1, Fault::Continue);
        world.run_for(secs(10));
        assert!(world.settled() && world.ring().len() == servers);
        assert!(told(&world, from, EventKind::AgentSilent, "s2").is_some());
        assert!(told(&world, from, EventKind::AgentBack, "s2").is_some());
        let removed = world.table.events.iter().any(|e| matches!(e.kind(), EventKind::Down | EventKind::AgentLost));
        assert!(!removed, "{servers} servers");
        assert!(
            world.table.rows.values().all(|r| r.vote_first.is_none() && r.vote_second.is_none()),
            "votes are taken back"
        );
        assert_sound(&world);
    }
}

#[test]
fn an_agent_that_starts_again_in_time_keeps_its_place() {
    for servers in 1..=8 {
        let mut world = pool(servers);
        let (from, before) = (world.now, world.table.named("s1").expect("there").clone());
        world.befall(0, Fault::Kill);
        world.run_for(ms(1500));
        world.befall(0, Fault::Start);
        assert!(world.run_until(secs(5), World::settled), "{servers} servers");
        world.run_for(secs(8));
        let after = world.table.named("s1").expect("there");
        assert_eq!(
            (before.id, before.first_buddy, before.second_buddy),
            (after.id, after.first_buddy, after.second_buddy)
        );
        assert!(after.incarnation > before.incarnation);
        assert!(world.settled());
        let joined = world.log.iter().find(|l| l.at >= from && l.event.kind() == EventKind::Joined).expect("joined");
        assert_eq!(joined.event.body.detail()["kept_place"], true);
        assert_sound(&world);
    }
}

#[test]
fn a_server_that_leaves_is_out_at_once_and_nobody_is_suspected() {
    for servers in 1..=8 {
        let mut world = pool(servers);
        let from = world.now;
        world.befall(0, Fault::Leave);
        assert!(world.run_until(secs(2), World::settled), "{servers} servers: {:?}", world.ring());
        assert_eq!(world.hosts[0].stopped, Some(Stopped::Left));
        let took = world.now.since(from);
        assert!(took < ms(200), "the notice is quicker than any watch: {took:?}");
        world.run_for(secs(5));
        assert!(!world.log.iter().any(|l| l.at >= from && l.event.kind() == EventKind::Suspect));
        assert_sound(&world);
    }
}

#[test]
fn adjacent_servers_that_crash_together_are_removed_together() {
    for (servers, dead) in [(4, 2), (5, 2), (5, 3), (8, 2), (8, 5), (8, 6)] {
        let mut world = pool(servers);
        let from = world.now;
        let victims: Vec<String> = world.ring().into_iter().skip(1).take(dead).collect();
        for name in &victims {
            let host = world.host(name).expect("known");
            world.befall(host, Fault::Crash);
        }
        assert!(world.run_until(secs(10), World::settled), "{servers} servers, {dead} dead: {:?}", world.ring());
        let took = world.now.since(from);
        println!("{servers} servers, {dead} adjacent ones dead: whole after {took:?}");
        assert!(took < ms(700), "{took:?}");
        for name in &victims {
            assert!(told(&world, from, EventKind::Down, name).is_some(), "{name}");
        }
        assert_sound(&world);
    }
}

#[test]
fn two_of_three_dead_at_once_are_removed_if_the_pool_allows_it() {
    for alone in [Alone::One, Alone::All] {
        let mut world = pool(3);
        world.table.pool.rules.alone = alone;
        world.befall(1, Fault::Crash);
        world.befall(2, Fault::Crash);
        let settled = world.run_until(secs(60), World::settled);
        assert_eq!(settled, alone == Alone::All, "{alone:?}: {:?}", world.ring());
        assert_sound(&world);
    }
}

#[test]
fn a_server_that_was_dead_before_anyone_probed_it_is_found() {
    for servers in 3..=5 {
        let mut world = pool(servers);
        // It is on the ring, and its neighbours are new: they never heard it, and have no neighbour entry for it.
        world.befall(1, Fault::Crash);
        let others: Vec<usize> = (0..servers).filter(|h| *h != 1).collect();
        for host in &others {
            world.befall(*host, Fault::Kill);
            world.forget_neighbours(*host);
        }
        let from = world.now;
        for host in &others {
            world.befall(*host, Fault::Start);
        }
        assert!(world.run_until(secs(70), World::settled), "{servers} servers: {:?}", world.ring());
        let down = told(&world, from, EventKind::Down, "s2").expect("down");
        assert!(down >= law::GRACE_MOST, "{down:?}: all have just started, so it may still be on its way (R6)");
        println!("{servers} servers: down after {down:?}");
        assert_sound(&world);
    }
}

#[test]
fn a_server_that_returns_after_its_removal_joins_again() {
    for (servers, fault) in (2..=8).flat_map(|n| [(n, Fault::Crash), (n, Fault::Isolate)]) {
        if servers == 2 && fault == Fault::Isolate {
            // Both hear no other server, and both reach the database: neither may remove the other.
            continue;
        }
        let (mut world, _) = lose_s2(servers, fault);
        let from = world.now;
        world.befall(1, Fault::Return);
        assert!(world.run_until(secs(30), World::settled), "{servers}, {fault:?}: {:?}", world.ring());
        assert_eq!(world.ring().len(), servers);
        let rejoined = told(&world, from, EventKind::Rejoined, "s2").expect("rejoined");
        println!("{servers} servers, {fault:?}: back after {rejoined:?}");
        assert!(rejoined < secs(4), "{rejoined:?}");
        assert_sound(&world);
    }
}

#[test]
fn two_servers_that_hear_nobody_do_not_remove_each_other() {
    let mut world = pool(2);
    world.partition(&[0], true);
    world.run_for(secs(20));
    assert_eq!(world.ring().len(), 2);
    world.partition(&[0], false);
    world.run_for(secs(2));
    assert!(world.settled());
    assert!(world.table.rows.values().all(|r| r.alone_at.is_none()), "alone marks are taken back");
    assert_sound(&world);
}

#[test]
fn a_cut_in_halves_that_both_reach_the_database_removes_nobody() {
    for servers in 4..=8 {
        let mut world = pool(servers);
        let ring = world.ring();
        let half: Vec<usize> = ring.iter().take(servers / 2).filter_map(|n| world.host(n)).collect();
        world.partition(&half, true);
        world.run_for(secs(30));
        assert_eq!(world.ring(), ring, "{servers} servers");
        world.partition(&half, false);
        world.run_for(secs(5));
        assert!(world.settled());
        assert_sound(&world);
    }
}

#[test]
fn one_broken_link_removes_nobody() {
    let mut world = pool(5);
    let ring: Vec<usize> = world.ring().iter().filter_map(|n| world.host(n)).collect();
    world.network.set_cut(ring[0], ring[1], true, world.now);
    world.run_for(secs(20));
    assert_eq!(world.ring().len(), 5);
    assert_sound(&world);
}

#[test]
fn an_outage_of_the_database_stops_nothing_but_the_table() {
    let mut world = pool(4);
    world.database_away = true;
    let from = world.now;
    world.befall(1, Fault::Crash);
    world.run_for(secs(10));
    assert!(told(&world, from, EventKind::Suspect, "s2").is_some());
    assert_eq!(world.ring().len(), 4);
    let others: Vec<Duration> =
        [0, 2, 3].iter().filter_map(|h| told(&world, from, EventKind::DatabaseAway, &world.hosts[*h].name)).collect();
    assert!(!others.is_empty());
    world.database_away = false;
    let back = world.now;
    assert!(world.run_until(secs(10), World::settled), "{:?}", world.ring());
    println!("settled {:?} after the database came back", world.now.since(back));
    assert_sound(&world);
}

#[test]
fn an_agent_that_stops_while_the_database_is_away_says_that_its_row_remains() {
    let mut world = pool(3);
    world.database_away = true;
    let from = world.now;
    world.befall(0, Fault::Leave);
    assert!(world.run_until(secs(2), |w| w.hosts[0].stopped.is_some()));
    assert!(matches!(&world.hosts[0].stopped, Some(Stopped::RowRemains(why)) if why == "connection refused"));
    assert!(world.now.since(from) < secs(2));
}
