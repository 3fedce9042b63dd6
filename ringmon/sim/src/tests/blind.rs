//! A server that cannot probe: it says so, removes nobody, and does not keep others from removing its dead buddy.

use super::kit::{assert_sound, befall, ms, pool, secs, told};
use crate::{Fault, World};
use ringmon_core::EventKind;

/// The server after `name` along the ring.
fn next(world: &World, name: &str) -> String {
    let ring = world.ring();
    let at = ring.iter().position(|each| each == name).expect("on the ring");
    ring[(at + 1) % ring.len()].clone()
}

fn state_of<'a>(world: &'a World, host: &str, other: &str) -> Option<&'a str> {
    let engine = world.hosts[world.host(host)?].engine.as_ref()?;
    engine.snapshot(world.now).watches.iter().find(|watch| watch.name == other).map(|watch| watch.state)
}

#[test]
fn a_blind_server_says_so_and_others_remove_its_dead_buddy() {
    for servers in [3, 4, 5, 8] {
        let mut world = pool(servers);
        let from = world.now;
        befall(&mut world, "s1", Fault::Blind);
        world.run_for(secs(3));
        let blind = told(&world, from, EventKind::Blind, "s1").expect("it says so");
        assert!(blind < secs(1), "{servers} servers: {blind:?}");
        assert_eq!(world.ring().len(), servers, "nobody is removed");

        let (dead, from) = (next(&world, "s1"), world.now);
        assert_eq!(state_of(&world, "s1", &dead), Some("unknown"));
        befall(&mut world, &dead, Fault::Crash);
        if servers == 3 {
            // Its only other witness is blind.
            world.run_for(secs(10));
            assert_eq!(told(&world, from, EventKind::Down, &dead), None);
        } else {
            assert!(world.run_until(secs(5), |w| w.ring().len() < servers), "{servers} servers: {:?}", world.ring());
            let down = told(&world, from, EventKind::Down, &dead).expect("removed");
            println!("{servers} servers: blind after {blind:?}, its dead buddy removed after {down:?}");
            assert!(down < secs(2), "{servers} servers: {down:?}");
        }
        assert!(told(&world, from, EventKind::Suspect, "s1").is_none(), "it answers, so it lives");

        let from = world.now;
        befall(&mut world, "s1", Fault::See);
        world.run_for(secs(1));
        assert!(told(&world, from, EventKind::SeesAgain, "s1").is_some(), "{servers} servers");
        assert_sound(&world);
    }
}

#[test]
fn who_cannot_probe_one_server_names_it_and_is_looked_past() {
    for servers in [4, 5, 8] {
        let mut world = pool(servers);
        let (from, dead) = (world.now, next(&world, "s1"));
        let other = world.host(&dead).expect("known");
        world.blind_to(0, other, true);
        world.run_for(secs(2));
        let blind = told(&world, from, EventKind::Blind, &dead).expect("it says so");
        assert!(blind < secs(1) && told(&world, from, EventKind::Blind, "s1").is_none(), "{servers}: {blind:?}");
        assert_eq!(state_of(&world, "s1", &dead), Some("unknown"));
        let from = world.now;
        befall(&mut world, &dead, Fault::Crash);
        assert!(world.run_until(secs(5), |w| w.ring().len() < servers), "{servers} servers: {:?}", world.ring());
        let down = told(&world, from, EventKind::Down, &dead).expect("removed");
        println!("{servers} servers: blind after {blind:?}, removed after {down:?}");
        assert!(down < secs(2), "{down:?}");
        assert_sound(&world);
    }
}

/// What was not seen while a server was blind is no silence: both were alive all the time.
#[test]
fn blindness_that_comes_and_goes_removes_nobody() {
    let mut world = pool(5);
    for round in 0..20 {
        befall(&mut world, if round % 3 == 0 { "s1" } else { "s2" }, Fault::Blind);
        world.run_for(ms(150 + 170 * round));
        befall(&mut world, "s1", Fault::See);
        befall(&mut world, "s2", Fault::See);
        world.run_for(ms(10 + 90 * (round % 4)));
    }
    world.run_for(secs(5));
    assert_eq!(world.ring().len(), 5);
    assert!(!super::kit::anybody_removed(&world));
    assert_sound(&world);
}

/// Its only other server may be dead, so silence alone is no blindness in a pool of two.
#[test]
fn in_a_pool_of_two_silence_is_no_blindness() {
    let mut world = pool(2);
    let from = world.now;
    befall(&mut world, "s2", Fault::Crash);
    world.run_for(secs(5));
    assert_eq!(world.ring(), ["s1"]);
    assert!(told(&world, from, EventKind::Blind, "s1").is_none());
}

/// It hears nobody, and its probes leave: all at once is more likely its own fault.
#[test]
fn who_hears_nobody_at_all_says_so() {
    let mut world = pool(5);
    let from = world.now;
    befall(&mut world, "s1", Fault::Isolate);
    world.run_for(secs(3));
    let line = world.log.iter().find(|l| l.at >= from && l.event.kind() == EventKind::Blind).expect("it says so");
    assert_eq!((line.event.subject.as_str(), line.event.body.detail()["why"].as_str()), ("s1", Some("receive_path")));
    assert!(line.at.since(from) < ms(1500), "{:?}", line.at.since(from));
}
