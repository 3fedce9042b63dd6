//! R6: a first silence is no death. Who was away itself gives servers that it has not heard since a grace.

use super::kit::{Bench, ms, ring};
use super::member::buddies;
use crate::engine::Input;
use crate::op::TableOp;
use crate::{Time, law};
use core::time::Duration;

/// The answers of one buddy.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    /// It answers now.
    Yes,
    /// It has not answered since then; `None`: never.
    Not(Option<Time>),
}

/// Lets 20 ms pass, and reads what both buddies say. Returns whether any silence was called long enough for a removal.
fn look(bench: &mut Bench, says: [Says; 2], misses: u32) -> bool {
    bench.pass(ms(20));
    let (first, second) = buddies(bench);
    for (number, says) in [first, second].into_iter().zip(says) {
        let Some(watch) = bench.watch_of(number).map(|w| w.id) else { continue };
        match says {
            Says::Yes => bench.read(watch, ms(0), 0),
            Says::Not(since) => bench.edit(watch, ms(0), misses, |r| (r.last_reply, r.last_pulse) = (since, since)),
        }
    }
    let enough = |op: &TableOp| matches!(op, TableOp::Accuse(a) if a.findings.iter().any(|f| f.enough));
    bench.settle().iter().any(enough)
}

/// How long it takes until a silence is called long enough; at most 70 s.
fn enough_after(bench: &mut Bench, says: [Says; 2]) -> Option<Duration> {
    let from = bench.now;
    (1..3500).find(|n| look(bench, says, *n)).map(|_| bench.now.since(from))
}

/// The agent of `s2` starts, and finds its row in a ring of four.
fn started() -> Bench {
    let mut bench = Bench::new(2, ring(4));
    bench.feed(Input::Start { kept: None });
    bench.settle();
    assert_eq!(bench.phase(), "member");
    bench
}

#[test]
fn after_a_start_whom_it_has_not_heard_yet_has_a_minute() {
    let mut bench = started();
    let after = enough_after(&mut bench, [Says::Yes, Says::Not(None)]).expect("it ends");
    assert!((law::GRACE_MOST..law::GRACE_MOST + ms(1000)).contains(&after), "{after:?}");
}

#[test]
fn whoever_was_heard_once_since_has_the_usual_times() {
    let mut bench = started();
    for _ in 0..50 {
        look(&mut bench, [Says::Yes, Says::Yes], 0);
    }
    let died = bench.now;
    let after = enough_after(&mut bench, [Says::Yes, Says::Not(Some(died))]).expect("at once");
    assert!(after <= ms(350), "{after:?}: 16 misses of 20 ms");
}

#[test]
fn after_it_heard_nobody_whom_it_has_not_heard_since_has_ten_times_as_long() {
    let mut bench = started();
    for _ in 0..50 {
        look(&mut bench, [Says::Yes, Says::Yes], 0);
    }
    let cut = bench.now;
    let nobody = [Says::Not(Some(cut)); 2];
    for n in 1..=100 {
        assert!(!look(&mut bench, nobody, n), "who hears nobody accuses nobody (R2)");
    }
    let after = enough_after(&mut bench, [Says::Yes, Says::Not(Some(cut))]).expect("it ends");
    assert!((ms(20_000)..ms(21_000)).contains(&after), "{after:?}");
}

#[test]
fn who_joins_a_pool_has_not_been_away_from_it() {
    let mut bench = Bench::member(4);
    let after = enough_after(&mut bench, [Says::Yes, Says::Not(None)]).expect("at once");
    assert!(after <= ms(1000), "{after:?}");
}
