//! What an operator drained stays drained.

use super::kit::{assert_sound, pool, secs};
use crate::{Fault, World};

fn draining(world: &World) -> bool {
    world.table.named("s2").expect("it has a row").draining
}

/// "Drain, reboot, verify, undrain", and everything else that ends an agent. (`check_drains` looks on as well.)
#[test]
fn a_drained_server_comes_back_drained_whatever_ended_it() {
    for (end, start) in [
        (Fault::Leave, Fault::Start),
        (Fault::Kill, Fault::Start),
        (Fault::PowerOff, Fault::PowerOn),
        (Fault::Isolate, Fault::Return),
    ] {
        let mut world = pool(5);
        world.set_draining(1, true);
        let before = world.table.named("s2").expect("it has a row").id;
        for _ in 0..2 {
            world.run_for(secs(1));
            world.befall(1, end);
            assert!(world.run_until(secs(10), |world| world.table.named("s2").is_none()), "{end:?}: it is not removed");
            world.befall(1, start);
            assert!(world.run_until(secs(60), World::settled));
            assert!(draining(&world), "{end:?}");
        }
        assert_ne!(world.table.named("s2").expect("it has a row").id, before);
        world.set_draining(1, false);
        world.run_for(secs(1));
        world.befall(1, end);
        world.run_for(secs(10));
        world.befall(1, start);
        assert!(world.run_until(secs(60), World::settled));
        assert!(!draining(&world), "{end:?}: taken back");
        assert_sound(&world);
    }
}
