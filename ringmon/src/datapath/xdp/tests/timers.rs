//! Misses that the kernel's timers count.

use std::time::Duration;

use ringmon_common::layout::{EventKind, MISS_EVENTS, TIMER_SLACK_NS, WINDOW};

use super::super::clock;
use super::kit::{FIRST, Kit, PEER, WATCH, reply};
use ringmon_core::Time;

const SOON: Duration = Duration::from_millis(3);
/// Long enough that a probe's timer does not fire between two lines of a test.
const LATER: Duration = Duration::from_secs(1);

#[test]
fn an_unanswered_probe_is_a_miss_at_its_deadline() {
    let mut kit = Kit::watching(SOON);
    let missed = kit.miss();
    assert!(clock::now() >= Time::from_ns(kit.outstanding(missed).deadline_ns));
    let reading = kit.reading();
    assert_eq!((reading.misses, reading.consecutive, reading.replies), (1, 1, 0));
}

#[test]
fn an_answered_probe_is_no_miss_but_those_around_it_are() {
    let mut kit = Kit::watching(LATER);
    (0..5).for_each(|seq| kit.send(FIRST + seq));
    for seq in [1, 3] {
        kit.receive(reply(FIRST + seq).as_bytes());
    }
    kit.until("three misses", |_| kit.reading().misses == 3);
    // The next probe's timer fires after every earlier one was looked at.
    kit.shared.deadline(WATCH.slot, (SOON, SOON));
    kit.send(FIRST + 5);
    let reading = kit.until("another", |_| kit.reading().misses == 4);
    assert_eq!((reading.replies, reading.sent), (2, 6));
}

/// A window holds more than 64 probes, each with its own deadline: a round trip may be many intervals long.
#[test]
fn a_hundred_outstanding_probes_are_all_judged() {
    let mut kit = Kit::watching(LATER);
    (0..100).for_each(|seq| kit.send(FIRST + seq));
    (0..100).step_by(2).for_each(|seq| drop(kit.receive(reply(FIRST + seq).as_bytes())));
    assert_eq!((kit.reading().replies, kit.reading().misses), (50, 0));
    kit.until("fifty judgements", |_| kit.reading().misses == 50);
    assert_eq!(kit.counted().get("window_full"), None);
}

#[test]
fn a_probe_that_finds_its_place_taken_is_counted() {
    let mut kit = Kit::watching(Duration::from_secs(1000));
    (0..=u64::from(WINDOW)).for_each(|seq| kit.send(FIRST + seq));
    assert_eq!((kit.counted()["stamped"], kit.counted()["window_full"]), (u64::from(WINDOW) + 1, 1));
}

/// Probes that never left leave gaps, which may be longer than the window.
#[test]
fn gaps_in_the_sequence_do_not_hide_misses() {
    let mut kit = Kit::watching(SOON);
    for (seq, before) in [0, 1, 7, 40, 1000, 1001, 1 << 40].into_iter().zip(0..) {
        kit.send(FIRST + seq);
        kit.until("a judgement", |_| kit.reading().misses == before + 1);
    }
}

/// Probes that waited for their neighbour to resolve leave gaps too.
#[test]
fn a_probe_that_leaves_after_a_later_one_is_judged_too() {
    let mut kit = Kit::watching(SOON);
    kit.send(FIRST + 5);
    kit.until("the later one", |_| kit.reading().misses == 1);
    kit.send(FIRST + 2);
    kit.until("the earlier one", |_| kit.reading().misses == 2);
}

/// It counts, and the agent is told in which span the reply may have been on its way through this machine.
#[test]
fn a_miss_whose_timer_fires_too_late_is_doubtful() {
    let mut kit = Kit::watching(LATER);
    let first = |kit: &mut Kit, seq: u64| {
        kit.send(seq);
        let deadline = kit.outstanding(seq).deadline_ns - 2 * TIMER_SLACK_NS;
        kit.set_deadline(seq, deadline);
        assert_eq!(kit.next_event(), EventKind::Late as u32);
        Time::from_ns(deadline)
    };
    let deadlines = [first(&mut kit, FIRST), first(&mut kit, FIRST + 1)];
    let (from, until) = kit.shared.take_doubt(WATCH.slot.into()).expect("a span");
    assert_eq!(from, deadlines[0]);
    assert!(until > deadlines[1] + Duration::from_nanos(TIMER_SLACK_NS));
    assert_eq!(kit.shared.take_doubt(WATCH.slot.into()), None);
    let left = Time::from_ns(kit.outstanding(FIRST).sent_ns);
    let reading = kit.reading();
    assert_eq!((reading.misses, reading.consecutive), (2, 2));
    assert_eq!((reading.run_from, reading.run_until), (Some(left), Some(deadlines[1])));
    assert_eq!(kit.counted().get("miss_late"), Some(&2));
    kit.receive(reply(FIRST + 1).as_bytes());
    assert_eq!((kit.reading().run_from, kit.reading().run_until), (None, None), "a reply ends the run");
}

const fn is_miss(kind: u32) -> bool {
    kind == EventKind::Miss as u32 || kind == EventKind::Late as u32
}

#[test]
fn only_the_first_misses_in_a_row_wake_the_agent() {
    let mut kit = Kit::watching(SOON);
    let mut told = 0;
    for seq in FIRST..FIRST + u64::from(MISS_EVENTS) + 10 {
        kit.send(seq);
        kit.until("a judgement", |_| kit.reading().misses == seq - FIRST + 1);
        told += kit.events().into_iter().filter(|kind| is_miss(*kind)).count() as u64;
    }
    // The event of this one comes after all others.
    kit.receive(reply(FIRST + u64::from(MISS_EVENTS) + 9).as_bytes());
    told += kit.events().into_iter().filter(|kind| is_miss(*kind)).count() as u64;
    assert_eq!(told, kit.reading().misses.min(MISS_EVENTS.into()));
}

#[test]
fn the_timer_of_a_slot_serves_its_next_watch_and_forgets_the_last() {
    let mut kit = Kit::watching(LATER);
    kit.send(FIRST);
    kit.shared.begin(WATCH, PEER.1, FIRST + 500, (SOON, SOON), clock::now());
    kit.send(FIRST + 500);
    kit.until("the miss", |_| kit.reading().misses == 1);
    kit.shared.end(WATCH.slot);
    kit.send(FIRST + 501);
    assert_eq!(kit.counted().get("stamp_unknown"), Some(&1));
}

/// This checks no limit, which a busy machine could break. It prints numbers for people.
#[test]
fn how_late_timers_are() {
    let mut kit = Kit::watching(SOON);
    let mut late: Vec<u128> = Vec::new();
    for seq in FIRST..FIRST + 300 {
        kit.send(seq);
        let deadline = Time::from_ns(kit.outstanding(seq).deadline_ns);
        kit.until("a judgement", |_| kit.reading().misses == seq - FIRST + 1);
        let timed = kit.timed_events().into_iter().filter(|(kind, _)| *kind == EventKind::Miss as u32);
        late.extend(timed.map(|(_, at)| at.since(deadline).as_micros()));
        // So that every miss is an event.
        kit.receive(reply(seq).as_bytes());
    }
    late.sort_unstable();
    let at = |percent: usize| late[(late.len() - 1) * percent / 100];
    println!(
        "{} timers fired after their deadline by p50 {} us, p99 {} us, at most {} us",
        late.len(),
        at(50),
        at(99),
        at(100)
    );
}
