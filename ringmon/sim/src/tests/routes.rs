//! What routers make of a pool: who is dead gets no clients, whatever else has befallen the pool, and who is heard gets
//! them, whoever does not hear it.

use super::kit::{anybody_removed, assert_sound, befall, ms, pool, rule, secs, seeds};
use crate::{Fault, World};
use ringmon_core::route::Policy;
use ringmon_core::row::Alone;

/// Fails unless exactly these are routed by every router at the end of this span, and from then on.
fn assert_routed(world: &mut World, within: u64, names: &[&String]) {
    world.run_for(secs(within));
    for _ in 0..100 {
        let ring = world.ring();
        let routed: Vec<&String> = ring.iter().filter(|name| world.is_routed(name)).collect();
        let mut expected = names.to_vec();
        expected.sort_by_key(|name| ring.iter().position(|at| at == *name));
        assert_eq!(routed, expected, "at {:?}", world.now);
        world.run_for(ms(500));
    }
}

/// Between three that do not hear each other, and all reach the table, nobody can say who is cut off.
#[test]
fn whom_nobody_hears_and_who_speaks_is_routed() {
    let mut world = pool(3);
    world.watch_routes(&Policy::default());
    let ring = world.ring();
    world.run_for(secs(1));
    for name in &ring {
        befall(&mut world, name, Fault::Isolate);
    }
    assert_routed(&mut world, 1, &[&ring[0], &ring[1], &ring[2]]);
    assert_sound(&world);
}

/// Must not hang on how long it lasts, nor on who of the two is asked first.
#[test]
fn whom_one_buddy_does_not_hear_is_never_out() {
    for seed in seeds() {
        for (servers, span) in [(3, 50), (3, 500), (6, 50), (6, 200), (6, 500), (6, 5000)] {
            let mut world = pool(servers);
            world.watch_routes(&Policy::default());
            let ring = world.ring();
            world.run_for(secs(1));
            let [a, b] = [0, 1].map(|at| world.host(&ring[at]).unwrap());
            for cut in [true, false] {
                let now = world.now;
                world.network.set_cut(a, b, cut, now);
                world.network.set_cut(b, a, cut, now);
                world.run_for(ms(span));
            }
            world.run_for(secs(5));
            let out: u64 = ring.iter().map(|name| world.taken_out(name)).sum();
            assert_eq!(out, 0, "seed {seed}, {servers} servers, {span} ms");
            assert_sound(&world);
        }
    }
}

/// P7: two of three die, and the pool's rules allow the third to remove nobody.
#[test]
fn of_three_of_which_two_die_the_third_is_routed() {
    for _ in seeds() {
        let mut world = pool(3);
        world.watch_routes(&Policy::default());
        let ring = world.ring();
        world.run_for(secs(1));
        for dead in &ring[1..] {
            befall(&mut world, dead, Fault::Crash);
        }
        assert_routed(&mut world, 6, &[&ring[0]]);
        assert!(!anybody_removed(&world), "{:?}", world.ring());
        for back in &ring[1..] {
            befall(&mut world, back, Fault::Return);
        }
        assert_routed(&mut world, 3, &[&ring[0], &ring[1], &ring[2]]);
        assert_sound(&world);
    }
}

/// The one that is left may remove the others: the list is the same, and so is the ring.
#[test]
fn where_one_may_remove_all_it_ends_as_a_ring_of_one() {
    for _ in seeds() {
        let mut world = pool(3);
        rule(&mut world, |pool| pool.rules.alone = Alone::All);
        world.watch_routes(&Policy::default());
        let ring = world.ring();
        world.run_for(secs(1));
        for dead in &ring[1..] {
            befall(&mut world, dead, Fault::Crash);
        }
        let alone = |world: &World| world.ring() == ring[..1];
        assert!(world.run_until(secs(4), alone), "{:?}", world.ring());
        assert_routed(&mut world, 1, &[&ring[0]]);
        assert_sound(&world);
    }
}

/// Hosts answer, so they may serve.
#[test]
fn of_three_of_which_two_lose_their_agents_all_are_routed() {
    for (fault, apart) in [(Fault::Kill, ms(0)), (Fault::Stop, ms(0)), (Fault::Kill, ms(250))] {
        for _ in seeds() {
            let mut world = pool(3);
            world.watch_routes(&Policy::default());
            let ring = world.ring();
            world.run_for(secs(1));
            for agent in &ring[1..] {
                befall(&mut world, agent, fault);
                world.run_for(apart);
            }
            // The vote against the first of them is taken back once its voter hears nobody.
            assert_routed(&mut world, 3, &[&ring[0], &ring[1], &ring[2]]);
            assert_eq!(world.ring().len(), 3, "nobody may remove them");
            let taken_out: u64 = ring.iter().map(|name| world.taken_out(name)).sum();
            assert!(taken_out <= 2, "{fault:?}: {taken_out}");
            assert_sound(&world);
        }
    }
}

/// Who hears everybody writes nothing, and must not be out because another server is deaf and says so.
#[test]
fn a_deaf_server_takes_nobody_out() {
    for seed in seeds() {
        for servers in [3, 5, 8] {
            for span in [100, 500, 1500, 5000] {
                let mut world = pool(servers);
                world.watch_routes(&Policy::default());
                let ring = world.ring();
                world.run_for(secs(1));
                befall(&mut world, &ring[0], Fault::Isolate);
                world.run_for(ms(span));
                befall(&mut world, &ring[0], Fault::Return);
                world.run_for(secs(10));
                let out: u64 = ring[1..].iter().map(|name| world.taken_out(name)).sum();
                assert_eq!(out, 0, "seed {seed}, {servers} servers, deaf for {span} ms");
                assert_sound(&world);
            }
        }
    }
}
