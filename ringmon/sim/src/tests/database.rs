//! What befalls the database holds removals up for a while, and never for good.

use super::kit::{assert_sound, befall, ms, pool, secs, seeds, told};
use crate::Fault;
use ringmon_core::EventKind;

/// P6: it dies in the middle of a splice, and the database does not know that it is dead.
#[test]
fn locks_of_the_dead_hold_a_removal_up_until_the_database_lets_them_go() {
    for seed in seeds() {
        let mut world = pool(6);
        let ring = world.ring();
        let from = world.now;
        world.hold_rows(world.host(&ring[1]).unwrap());
        befall(&mut world, &ring[1], Fault::PowerOff);
        world.run_for(secs(10));
        let down = told(&world, from, EventKind::Down, &ring[1]).expect("it is removed");
        assert!(down > secs(6) && down < secs(9), "seed {seed}: {down:?}");
        assert!(world.settled(), "{:?}", world.ring());
        assert_sound(&world);
    }
}

/// Whoever gets no answer finds in the table what became of its operation.
#[test]
fn lost_answers_cost_time_and_no_server() {
    for seed in seeds() {
        let mut world = pool(6);
        let ring = world.ring();
        world.lose_answers(true);
        let from = world.now;
        befall(&mut world, &ring[1], Fault::Crash);
        befall(&mut world, &ring[3], Fault::Leave);
        assert!(world.run_until(secs(20), |w| w.table.rows.len() == 4), "seed {seed}: {:?}", world.ring());
        world.lose_answers(false);
        world.run_for(secs(10));
        assert!(world.settled(), "{:?}", world.ring());
        let removed: Vec<_> = world.table.events.iter().filter(|e| e.body.removal().is_some()).collect();
        assert_eq!(removed.len(), 1, "{removed:?}");
        assert!(ms(50) < told(&world, from, EventKind::Down, &ring[1]).expect("it is told"));
        assert_sound(&world);
    }
}
