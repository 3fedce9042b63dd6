//! A server that is alone on the ring, or almost alone.

use ringmon_common::wire::VERSION;

use super::kit::{Bench, address, ms, ring};
use crate::engine::Input;
use crate::op::TableOp;
use crate::row::Mode;
use crate::{EventKind, Incarnation, Time, VoteKind, WatchReading};

/// A member of a ring of two that does not hear the other server for `span` ms. `probed`: the other server's probes
/// still arrive.
fn deaf(bench: &mut Bench, span: u64, probed: bool) {
    deaf_but_for(bench, span, |now| probed.then_some(Some(now)));
}

/// The same. Probes arrive while `proved` is something, and say that their sender lived then.
fn deaf_but_for(bench: &mut Bench, span: u64, proved: impl Fn(Time) -> Option<Option<Time>>) {
    let since = *bench.silent.get_or_insert(bench.now);
    for _ in 0..span / 20 {
        bench.pass(ms(20));
        let watch = bench.watch_of(1).map(|w| w.id);
        if let Some(watch) = watch {
            let silence = bench.now.since(since);
            bench.read(watch, silence, u32::try_from(silence.as_millis() / 20).unwrap());
        }
        if let Some(proved) = proved(bench.now) {
            bench.feed(Input::Answered { address: address(1), at: bench.now, proved });
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

/// Whoever reads the path can send what was sent before. It says nothing of now.
#[test]
fn of_two_a_dead_one_whose_probes_somebody_sends_again_is_removed() {
    let mut bench = of_two();
    let died = bench.now;
    deaf_but_for(&mut bench, 6000, |_| Some(Some(died)));
    assert_eq!(bench.told(EventKind::Down), 1, "they bring back what they brought before");
    let mut bench = of_two();
    deaf_but_for(&mut bench, 6000, |_| Some(None));
    assert_eq!(bench.told(EventKind::Down), 1, "and after a restart of this server, nothing");
}

/// Its probes bring nothing back, so they count when they come.
#[test]
fn of_two_an_older_one_whose_probes_arrive_lives() {
    let mut table = ring(1);
    let row = table.rows.values_mut().next().expect("a row");
    row.answering.as_mut().expect("it answers").wire = VERSION;
    let mut bench = Bench::beside(9, table);
    deaf_but_for(&mut bench, 6000, |_| Some(None));
    assert_eq!(bench.told(EventKind::Down), 0);
}

/// Seed 14947 of the simulator: it asked the database again and again, as fast as that answered.
#[test]
fn a_removal_that_is_held_back_waits_for_the_next_mark() {
    let mut bench = of_two();
    bench.table.pool.rules.mode = Mode::Observe;
    let since = bench.now;
    let mut tries = 0;
    for _ in 0..500 {
        bench.pass(ms(20));
        let silence = bench.now.since(since);
        let watch = bench.watch_of(1).expect("watched").id;
        bench.read(watch, silence, u32::try_from(silence.as_millis() / 20).unwrap());
        tries += bench.settle().iter().filter(|op| matches!(op, TableOp::RemoveAll(_))).count();
    }
    assert!((5..=20).contains(&tries), "{tries} in ten seconds");
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

/// A member of a ring of three misses both: the hosts of both, or the agent of `s1` alone. Returns what it wrote about
/// that, without repetitions.
fn marks(bench: &mut Bench, agent: bool, span: u64) -> Vec<Option<VoteKind>> {
    let since = *bench.silent.get_or_insert(bench.now);
    let mut marks = Vec::new();
    for _ in 0..span / 20 {
        bench.pass(ms(20));
        let (now, silence) = (bench.now, bench.now.since(since));
        let misses = u32::try_from(silence.as_millis() / 20).unwrap();
        for watch in bench.watches.clone() {
            let answers = agent && watch.address == address(1);
            bench.edit(watch.id, silence, if answers { 0 } else { misses }, |reading| {
                if answers {
                    (reading.replies, reading.last_reply) = (2, Some(now));
                }
            });
        }
        let done = bench.settle();
        marks.extend(done.iter().filter_map(|op| match op {
            TableOp::Alone { alone, .. } => Some(*alone),
            _ => None,
        }));
    }
    marks.dedup();
    marks
}

#[test]
fn a_mark_says_host_once_the_whole_ring_was_looked_at_and_no_host_answers() {
    use VoteKind::{Agent, Host};
    let mut bench = Bench::member(2);
    let began = bench.now;
    assert_eq!(marks(&mut bench, false, 3000), [Some(Agent), Some(Host)], "first it has not looked yet");
    let row = bench.table.named("s9").unwrap();
    let (since, at) = (row.alone_since.unwrap(), row.alone_at.unwrap());
    assert_eq!(row.alone_kind, Some(Host));
    assert!(at.since(since).unwrap() > ms(1500), "it is renewed, {:?} after {began:?}", at.since(since));
    let writes = bench.table.rows.values().find(|row| row.alone_at.is_some()).unwrap().version;
    assert!(writes < 14, "{writes} writes");
}

#[test]
fn where_a_host_answers_a_mark_says_agent() {
    let mut bench = Bench::member(2);
    assert_eq!(marks(&mut bench, true, 2500), [Some(VoteKind::Agent)]);
    bench.silent = None;
    let both = [VoteKind::Agent, VoteKind::Host].map(Some);
    assert_eq!(marks(&mut bench, false, 2500), both, "that host dies too");
}
