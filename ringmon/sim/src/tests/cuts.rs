//! A cut in halves, while the database is farther from one half than from the other.

use std::time::Duration;

use super::kit::{anybody_removed, assert_sound, loud, ms, rule, secs, seed, told};
use crate::{Fault, Settings, World};
use ringmon_core::{EventKind, Rule, Without};

/// A pool of twelve that has existed for a while. Each statement of every second server takes this long.
fn pool(seed: u64, far: Duration, without: Without) -> (World, Vec<usize>) {
    let settings = Settings { loud: loud(), lazy: true, without, ..Settings::new(seed, 12) };
    let (mut world, order) = World::established(settings, ms(200));
    rule(&mut world, |pool| pool.rules.brake_permille = 1000);
    for host in (0..12).step_by(2) {
        world.hosts[host].distance = Some((far, far + ms(1)));
    }
    // Long enough for two regular looks, from which a server learns how long it needs.
    world.run_for(secs(75));
    (world, order)
}

/// Cuts this half off for three seconds, and lets the cut heal.
fn cut(world: &mut World, half: &[usize]) {
    world.partition(half, true);
    world.run_for(secs(3));
    world.partition(half, false);
    world.run_for(secs(5));
}

/// Both halves are random servers or neighbours on the ring, and the near or the far half is cut off.
#[test]
fn a_cut_removes_nobody_however_far_the_database_is() {
    for far in [0, 5, 20, 100] {
        for which in 0..3 {
            let (mut world, order) = pool(seed(), ms(far), Without::NOTHING);
            let half = match which {
                0 => (0..12).step_by(2).collect(),
                1 => order[..6].to_vec(),
                _ => order[3..5].to_vec(),
            };
            cut(&mut world, &half);
            assert!(!anybody_removed(&world), "{far} ms a statement, {half:?}: {:?}", world.ring());
            assert_sound(&world);
        }
    }
}

/// The accusers' clocks alone do not do: without the wait, living servers are removed.
#[test]
fn without_the_wait_a_cut_removes_the_farther_half() {
    let harm = (1..=5).any(|seed| {
        let (mut world, _) = pool(seed, ms(100), Without::rules(&[Rule::R3]));
        cut(&mut world, &(0..12).step_by(2).collect::<Vec<_>>());
        anybody_removed(&world)
    });
    assert!(harm);
}

/// The database stops for two seconds in the middle of a cut. It serves some a second later than others again, as a
/// statement that was begun late is answered late.
#[test]
fn nor_does_a_cut_in_which_the_database_stops() {
    for (seed, after) in [(1, 60), (2, 30), (3, 30), (3, 60), (4, 500), (5, 60)] {
        let (mut world, _) = pool(seed, ms(2), Without::NOTHING);
        let half: Vec<usize> = (0..12).step_by(2).collect();
        world.partition(&half, true);
        world.run_for(ms(after));
        world.slow = Some((secs(2), secs(2)));
        world.run_for(ms(2));
        world.run_for(secs(2));
        world.slow = None;
        world.run_for(secs(3));
        world.partition(&half, false);
        world.run_for(secs(5));
        assert!(!anybody_removed(&world), "seed {seed}, after {after} ms: {:?}", world.ring());
        assert_sound(&world);
    }
}

/// Far servers die as others do: nobody waits longer than the dead one's row says.
#[test]
fn a_dead_server_is_removed_after_its_own_wait() {
    for far in [0, 10, 50] {
        let (mut world, _) = pool(1, ms(far), Without::NOTHING);
        let (from, wait) = (world.now, world.table.named("s1").expect("there").wait());
        world.befall(0, Fault::Crash);
        assert!(world.run_until(secs(8), World::settled), "{far} ms: {:?}", world.ring());
        let down = told(&world, from, EventKind::Down, "s1").expect("down");
        println!("{far} ms a statement: wait {wait:?}, down after {down:?}");
        assert!(down >= wait, "{far} ms: {down:?}, and it asks for {wait:?}");
        assert_sound(&world);
    }
}

/// R5: its buddy on the other side has accused it since the cut began, and it has answered until it died.
#[test]
fn a_server_that_dies_at_the_edge_of_its_half_is_removed_during_the_cut() {
    let cases = [(ms(50), 1..4), (ms(200), 3..6), (secs(3), 3..6), (secs(20), 1..4), (secs(3), 0..4)];
    for (far, (after, half)) in cases.iter().flat_map(|case| [(ms(0), case), (ms(25), case)]) {
        let (mut world, order) = pool(seed(), far, Without::NOTHING);
        for host in 0..12 {
            world.hosts[host].distance = Some((far, far + ms(1)));
        }
        world.run_for(secs(75));
        let (dead, half) = (order[3], order[half.clone()].to_vec());
        world.partition(&half, true);
        world.run_for(*after);
        world.befall(dead, Fault::Crash);
        let gone = world.run_until(secs(10), |world| world.ring().len() == 11);
        assert!(gone, "{far:?}, {after:?} after the cut, {half:?}: {:?}", world.ring());
        assert!(world.table.named(&world.hosts[dead].name).is_none());
        assert_sound(&world);
    }
}

/// R7: a statement of a tenth of a second takes longer than the half second that is enough elsewhere.
#[test]
fn a_dead_server_is_removed_however_far_the_database_is() {
    for far in [5, 20, 60, 100, 200] {
        let (mut world, order) = pool(seed(), ms(far), Without::NOTHING);
        for host in 0..12 {
            world.hosts[host].distance = Some((ms(far), ms(far + 1)));
        }
        world.run_for(secs(75));
        world.befall(order[3], Fault::Crash);
        assert!(world.run_until(secs(30), |world| world.ring().len() == 11), "{far} ms: {:?}", world.ring());
        assert_sound(&world);
    }
}
