//! One vote, and what the accused and others write about whom they hear.

use super::kit::{Kit, S};
use crate::row::{Answer, Answering};
use crate::{Incarnation, ServerId, Side, VoteKind};
use core::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A pool whose servers all can answer, each within 60 ms.
fn pool() -> Kit {
    pool_of(5)
}

fn pool_of(servers: i64) -> Kit {
    let mut kit = Kit::of(servers);
    for id in 1..=servers {
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

/// A router that reads once a second has seen a vote, and not the answer that followed it.
#[test]
fn whoever_may_have_answered_since_its_row_was_read_stays_in_until_it_is_read() {
    for answers in [true, false] {
        let mut kit = pool();
        kit.vote(1, 2, Side::First, VoteKind::Host);
        kit.pass(MS * 30);
        let answer = Answer { at: kit.db_now(), hears: ServerId(3) };
        kit.change(2, |row| row.answering.as_mut().unwrap().answer = answers.then_some(answer));
        assert!(kit.routing.unread(kit.now).is_empty(), "it still has time");
        kit.pass(MS * 300);
        assert_eq!(kit.routing.unread(kit.now), [ServerId(2)].into());
        assert_eq!(kit.routing.settle(kit.now).routed().count(), 5);
        // What others' rows say changes nothing for it.
        let mut seen = kit.snapshot();
        seen.rows.insert(ServerId(4), kit.rows[&4].clone());
        kit.routing.see_some(kit.now, &seen);
        assert_eq!(kit.routing.settle(kit.now).routed().count(), 5);
        assert_eq!(kit.routed().len(), if answers { 5 } else { 4 });
    }
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
        kit.pass(MS * 3559);
        assert_eq!(kit.routed().len(), 5);
        kit.pass(MS);
        assert_eq!(kit.routed().len(), 4, "nobody has heard it for longer than a router may be behind");
    }
}

/// Its agent was killed, and the new one misses the same server: seed 12493 of the simulator.
#[test]
fn the_vote_of_a_killed_agent_lends_its_age_to_no_other_life() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.pass(MS * 60);
    assert_eq!(kit.routed().len(), 4);
    kit.change(1, |row| row.incarnation = Incarnation(2));
    kit.look(&[]);
    assert_eq!(kit.routed().len(), 5);
    let now = kit.db_now();
    kit.change(2, |row| {
        let vote = row.vote_first.as_mut().unwrap();
        (vote.voter_incarnation, vote.since, vote.at) = (Incarnation(2), now, now);
    });
    kit.look(&[]);
    kit.pass(MS * 59);
    assert_eq!(kit.routed().len(), 5, "it has as much time as before");
    kit.pass(MS);
    assert_eq!(kit.routed().len(), 4);
}

/// A cut is over and one of those that accused across it has died meanwhile: seed 201051 of the simulator.
#[test]
fn a_lone_vote_counts_no_more_once_its_voter_is_missed_by_two() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.pass(MS * 60);
    kit.vote(5, 1, Side::First, VoteKind::Agent);
    assert_eq!(kit.routed(), ["s1", "s3", "s4", "s5"], "who accuses the voter may be wrong");
    kit.vote(3, 1, Side::Second, VoteKind::Agent);
    assert_eq!(kit.routed(), ["s2", "s3", "s4", "s5"]);
    kit.vote(3, 2, Side::Second, VoteKind::Host);
    assert_eq!(kit.routed(), ["s3", "s4", "s5"], "and two votes count, whoever cast the first one");
}

/// The voter's agent was gone, and starts again: for a moment nobody misses it, and its old vote still stands. Seed
/// 76836 of the simulator.
#[test]
fn nor_when_its_voter_is_just_about_to_begin_a_new_life() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.pass(MS * 60);
    kit.vote(5, 1, Side::First, VoteKind::Agent);
    kit.vote(3, 1, Side::Second, VoteKind::Agent);
    kit.withdraw(1, Side::First);
    assert_eq!(kit.routed().len(), 5);
    kit.withdraw(1, Side::Second);
    assert_eq!(kit.routed().len(), 5);
    kit.pass(MS * 500);
    kit.renew(2, Side::First);
    assert_eq!(kit.routed(), ["s1", "s3", "s4", "s5"], "unless it goes on: it was only missed");
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

