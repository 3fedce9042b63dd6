//! A server that is alone on the ring, or almost alone.

use super::kit::{Bench, address, ms};
use crate::engine::Input;
use crate::op::TableOp;
use crate::{EventKind, Incarnation, WatchReading};

/// A member of a ring of two that does not hear the other server for `span` ms. `probed`: the other server's probes
/// still arrive.
fn deaf(bench: &mut Bench, span: u64, probed: bool) {
    let since = *bench.silent.get_or_insert(bench.now);
    for _ in 0..span / 20 {
        bench.pass(ms(20));
        let watch = bench.watch_of(1).map(|w| w.id);
        if let Some(watch) = watch {
            let silence = bench.now.since(since);
            bench.read(watch, silence, u32::try_from(silence.as_millis() / 20).unwrap());
        }
        if probed {
            bench.feed(Input::Answered(address(1), bench.now));
        }
        bench.settle();
    }
}

fn of_two() -> Bench {
    Bench::member(1)
}

#[test]
fn of_two_the_one_that_neither_answers_nor_probes_is_removed() {
    let mut bench = of_two();
    deaf(&mut bench, 3000, false);
    assert_eq!(bench.told(EventKind::Down), 1);
}

#[test]
fn of_two_the_one_whose_probes_arrive_lives() {
    let mut bench = of_two();
    deaf(&mut bench, 20_000, true);
    assert_eq!((bench.told(EventKind::Down), bench.table.rows.len()), (0, 2));
    assert!(bench.table.rows.values().any(|row| row.alone_at.is_some()), "it says that it hears nobody");
    deaf(&mut bench, 6000, false);
    assert_eq!(bench.told(EventKind::Down), 1, "its probes have ended");
}

#[test]
fn whoever_hears_again_objects_for_a_while() {
    let mut bench = of_two();
    deaf(&mut bench, 900, false);
    let marked = |bench: &Bench| bench.table.rows.values().any(|row| row.alone_at.is_some());
    assert!(marked(&bench), "alone");
    let hear = |bench: &mut Bench, span: u64| {
        for _ in 0..span / 20 {
            bench.pass(ms(20));
            let watch = bench.watch_of(1).expect("watched").id;
            bench.feed(Input::Watch(
                watch,
                WatchReading {
                    replies: 2,
                    last_reply: Some(bench.now),
                    last_pulse: Some(bench.now),
                    incarnation: Incarnation(1),
                    ..WatchReading::default()
                },
            ));
            assert!(!bench.asked.iter().any(|(_, op)| matches!(op, TableOp::RemoveAll(_))));
            bench.settle();
        }
    };
    hear(&mut bench, 1300);
    assert!(marked(&bench), "the other may still be deaf, and must find an objection");
    hear(&mut bench, 1000);
    assert!(!marked(&bench), "long enough");
}
