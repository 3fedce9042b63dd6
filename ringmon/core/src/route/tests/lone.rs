//! A server that hears nobody, and what its mark does.

use core::time::Duration;

use super::kit::{Kit, S, slot};
use crate::route::Policy;
use crate::row::{Answer, Answering};
use crate::{DbTime, EventKind, Incarnation, ServerId, Side, Vote, VoteKind};

const MS: Duration = Duration::from_millis(1);
const HOST: Option<VoteKind> = Some(VoteKind::Host);

/// A pool whose servers all can answer, and were all routed.
fn pool(servers: i64) -> Kit {
    let mut kit = Kit::with(servers, Policy::default());
    for id in 1..=servers {
        let answering = Answering { life: Incarnation(1), wait: MS * 60, wire: 1, answer: None };
        kit.change(id, |row| row.answering = Some(answering));
    }
    kit.look(&[]);
    assert_eq!(kit.routed().len(), usize::try_from(servers).unwrap());
    kit
}

/// This server says that it hears another one.
fn answer(kit: &mut Kit, id: i64, hears: i64) {
    let answer = Answer { at: kit.db_now(), hears: ServerId(hears) };
    kit.change(id, |row| row.answering.as_mut().unwrap().answer = Some(answer));
    kit.look(&[]);
}

/// This server says that it hears nobody: for the first time, or again.
fn says(kit: &mut Kit, id: i64, kind: Option<VoteKind>) {
    let now = kit.db_now();
    kit.change(id, |row| {
        row.alone_since = row.alone_since.filter(|_| row.alone_kind == kind).or(Some(now));
        (row.alone_at, row.alone_kind) = (Some(now), kind);
    });
    kit.look(&[]);
}

fn ends(kit: &mut Kit, id: i64) {
    kit.change(id, |row| (row.alone_since, row.alone_at, row.alone_kind) = (None, None, None));
    kit.look(&[]);
}

/// For this long, these servers say that they hear nobody, twice a second.
fn alone(kit: &mut Kit, ids: &[i64], span: Duration) {
    let end = kit.now + span;
    loop {
        ids.iter().for_each(|id| says(kit, *id, HOST));
        let left = end.since(kit.now);
        if left.is_zero() {
            return;
        }
        kit.pass((S / 2).min(left));
    }
}

#[test]
fn of_three_the_one_that_is_left_is_routed_alone_while_it_says_so() {
    let mut kit = pool(3);
    alone(&mut kit, &[2], MS * 1999);
    assert_eq!(kit.routed().len(), 3, "they may still answer");
    kit.pass(MS);
    says(&mut kit, 2, HOST);
    let routes = kit.routes();
    assert_eq!((routes.panic, routes.routed().map(|r| r.id).collect()), (None, vec![ServerId(2)]), "silent, not lost");
    alone(&mut kit, &[2], S * 1000);
    assert_eq!(kit.routed(), ["s2"], "for as long as it lasts");
    let due = kit.routing.poll_timeout(kit.now).unwrap();
    assert_eq!(due.since(kit.now), MS * 3500, "it is told when to look again");
    kit.pass(MS * 3499);
    assert_eq!(kit.routed(), ["s2"]);
    kit.pass(MS);
    assert_eq!(kit.routed().len(), 3, "it was not renewed");
    alone(&mut kit, &[2], S);
    assert_eq!(kit.routed(), ["s2"]);
    ends(&mut kit, 2);
    assert_eq!(kit.routed().len(), 3);
}

/// It is old, but it was renewed for a second only.
#[test]
fn a_mark_that_was_not_renewed_did_not_last() {
    let mut kit = pool(3);
    alone(&mut kit, &[2], S);
    kit.pass(S * 2);
    assert_eq!(kit.routed().len(), 3);
}

#[test]
fn a_mark_that_says_less_takes_nobody_out() {
    for kind in [Some(VoteKind::Agent), None] {
        let mut kit = pool(3);
        for _ in 0..20 {
            says(&mut kit, 2, kind);
            assert_eq!(kit.routed().len(), 3, "{kind:?}");
            kit.pass(S / 2);
        }
        alone(&mut kit, &[2], MS * 1999);
        assert_eq!(kit.routed().len(), 3, "what it says is younger than that");
        alone(&mut kit, &[2], S);
        assert_eq!(kit.routed(), ["s2"]);
    }
}

