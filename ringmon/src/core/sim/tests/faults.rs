//! One fault at a time, on rings of one to eight.

use super::kit::{assert_sound, ms, pool, secs, told};
use crate::core::sim::{Fault, World};
use crate::core::{EventKind, Time};

#[test]
fn servers_that_start_together_come_together() {
    for servers in 1..=8 {
        let world = pool(servers);
        assert_eq!(world.ring().len(), servers);
        assert_sound(&world);
    }
}

/// Crashes or isolates one of so many and returns the times of suspicion, removal and a whole ring.
fn lose_one(servers: usize, fault: Fault) -> (World, Time) {
    let mut world = pool(servers);
    let from = world.now;
    world.befall(1, fault);
    world.run_until(secs(10), |w| w.ring().len() < servers);
    assert!(world.run_until(secs(10), World::settled), "{servers} servers, {fault:?}: {:?}", world.ring());
    (world, from)
}

#[test]
fn a_crashed_server_is_down_within_half_a_second() {
    for servers in 3..=8 {
        let (world, from) = lose_one(servers, Fault::Crash);
        let suspect = told(&world, from, EventKind::Suspect, "s2").expect("suspected");
        let down = told(&world, from, EventKind::Down, "s2").expect("down");
        println!("{servers} servers: suspect after {suspect:?}, down after {down:?}");
        assert!(suspect < ms(150) && down < ms(500), "{servers} servers: suspect {suspect:?}, down {down:?}");
        assert_sound(&world);
    }
}
