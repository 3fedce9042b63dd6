//! Replies to this server's own probes.

use std::time::Duration;

use ringmon_common::layout::{EventKind, LATE_NS};
use ringmon_common::wire::PULSE_NEVER;

use super::super::clock;
use super::kit::{FIRST, Kit, PEER, Station, WATCH, XDP_DROP, XDP_PASS, plain_echo, reply, reply_with};
use crate::datapath::Readings;
use ringmon_core::evidence::WatchId;
use ringmon_core::row::Health;
use ringmon_core::{Incarnation, Time};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(1000);

fn consumed(kit: &mut Kit, frame: &ringmon_common::Frame) {
    assert_eq!(kit.receive(frame.as_bytes()).action, XDP_DROP);
}

#[test]
fn a_reply_is_measured_and_consumed() {
    let mut kit = Kit::watching(LONG);
    let before = clock::now();
    kit.send(FIRST);
    let residence = 1_000_u32;
    let told = reply_with(FIRST, |payload| {
        payload.residence_ns = residence.to_be_bytes();
        payload.pulse_age_us = 40_000_u32.to_be_bytes();
        payload.responder_incarnation = 4711_u64.to_be_bytes();
        payload.health = 2;
    });
    consumed(&mut kit, &told);
    let reading = kit.reading();
    let (arrived, rtt) = (reading.last_reply.expect("a reply"), reading.last_rtt.expect("a round trip"));
    let sent = Time::from_ns(kit.outstanding(FIRST).sent_ns);
    assert!(before <= sent && sent <= arrived && arrived <= clock::now());
    assert_eq!(rtt + Duration::from_nanos(residence.into()), arrived.since(sent));
    assert_eq!(reading.last_pulse, Some(arrived - Duration::from_millis(40)));
    assert_eq!((reading.incarnation, reading.health), (Incarnation(4711), Health::Failing));
    assert_eq!((reading.sent, reading.replies, reading.late, reading.misses, reading.consecutive), (1, 1, 0, 0, 0));
    let trips = kit.shared.round_trips(WATCH.slot);
    let [before @ .., (bound, 1)] = trips.as_slice() else { panic!("{trips:?}") };
    assert!(u128::from(*bound) > rtt.as_nanos() && before.iter().all(|(_, count)| *count == 0), "{trips:?}");
    assert!(before.last().is_none_or(|(below, _)| u128::from(*below) <= rtt.as_nanos()), "{trips:?}");
    assert_eq!(kit.counted(), [("reply", 1), ("stamped", 1)].into());
    assert_eq!(kit.events(), [EventKind::First as u32]);
}

#[test]
fn a_reply_counts_once() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    (0..3).for_each(|_| consumed(&mut kit, &reply(FIRST)));
    let reading = kit.reading();
    assert_eq!(reading.replies, 1);
    assert_eq!(kit.counted(), [("reply", 1), ("duplicate_reply", 2), ("stamped", 1)].into());
    assert_eq!(kit.shared.watches.load(u32::from(WATCH.slot)).expect("the watch").duplicates, 2);
}

#[test]
fn a_reply_to_no_probe_of_ours_proves_nothing() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    let third: Station = ([2, 0, 0, 0, 0, 3], [10, 0, 0, 3]);
    let elsewhere = WatchId { slot: WATCH.slot, generation: WATCH.generation - 1 };
    let frames = [
        reply(FIRST + 1),
        reply(FIRST + 128),
        reply_with(FIRST, |payload| payload.generation = elsewhere.generation.to_be_bytes()),
        reply_with(FIRST, |payload| payload.slot = 4_u16.to_be_bytes()),
        reply_with(FIRST, |payload| payload.slot = 64_u16.to_be_bytes()),
        plain_echo(FIRST + 1),
    ];
    frames.iter().for_each(|frame| consumed(&mut kit, frame));
    // Another server of the pool tagged it well, for our probe of this one.
    let mut foreign = reply(FIRST).payload;
    foreign.tag =
        ringmon_common::TagKey::new(&super::kit::SECRET).v4(super::kit::US.1, third.1, &foreign).reply(&foreign);
    let foreign = ringmon_common::Frame::new(third, super::kit::US, 0, foreign);
    consumed(&mut kit, &foreign);
    let reading = kit.reading();
    assert_eq!((reading.replies, reading.last_reply, reading.last_plain), (0, None, None));
    assert_eq!(kit.counted(), [("stale_reply", 7), ("stamped", 1)].into());
    assert!(kit.events().is_empty());
}