/// Whoever is beside two of them that say the same, or hears a host that they do not hear.
#[test]
fn who_says_less_than_another_lone_server_stands_against_it() {
    for kind in [Some(VoteKind::Agent), None] {
        let mut kit = pool(4);
        alone(&mut kit, &[2], S * 3);
        assert_eq!(kit.routed(), ["s2"]);
        says(&mut kit, 4, kind);
        assert_eq!(kit.routed().len(), 4, "{kind:?}");
        alone(&mut kit, &[2], MS * 3500);
        assert_eq!(kit.routed(), ["s2"], "it is not renewed");
    }
}

#[test]
fn lone_servers_keep_each_other_in() {
    let mut kit = pool(4);
    alone(&mut kit, &[2, 3], S * 3);
    assert_eq!(kit.routed(), ["s2", "s3"]);
    // 3 dies too.
    alone(&mut kit, &[2], MS * 3500);
    assert_eq!(kit.routed(), ["s2"]);
}

#[test]
fn who_says_that_it_hears_nobody_is_in() {
    let mut kit = pool(3);
    alone(&mut kit, &[2], S * 3);
    answer(&mut kit, 3, 3);
    assert_eq!(kit.routed(), ["s2", "s3"]);
    alone(&mut kit, &[2], MS * 3500);
    assert_eq!(kit.routed(), ["s2"]);
}

#[test]
fn an_agent_of_an_older_version_cannot_speak_and_is_in() {
    let mut kit = pool(3);
    kit.change(1, |row| row.answering = None);
    alone(&mut kit, &[2], S * 10);
    assert_eq!(kit.routed(), ["s1", "s2"]);
    kit.change(3, |row| row.answering.as_mut().unwrap().life = Incarnation(7));
    kit.look(&[]);
    assert_eq!(kit.routed().len(), 3, "what another life could");
}

/// 1 and 2 miss the deaf 3, the buddies of 3 are 2 and 4, and 1 and 5 know nothing of it.
#[test]
fn one_server_that_hears_another_one_ends_it_for_all() {
    let mut kit = pool(5);
    alone(&mut kit, &[3], S * 3);
    assert_eq!(kit.routed(), ["s3"]);
    answer(&mut kit, 2, 1);
    assert_eq!(kit.routed().len(), 5, "1, 4 and 5 have not spoken");
    alone(&mut kit, &[3], MS * 3559);
    assert_eq!(kit.routed().len(), 5);
    assert_eq!(kit.routing.poll_timeout(kit.now).unwrap().since(kit.now), MS, "it is told when to look again");
    kit.pass(MS);
    assert_eq!(kit.routed(), ["s3"], "nobody has heard anybody for longer than a router may be behind");
}

/// Its last answer becomes too old before the mark does, which nobody takes back.
#[test]
fn whom_a_deaf_server_hears_again_needs_to_answer_no_more() {
    let mut kit = pool(5);
    for _ in 0..8 {
        says(&mut kit, 3, HOST);
        answer(&mut kit, 2, 1);
        kit.pass(S / 2);
    }
    says(&mut kit, 3, HOST);
    for _ in 0..50 {
        assert_eq!(kit.routed().len(), 5);
        kit.pass(MS * 100);
    }
}

#[test]
fn a_vote_of_another_server_is_a_word_too() {
    let mut kit = pool(5);
    alone(&mut kit, &[3], S * 3);
    kit.vote(2, 1, Side::First, VoteKind::Host);
    assert_eq!(kit.routed().len(), 5, "2 hears somebody, or it could not vote");
    alone(&mut kit, &[3], MS * 3499);
    assert_eq!(kit.routed(), ["s2", "s3", "s4", "s5"]);
    assert_eq!(kit.routing.poll_timeout(kit.now).unwrap().since(kit.now), MS, "it is told when to look again");
    kit.pass(MS);
    assert_eq!(kit.routed(), ["s3"]);
    // What it said itself, before it was alone, or in an earlier life, says nothing.
    let now = kit.db_now();
    for (voter, life) in [(3, 1), (2, 7)] {
        let vote = Vote {
            voter: ServerId(voter),
            voter_incarnation: Incarnation(life),
            since: now,
            at: now,
            kind: VoteKind::Host,
        };
        kit.change(4, |row| *slot(row, Side::First) = Some(vote));
        kit.look(&[]);
        assert_eq!(kit.routed(), ["s3"], "{voter}");
    }
}

