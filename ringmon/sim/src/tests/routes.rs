//! What routers make of a pool: who is dead gets no clients, whatever else has befallen the pool, and who is heard gets
//! them, whoever does not hear it.

use super::kit::{assert_sound, befall, ms, pool, secs, seeds};
use crate::{Fault, World};
use ringmon_core::route::Policy;

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