#[test]
fn a_forged_reply_passes_untouched_and_proves_nothing() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    for mut forged in [reply(FIRST), plain_echo(FIRST)] {
        forged.payload.tag[7] ^= 1;
        let outcome = kit.receive(forged.as_bytes());
        assert_eq!((outcome.action, outcome.packet.as_slice()), (XDP_PASS, forged.as_bytes().as_slice()));
    }
    assert_eq!((kit.reading().replies, kit.reading().last_plain), (0, None));
    assert_eq!(kit.counted(), [("wrong_tag", 2), ("stamped", 1)].into());
}

/// The watch's next life starts elsewhere in the sequence, so no recorded reply fits.
#[test]
fn a_reply_of_an_earlier_watch_in_the_same_slot_proves_nothing() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    kit.shared.begin(WATCH, PEER.1, FIRST + 1_000_000, (LONG, LONG), clock::now());
    consumed(&mut kit, &reply(FIRST));
    kit.send(FIRST + 1_000_000);
    consumed(&mut kit, &reply(FIRST));
    assert_eq!(kit.reading().replies, 0);
    assert_eq!(kit.shared.read(WatchId { generation: WATCH.generation + 1, ..WATCH }), None);
}

#[test]
fn a_plain_echo_proves_the_host_and_not_the_agent() {
    let mut kit = Kit::watching(LONG);
    kit.send(FIRST);
    consumed(&mut kit, &plain_echo(FIRST));
    let reading = kit.reading();
    assert!(reading.last_plain.is_some());
    assert_eq!((reading.replies, reading.last_reply, reading.last_pulse), (0, None, None));
    consumed(&mut kit, &plain_echo(FIRST));
    assert_eq!(kit.counted(), [("plain_reply", 1), ("duplicate_reply", 1), ("stamped", 1)].into());
    assert_eq!(kit.events(), [EventKind::First as u32]);
    // And back: the agent has started.
    kit.send(FIRST + 1);
    consumed(&mut kit, &reply(FIRST + 1));
    assert_eq!(kit.events(), [EventKind::Changed as u32]);
}

#[test]
fn only_changes_wake_the_agent() {
    let mut kit = Kit::watching(LONG);
    const FRESH: u32 = 0;
    const OLD: u32 = 500_000;
    // Health, incarnation and age of the pulse; and the news in each.
    let history: [(u8, u64, u32, &[EventKind]); 9] = [
        (0, 5, FRESH, &[EventKind::First]),
        (0, 5, FRESH, &[]),
        (1, 5, FRESH, &[EventKind::Changed]),
        (1, 5, OLD - 1, &[]),
        (1, 6, FRESH, &[EventKind::Changed]),
        (1, 6, FRESH, &[]),
        (1, 6, OLD, &[EventKind::Pulse]),
        (1, 6, PULSE_NEVER, &[]),
        (1, 6, FRESH, &[EventKind::Pulse]),
    ];
    for (seq, (health, incarnation, age, news)) in (FIRST..).zip(history) {
        kit.send(seq);
        let told = reply_with(seq, |payload| {
            payload.health = health;
            payload.responder_incarnation = incarnation.to_be_bytes();
            payload.pulse_age_us = age.to_be_bytes();
        });
        consumed(&mut kit, &told);
        let news: Vec<u32> = news.iter().map(|kind| *kind as u32).collect();
        assert_eq!(kit.events(), news, "reply {}", seq - FIRST);
    }
}

