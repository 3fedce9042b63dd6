//! The table goes back in time: a restore, or a failover that lost commits.

use super::kit::{assert_sound, befall, count, loud, ms, pool, rule, secs, seeds, told};
use crate::{Fault, Settings, World};
use ringmon_core::virtual_table::VirtualTable;
use ringmon_core::{EventKind, PoolId, Time};

/// A pool of which only the first `started` servers have an agent yet.
fn part_of(servers: usize, started: usize) -> World {
    let seed = super::kit::seed();
    let mut world = World::new(Settings { loud: loud(), ..Settings::new(seed, servers) });
    (0..started).for_each(|host| world.befall(host, Fault::Start));
    assert!(world.run_until(secs(20), World::settled), "{:?}", world.ring());
    world.run_for(secs(1));
    world
}

/// Every agent reads its row after 33 s at the latest, and a second later it is sure. Then it takes its row again, or
/// joins: each as the table has it.
fn assert_whole_again(world: &mut World, from: Time) {
    assert!(world.run_until(secs(60), World::settled), "{:?}", world.ring());
    world.run_for(secs(40));
    assert!(world.settled(), "{:?}", world.ring());
    for host in world.hosts.iter().filter(|h| h.is_well()) {
        let row = world.table.named(&host.name).expect("it is on the ring");
        let member = host.engine.as_ref().and_then(|e| e.member()).expect("a member");
        assert_eq!((member.id, member.incarnation), (row.id, row.incarnation), "{}", host.name);
    }
    assert_calm(world);
    assert_sound(world);
    assert!(world.log.iter().any(|l| l.at >= from && l.event.kind() == EventKind::TableWentBack), "nobody says so");
}

/// At rest an agent reads a few rows every half a minute.
fn assert_calm(world: &mut World) {
    let before = world.traffic.statements;
    world.run_for(secs(10));
    let (many, servers) = (world.traffic.statements - before, world.hosts.len() as u64);
    assert!(many <= 10 * servers, "{many} statements of {servers} servers in 10 s");
}

#[test]
fn a_dead_server_whose_removal_is_lost_is_removed_again() {
    for _ in seeds() {
        let mut world = pool(6);
        world.keep_table();
        befall(&mut world, "s3", Fault::Crash);
        assert!(world.run_until(secs(5), World::settled));
        world.table_goes_back();
        assert!(world.table.named("s3").is_some());
        let from = world.now;
        assert_whole_again(&mut world, from);
        println!("removed again after {:?}", told(&world, from, EventKind::Down, "s3"));
        assert_eq!(world.ring().len(), 5);
    }
}

#[test]
fn a_server_whose_join_is_lost_joins_again_and_its_old_buddies_let_go_of_it() {
    let mut world = part_of(6, 5);
    world.keep_table();
    world.befall(5, Fault::Start);
    assert!(world.run_until(secs(5), World::settled));
    world.table_goes_back();
    let from = world.now;
    assert_whole_again(&mut world, from);
    assert_eq!(world.ring().len(), 6);
    assert_eq!(count(&world, from, EventKind::Removed, "s6"), 0, "nobody removed it");
}

#[test]
fn a_server_whose_restart_is_lost_takes_its_row_again() {
    let mut world = pool(5);
    world.keep_table();
    befall(&mut world, "s2", Fault::Kill);
    world.run_for(ms(20));
    befall(&mut world, "s2", Fault::Start);
    world.run_for(secs(2));
    assert!(world.settled());
    let life = world.table.named("s2").expect("there").incarnation;
    world.table_goes_back();
    let (from, statements) = (world.now, world.traffic.statements);
    assert!(world.table.named("s2").expect("there").incarnation < life);
    world.run_for(secs(60));
    let many = world.traffic.statements - statements;
    assert!(many < 60 * 5 * 2, "{many} statements in a minute");
    assert_whole_again(&mut world, from);
    assert!(world.table.named("s2").expect("there").incarnation > life, "no life comes back");
}

#[test]
fn a_server_whose_id_is_anothers_by_now_lives_on() {
    let mut world = part_of(7, 5);
    world.keep_table();
    world.befall(5, Fault::Start);
    assert!(world.run_until(secs(5), World::settled));
    let id = world.table.named("s6").expect("there").id;
    world.table_goes_back();
    let from = world.now;
    world.befall(6, Fault::Start);
    world.run_for(secs(1));
    assert_eq!(world.table.named("s7").expect("joined").id, id, "the id is given again");
    assert_whole_again(&mut world, from);
    assert_eq!(world.ring().len(), 7);
    assert_eq!(world.hosts[5].stopped, None);
}

#[test]
fn a_pool_that_is_made_again_under_its_name_fills_again() {
    let mut world = pool(6);
    rule(&mut world, |pool| pool.frozen = Some("until it is made again".into()));
    world.run_for(secs(40));
    let mut new = VirtualTable::new(world.table.now());
    new.pool.id = PoolId(2);
    world.table.go_back_to(&new);
    world.keep_table();
    world.table_goes_back();
    let from = world.now;
    assert_whole_again(&mut world, from);
    assert_eq!(world.ring().len(), 6);
    let frozen = |h: &crate::Host| h.engine.as_ref().and_then(|e| e.snapshot(h.clock(world.now)).frozen);
    assert!(world.hosts.iter().all(|h| frozen(h).is_none()), "the rules are those of the new pool");
}

/// The looks of an agent whose operations overtake each other are of one history.
#[test]
fn nobody_says_so_of_a_table_that_only_goes_on() {
    let mut world = pool(12);
    world.slow = Some((ms(5), ms(300)));
    for name in ["s2", "s3", "s7"] {
        befall(&mut world, name, Fault::Crash);
        world.run_for(secs(5));
        befall(&mut world, name, Fault::Return);
        world.run_for(secs(10));
    }
    assert!(!world.log.iter().any(|l| l.event.kind() == EventKind::TableWentBack));
}
