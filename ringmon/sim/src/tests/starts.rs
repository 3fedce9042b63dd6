//! Which server owns a name, which owns an address, and starts without a database.

use super::kit::{anybody_removed, assert_sound, ms, pool, refusal, secs, told};
use crate::{Fault, World};
use ringmon_core::EventKind;
use ringmon_core::engine::Stopped;

/// A pool of four that `s4` has left. `change` alters it before it comes back.
fn fourth_comes_as(change: impl FnOnce(&mut World)) -> World {
    let mut world = pool(4);
    world.befall(3, Fault::Leave);
    assert!(world.run_until(secs(2), World::settled));
    change(&mut world);
    world.befall(3, Fault::Start);
    world.run_until(secs(4), |w| w.hosts[3].stopped.is_some());
    world
}

#[test]
fn a_name_whose_server_answers_is_not_taken_over() {
    let world = fourth_comes_as(|w| w.hosts[3].name = "s2".into());
    let why = refusal(&world, 3);
    assert!(why.contains("s2") && why.contains("10.0.0.2") && why.contains("still answers"), "{why}");
    assert_eq!(world.table.named("s2").map(|r| r.card.address), Some(world.hosts[1].address));
    assert_sound(&world);
}

/// A new machine has the name of one that died. Those who may remove a server do so first.
#[test]
fn a_name_whose_server_is_silent_is_free_when_the_pool_has_removed_it() {
    let mut world = pool(4);
    world.befall(3, Fault::Leave);
    assert!(world.run_until(secs(2), World::settled));
    let before = world.table.named("s2").expect("there").id;
    world.befall(1, Fault::Crash);
    world.hosts[3].name = "s2".into();
    world.befall(3, Fault::Start);
    assert!(world.run_until(secs(5), World::settled), "{:?}", world.ring());
    let row = world.table.named("s2").expect("there");
    assert!(row.id != before && row.card.address == world.hosts[3].address);
    assert_sound(&world);
}

#[test]
fn an_address_that_is_anothers_is_refused_with_what_to_do() {
    let world = fourth_comes_as(|w| w.hosts[3].address = w.hosts[1].address);
    let why = refusal(&world, 3);
    assert!(why.contains("10.0.0.2") && why.contains("`ringmon leave s2`"), "{why}");
}

#[test]
fn an_agent_that_starts_without_the_database_answers_and_watches_as_it_was() {
    let mut world = pool(4);
    let before = world.table.named("s2").expect("there").clone();
    world.database_away = true;
    world.befall(1, Fault::Kill);
    world.run_for(ms(200));
    let from = world.now;
    world.befall(1, Fault::Start);
    world.run_for(secs(8));
    let watches = world.hosts[1].engine.as_ref().expect("runs").snapshot(world.now).watches;
    assert!(watches.len() == 2 && watches.iter().all(|w| w.state == "alive"), "{watches:?}");
    assert_eq!(told(&world, from, EventKind::AgentSilent, "s2"), None, "its neighbours hear its pulse");
    let away = world.log.iter().filter(|l| l.host == 1 && l.event.kind() == EventKind::DatabaseAway).count();
    assert_eq!(away, 1);
    world.database_away = false;
    assert!(world.run_until(secs(8), World::settled));
    let after = world.table.named("s2").expect("there");
    assert_eq!(before.id, after.id);
    assert!(after.incarnation > before.incarnation);
    assert!(!anybody_removed(&world));
    assert_sound(&world);
}

#[test]
fn a_server_that_an_operator_removed_stays_away() {
    let mut world = pool(4);
    let id = world.table.named("s2").expect("there").id;
    let leave = ringmon_core::op::TableOp::Leave { id, incarnation: None, by: "operator".into() };
    world.table.run_plain(&leave).expect("left");
    assert!(world.run_until(secs(32), |w| w.hosts[1].stopped.is_some()));
    assert_eq!(world.hosts[1].stopped, Some(Stopped::LeftByOperator));
    assert!(world.run_until(secs(32), World::settled));
    assert_sound(&world);
}