/// The only server with a database reaches a suspect past mute ones, perhaps from both sides.
#[test]
fn two_votes_of_one_server_are_one() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.vote(1, 2, Side::Second, VoteKind::Host);
    answer(&mut kit, 2, 4);
    kit.pass(MS * 60);
    assert_eq!(kit.routed().len(), 5);
}

#[test]
fn who_is_accused_and_silent_is_not_lost_from_sight_but_nobody_at_all_is_never_believed() {
    let mut kit = pool();
    kit.routes();
    for id in 1..=3 {
        kit.vote(5, id, Side::First, VoteKind::Host);
    }
    kit.pass(MS * 60);
    assert_eq!(kit.routed().len(), 5, "three of five at once");
    kit.pass(S * 2);
    assert_eq!((kit.routes().panic, kit.routed()), (None, vec!["s4".into(), "s5".into()]));
    for id in 4..=5 {
        kit.vote(1, id, Side::First, VoteKind::Host);
    }
    kit.pass(S * 2);
    assert_eq!(kit.routed().len(), 5);
}

#[test]
fn a_vote_that_is_cast_again_gives_no_new_time_to_answer() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    kit.pass(S * 3);
    assert_eq!(kit.routed().len(), 4);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    assert_eq!(kit.routed().len(), 4);
    // A vote of an hour ago says nothing of today.
    kit.pass(S * 3600);
    kit.vote(1, 2, Side::First, VoteKind::Host);
    assert_eq!(kit.routed().len(), 5);
}

#[test]
fn an_answer_from_the_future_counts_for_nothing() {
    let mut kit = pool();
    let at = kit.db_now() + S * 3600;
    kit.change(2, |row| row.answering.as_mut().unwrap().answer = Some(Answer { at, hears: ServerId(3) }));
    kit.vote(1, 2, Side::First, VoteKind::Host);
    for _ in 0..100 {
        kit.pass(S * 20);
        kit.renew(2, Side::First);
    }
    assert_eq!(kit.routed().len(), 4);
}

#[test]
fn a_router_knows_when_an_answer_becomes_too_old() {
    let mut kit = pool();
    kit.vote(1, 2, Side::First, VoteKind::Host);
    answer(&mut kit, 2, 3);
    let mut dues = Vec::new();
    while let Some(due) = kit.routing.poll_timeout(kit.now) {
        dues.push(due);
        kit.now = due;
        if kit.routed().len() == 4 || dues.len() > 20 {
            break;
        }
    }
    assert_eq!(kit.routed().len(), 4, "{dues:?}");
    assert!(dues.last().unwrap().since(dues[0]) < S * 5, "{dues:?}");
}

#[test]
fn a_vote_that_is_left_over_seconds_nothing() {
    let mut kit = pool();
    kit.vote(3, 2, Side::Second, VoteKind::Host);
    kit.pass(MS * 50);
    // 3 hears 2 again, and cannot take its vote back: its database is away.
    let mut out = 0;
    for step in 0..60 {
        answer(&mut kit, 2, 3);
        if step == 20 {
            kit.vote(1, 2, Side::First, VoteKind::Host);
        }
        if step > 20 {
            kit.renew(2, Side::First);
        }
        out += usize::from(kit.routed().len() < 5);
        kit.pass(MS * 500);
    }
    assert_eq!(out, 0);
}

/// Their hosts may serve, and too many are missing: the list stays as it is.
#[test]
fn who_has_no_agent_is_lost_from_sight() {
    let mut kit = pool();
    kit.routes();
    for id in 1..=3 {
        kit.vote(5, id, Side::First, VoteKind::Agent);
        kit.vote(4, id, Side::Second, VoteKind::Agent);
    }
    kit.pass(S * 3);
    assert_eq!(kit.routed().len(), 5);
}