#[test]
fn the_latest_known_pulse_only_grows() {
    let mut kit = Kit::watching(LONG);
    let mut pulse = |seq: u64, age: u32| {
        kit.send(FIRST + seq);
        consumed(&mut kit, &reply_with(FIRST + seq, |payload| payload.pulse_age_us = age.to_be_bytes()));
        kit.reading().last_pulse
    };
    assert_eq!(pulse(0, PULSE_NEVER), None);
    let first = pulse(1, 1000);
    assert!(first.is_some());
    assert_eq!(pulse(2, 100_000_000), first);
    assert_eq!(pulse(3, PULSE_NEVER), first);
    assert!(pulse(4, 0) > first);
}

#[test]
fn a_late_reply_still_proves_life_and_resets_the_misses() {
    let mut kit = Kit::watching(Duration::from_millis(1));
    let missed = kit.miss();
    let before = kit.reading();
    consumed(&mut kit, &reply(missed));
    let reading = kit.reading();
    assert_eq!((reading.replies, reading.late, reading.consecutive), (1, 1, 0));
    assert_eq!(reading.misses, before.misses, "it was one, and stays one");
    assert_eq!(kit.events(), [EventKind::First as u32]);
    consumed(&mut kit, &reply(missed));
    assert_eq!(kit.reading().replies, 1, "once");
}

#[test]
fn a_reply_after_misses_is_news() {
    let mut kit = Kit::watching(Duration::from_millis(1));
    let missed = kit.miss();
    consumed(&mut kit, &reply(missed));
    kit.events();
    let missed = kit.miss();
    consumed(&mut kit, &plain_echo(missed));
    assert_eq!((kit.events().as_slice(), kit.reading().consecutive), (&[EventKind::Back as u32][..], 0));
}

#[test]
fn more_than_a_second_late_is_too_late() {
    let mut kit = Kit::watching(Duration::from_millis(1));
    let missed = kit.miss();
    kit.set_deadline(missed, clock::now().as_ns() - LATE_NS);
    consumed(&mut kit, &reply(missed));
    assert_eq!((kit.reading().replies, kit.reading().consecutive > 0), (0, true));
    assert_eq!(kit.counted().get("stale_reply"), Some(&1));
}

/// RFC 6298: the next probe's deadline follows the round trips, within the bounds from user space.
#[test]
fn a_long_round_trip_raises_the_next_deadline_and_short_ones_lower_it_again() {
    let mut kit = Kit::watching(LONG);
    let (least, most) = (Duration::from_millis(5), Duration::from_secs(3));
    kit.shared.deadline(WATCH.slot, (least, most));
    let patience = |kit: &mut Kit, seq: u64| {
        kit.send(seq);
        let probe = kit.outstanding(seq);
        Duration::from_nanos(probe.deadline_ns - probe.sent_ns)
    };
    assert_eq!(patience(&mut kit, FIRST), least, "nothing was heard yet");
    let sent = clock::now();
    while clock::now().since(sent) < Duration::from_millis(40) {
        std::hint::spin_loop();
    }
    consumed(&mut kit, &reply(FIRST));
    assert_eq!(kit.reading().late, 1);
    let longer = patience(&mut kit, FIRST + 1);
    assert!(longer >= Duration::from_millis(80) && longer <= most, "three times the first round trip: {longer:?}");
    assert_eq!(kit.reading().patience, longer);
    for seq in FIRST + 2..FIRST + 100 {
        kit.send(seq);
        consumed(&mut kit, &reply(seq));
    }
    assert_eq!(patience(&mut kit, FIRST + 100), least);
    kit.shared.deadline(WATCH.slot, (least, least));
    assert_eq!(patience(&mut kit, FIRST + 101), least, "never above the most");
}

#[test]
fn how_many_of_ours_were_answered_comes_with_how_many_had_left() {
    let mut kit = Kit::watching(LONG);
    (FIRST..FIRST + 5).for_each(|seq| kit.send(seq));
    consumed(&mut kit, &reply_with(FIRST + 4, |payload| payload.answered = 3_u64.to_be_bytes()));
    let reading = kit.reading();
    assert_eq!((reading.answered, reading.answered_of), (3, 5));
}
