//! How fast each server is probed, and when another server's answer counts.

use core::time::Duration;

use super::kit::{Bench, address, ms};
use crate::engine::Input;
use crate::op::TableOp;
use crate::{EventKind, Incarnation, Profile, WatchReading};

const INTERVAL: Duration = Duration::from_millis(20);
const BURST: Duration = Duration::from_millis(2);

fn buddies(bench: &Bench) -> (u8, u8) {
    let list = bench.kept.clone().expect("a member");
    let number = |name: String| name.trim_start_matches('s').parse().expect("a number");
    (number(list.first.expect("a buddy").name), number(list.second.expect("a buddy").name))
}

fn interval(bench: &Bench, number: u8) -> Duration {
    bench.watch_of(number).expect("watched").interval
}

fn read(bench: &mut Bench, number: u8, silence: u64, misses: u32) {
    let watch = bench.watch_of(number).expect("watched").id;
    bench.read(watch, ms(silence), misses);
}

#[test]
fn from_its_first_miss_on_a_buddy_is_probed_faster_until_it_answers() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    read(&mut bench, first, 0, 0);
    read(&mut bench, second, 0, 0);
    assert_eq!((interval(&bench, first), interval(&bench, second)), (INTERVAL, INTERVAL));
    bench.pass(ms(25));
    read(&mut bench, first, 25, 1);
    assert_eq!(interval(&bench, first), BURST);
    assert_eq!(interval(&bench, second), BURST, "is it me? (R2)");
    bench.pass(ms(1));
    read(&mut bench, second, 0, 0);
    assert_eq!((interval(&bench, first), interval(&bench, second)), (BURST, INTERVAL), "it is not");
    bench.pass(ms(3));
    read(&mut bench, first, 0, 0);
    assert_eq!((interval(&bench, first), interval(&bench, second)), (INTERVAL, INTERVAL));
}

#[test]
fn a_burst_ends_when_there_is_enough_for_a_removal() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    bench.pass(ms(25));
    for misses in 1..24 {
        bench.pass(ms(2));
        read(&mut bench, first, 25 + 2 * u64::from(misses), misses);
        read(&mut bench, second, 0, 0);
        assert_eq!(interval(&bench, first), BURST, "{misses}");
    }
    read(&mut bench, first, 80, 24);
    assert_eq!(interval(&bench, first), INTERVAL);
}

#[test]
fn a_burst_is_never_faster_than_the_window_can_hold() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    let watch = bench.watch_of(first).expect("watched").id;
    bench.edit(watch, ms(25), 1, |reading| reading.patience = ms(480));
    assert_eq!(interval(&bench, first), ms(10), "48 outstanding");
    assert_eq!(Profile::Default.tuning().burst, BURST);
}

/// R2: the other buddy's answer counts if it came after the first miss, however soon. An answer from before the miss
/// proves nothing.
#[test]
fn the_vote_waits_for_an_answer_of_the_other_buddy_after_the_first_miss() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    read(&mut bench, second, 0, 0);
    bench.pass(ms(25));
    for misses in 1..=8 {
        bench.pass(ms(2));
        read(&mut bench, first, 25 + 2 * u64::from(misses), misses);
    }
    assert_eq!(bench.told(EventKind::Suspect), 1);
    let accuses = |bench: &Bench| bench.asked.iter().any(|(_, op)| matches!(op, TableOp::Accuse(_)));
    assert!(!accuses(&bench), "its own link may be dead");
    read(&mut bench, second, 0, 0);
    assert!(accuses(&bench));
    assert_eq!(bench.watch_of(first).map(|w| w.address), Some(address(first)));
}

/// R6: a silence that healed is remembered, and makes the next removal wait for longer.
#[test]
fn an_outage_that_healed_makes_the_next_removal_wait() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    let asked = |bench: &Bench| {
        let view = bench.engine.snapshot(bench.now);
        view.watches.iter().find(|w| w.address == address(first)).map(|w| w.silence_asked)
    };
    read(&mut bench, first, 0, 0);
    assert_eq!(asked(&bench), Some(ms(100)));
    bench.pass(ms(60));
    read(&mut bench, second, 0, 0);
    read(&mut bench, first, 60, 20);
    assert_eq!(bench.told(EventKind::Suspect), 1);
    read(&mut bench, first, 0, 0);
    let once = asked(&bench).expect("watched");
    assert!(once > ms(200) && once < ms(400), "one of 60 ms: {once:?}");
}

/// What one reading says is not all that is known at that moment: the others that were read with it come first.
#[test]
fn what_several_readings_say_is_decided_once_and_at_once() {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    bench.pass(ms(900));
    let watch = |bench: &Bench, number| bench.watch_of(number).expect("watched").id;
    let heard = |silence| WatchReading {
        replies: 1,
        consecutive: u32::from(silence > 0) * 30,
        last_reply: Some(bench.now - ms(silence)),
        last_pulse: Some(bench.now - ms(silence)),
        incarnation: Incarnation(1),
        ..WatchReading::default()
    };
    let (silent, alive) = (heard(800), heard(0));
    bench.engine.handle(bench.now, Input::Watch(watch(&bench, first), silent));
    assert_eq!(bench.engine.poll_timeout(), Some(bench.now), "the call that decides is due");
    bench.engine.handle(bench.now, Input::Watch(watch(&bench, second), alive));
    assert_eq!(bench.asked, []);
    bench.pass(ms(0));
    assert_ne!(bench.asked, [], "it looks at the row of the suspect");
}