/// Seed 4877 of the simulator: a cut is over, nobody needed to answer, and the last dead server is removed before the
/// mark of the one that was cut off is taken back.
#[test]
fn a_vote_is_a_word_also_once_its_suspect_is_gone() {
    let mut kit = pool(5);
    kit.vote(2, 1, Side::First, VoteKind::Host);
    alone(&mut kit, &[3], S * 3);
    kit.renew(1, Side::First);
    kit.gone(&[1], Some(EventKind::Down));
    assert_eq!(kit.routed(), ["s2", "s3", "s4", "s5"], "2 heard somebody a moment ago");
    kit.pass(S * 4);
    alone(&mut kit, &[3], MS);
    assert_eq!(kit.routed(), ["s3"]);
}

#[test]
fn a_mark_is_over_when_its_server_answers_that_it_hears_somebody() {
    let mut kit = pool(3);
    alone(&mut kit, &[2], S * 3);
    kit.pass(MS * 100);
    answer(&mut kit, 2, 1);
    assert_eq!(kit.routed().len(), 3);
    alone(&mut kit, &[2], S);
    assert_eq!(kit.routed().len(), 3, "it goes on, but something else was true in between");
    alone(&mut kit, &[2], MS * 3500);
    assert_eq!(kit.routed(), ["s2"]);
}

/// It is back, and the lone server has not heard it yet.
#[test]
fn a_mark_from_before_a_servers_life_is_not_about_it() {
    let mut kit = pool(3);
    alone(&mut kit, &[2], S * 3);
    assert_eq!(kit.routed(), ["s2"]);
    let now = kit.db_now();
    kit.change(3, |row| {
        row.incarnation = Incarnation(now.as_us());
        row.answering.as_mut().unwrap().life = row.incarnation;
    });
    alone(&mut kit, &[2], MS * 1999);
    assert_eq!(kit.routed(), ["s2", "s3"]);
    alone(&mut kit, &[2], MS * 500);
    assert_eq!(kit.routed(), ["s2"], "it died again");
}

#[test]
fn stamps_from_the_future_count_for_nothing() {
    let later = |kit: &Kit| kit.db_now() + S * 3600;
    let mut kit = pool(3);
    alone(&mut kit, &[2], S * 3);
    let at = later(&kit);
    kit.change(1, |row| row.answering.as_mut().unwrap().answer = Some(Answer { at, hears: ServerId(3) }));
    let vote = Vote { voter: ServerId(1), voter_incarnation: Incarnation(1), since: at, at, kind: VoteKind::Host };
    kit.change(3, |row| *slot(row, Side::First) = Some(vote));
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s2"]);
    says(&mut kit, 1, HOST);
    assert_eq!(kit.routed().len(), 3, "what is said now is heard, whatever else is there");
    let mut kit = pool(3);
    alone(&mut kit, &[2], S * 3);
    let at = later(&kit);
    kit.change(2, |row| row.alone_at = Some(at));
    kit.look(&[]);
    assert_eq!(kit.routed().len(), 3);
    let mut kit = pool(3);
    let since: Option<DbTime> = Some(later(&kit));
    says(&mut kit, 2, HOST);
    kit.change(2, |row| row.alone_since = since);
    kit.pass(S * 3);
    says(&mut kit, 2, HOST);
    assert_eq!(kit.routed().len(), 3);
}

/// A list without any server is never believed.
#[test]
fn a_lone_server_that_serves_nobody_takes_nobody_out() {
    let mut kit = pool(3);
    kit.change(2, |row| row.draining = true);
    kit.look(&[]);
    assert_eq!(kit.routed(), ["s1", "s3"]);
    alone(&mut kit, &[2], S * 10);
    assert_eq!(kit.routed(), ["s1", "s3"]);
}
