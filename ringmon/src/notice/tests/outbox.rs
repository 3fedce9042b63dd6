use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::outbox::{CAPACITY, Due, FORGET, Outbox};
use super::super::seen::Seen;
use super::voted;

fn receiver() -> SocketAddr {
    "192.0.2.2:7464".parse().unwrap()
}

/// Turns the clock from one due moment to the next. Returns the milliseconds of the sends, and of the giving up.
fn run(outbox: &mut Outbox, start: Instant) -> (Vec<u128>, Option<u128>) {
    let (mut sends, mut gave_up) = (Vec::new(), None);
    while let Some(at) = outbox.next_due() {
        while let Some(due) = outbox.pop_due(at) {
            match due {
                Due::Send { again, .. } => {
                    assert_eq!(again, !sends.is_empty());
                    sends.push((at - start).as_millis());
                }
                Due::GaveUp(_) => gave_up = Some((at - start).as_millis()),
            }
        }
    }
    (sends, gave_up)
}

#[test]
fn an_unanswered_notice_is_sent_five_times_and_forgotten() {
    let (mut outbox, start) = (Outbox::new(FORGET), Instant::now());
    assert!(outbox.push(start, 1, receiver(), voted(2)));
    assert_eq!(run(&mut outbox, start), (vec![0, 20, 60, 150, 400], Some(800)));
}

#[test]
fn an_acknowledged_notice_is_sent_no_more() {
    let (mut outbox, start) = (Outbox::new(FORGET), Instant::now());
    outbox.push(start, 1, receiver(), voted(2));
    assert!(matches!(outbox.pop_due(start), Some(Due::Send { nonce: 1, .. })));
    assert!(outbox.acknowledged(receiver(), 1));
    assert_eq!(outbox.next_due(), None);
    assert!(!outbox.acknowledged(receiver(), 1), "a second acknowledgement is stray");
}

#[test]
fn an_acknowledgement_from_somebody_else_counts_for_nothing() {
    let (mut outbox, start) = (Outbox::new(FORGET), Instant::now());
    outbox.push(start, 1, receiver(), voted(2));
    assert!(!outbox.acknowledged("192.0.2.3:7464".parse().unwrap(), 1));
    assert!(outbox.next_due().is_some());
}

#[test]
fn a_loop_that_stood_still_does_not_send_everything_at_once_twice() {
    let (mut outbox, start) = (Outbox::new(FORGET), Instant::now());
    outbox.push(start, 1, receiver(), voted(2));
    outbox.push(start, 2, receiver(), voted(3));
    let late = start + Duration::from_millis(70);
    let mut sends = 0;
    while let Some(due) = outbox.pop_due(late) {
        assert!(matches!(due, Due::Send { .. }));
        sends += 1;
    }
    assert!(sends <= 6 && outbox.next_due().unwrap() > late);
}

#[test]
fn a_full_outbox_takes_no_more() {
    let (mut outbox, start) = (Outbox::new(FORGET), Instant::now());
    for nonce in 0..CAPACITY as u64 {
        assert!(outbox.push(start, nonce, receiver(), voted(2)));
    }
    assert!(!outbox.push(start, u64::MAX, receiver(), voted(2)));
}

#[test]
fn what_was_seen_is_remembered_by_sender_and_within_bounds() {
    let mut seen = Seen::default();
    seen.insert(receiver(), 1);
    assert!(seen.contains(receiver(), 1));
    assert!(!seen.contains("192.0.2.3:7464".parse().unwrap(), 1), "another sender's nonce is another notice");
    for nonce in 2..=4097 {
        seen.insert(receiver(), nonce);
    }
    assert!(!seen.contains(receiver(), 1), "the oldest is forgotten");
    assert!(seen.contains(receiver(), 2));
}
