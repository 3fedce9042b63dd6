//! One vote, and what the accused and others write about whom they hear.

use super::kit::{Kit, S};
use crate::row::{Answer, Answering};
use crate::{Incarnation, ServerId, Side, VoteKind};
use core::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A pool whose servers all can answer, each within 60 ms.
fn pool() -> Kit {
    let mut kit = Kit::of(5);
    for id in 1..=5 {
        let answering = Answering { life: Incarnation(1), wait: MS * 60, wire: 1, answer: None };
        kit.change(id, |row| row.answering = Some(answering));
    }
    kit.look(&[]);
    kit
}

/// This server writes that it hears another one.
fn answer(kit: &mut Kit, id: i64, hears: i64) {
    let answer = Answer { at: kit.db_now(), hears: ServerId(hears) };
    kit.change(id, |row| row.answering.as_mut().unwrap().answer = Some(answer));
    kit.look(&[]);
}

#[test]
fn a_lone_vote_counts_after_the_wait_and_as_long_as_nobody_hears_the_server() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    assert_eq!(kit.routed().len(), 5);
    let due = kit.routing.poll_timeout(kit.now).unwrap();
    assert_eq!(due.since(kit.now), MS * 60, "it is told when to look again");
    kit.pass(MS * 59);
    assert_eq!(kit.routed().len(), 5, "it may still answer");
    kit.pass(MS);
    assert_eq!(kit.routed(), ["s1", "s3", "s4", "s5"]);
    for _ in 0..10 {
        kit.pass(S * 20);
        kit.renew(2, Side::First);
        assert_eq!(kit.routed().len(), 4, "the dead do not come back because their other buddy cannot vote");
    }
    kit.withdraw(2, Side::First);
    assert_eq!(kit.routed().len(), 5);
}

#[test]
fn who_answers_a_lone_vote_is_never_out() {
    for (who, hears) in [(2, 3), (4, 2)] {
        let mut kit = pool();
        kit.vote(1, 2, Side::First, VoteKind::Host);
        for _ in 0..60 {
            kit.pass(MS * 50);
            answer(&mut kit, who, hears);
            assert_eq!(kit.routed().len(), 5);
        }
        kit.pass(MS * 3560);
        assert_eq!(kit.routed().len(), 5);
        kit.pass(MS);
        assert_eq!(kit.routed().len(), 4, "nobody has heard it for longer than a router may be behind");
    }
}

/// It names itself: it lives, and no client would get far.
#[test]
fn who_hears_nobody_is_not_on_record_as_heard() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    answer(&mut kit, 2, 2);
    kit.pass(MS * 60);
    assert_eq!(kit.routed().len(), 4);
}

#[test]
fn two_votes_count_at_once_whatever_the_server_says() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    answer(&mut kit, 2, 4);
    assert_eq!(kit.routed().len(), 5);
    kit.vote(3, 2, Side::Second, VoteKind::Host);
    assert_eq!(kit.routed().len(), 4);
}
