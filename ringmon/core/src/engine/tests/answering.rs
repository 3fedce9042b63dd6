//! R3, R4: answers to votes, and the wait that a server asks for.

use core::time::Duration;

use super::kit::{Bench, ms};
use super::member::notice;
use crate::edit::AnswerSet;
use crate::op::TableOp;
use crate::row::{ServerRow, Side};
use crate::{NoticeBody, ServerId, Vote, VoteKind};

fn answers(bench: &Bench) -> Vec<AnswerSet> {
    let set = |(_, op): &(u64, TableOp)| match op {
        TableOp::Answer { set, .. } => Some(*set),
        _ => None,
    };
    bench.asked.iter().filter_map(set).collect()
}

fn own_row(bench: &mut Bench) -> &mut ServerRow {
    let id = bench.kept.as_ref().expect("a member").id;
    bench.table.rows.get_mut(&id).expect("its row")
}

/// Both buddies, first and second, by number; and their ids.
fn buddies(bench: &Bench) -> [(u8, ServerId); 2] {
    let list = bench.kept.as_ref().expect("a member");
    [&list.first, &list.second].map(|buddy| {
        let buddy = buddy.as_ref().expect("a buddy");
        (buddy.name.trim_start_matches('s').parse().expect("a number"), buddy.id)
    })
}

/// The first buddy has been silent for this long, and the second answers.
fn miss_the_first(bench: &mut Bench, silence: Duration) -> ServerId {
    let [(first, _), (second, heard)] = buddies(bench);
    let watch = |bench: &Bench, number| bench.watch_of(number).expect("watched").id;
    let (silent, other) = (watch(bench, first), watch(bench, second));
    bench.read(other, Duration::ZERO, 0);
    bench.read(silent, silence, 30);
    heard
}

#[test]
fn who_misses_a_buddy_writes_whom_it_hears_and_renews_it() {
    let mut bench = Bench::member(6);
    assert_eq!(answers(&bench), []);
    let heard = miss_the_first(&mut bench, ms(160));
    let wait = answers(&bench)[0].wait;
    assert_eq!(answers(&bench), [AnswerSet { wait, hears: Some(heard) }], "before anybody votes");
    bench.settle();
    let answering = own_row(&mut bench).answering().copied().expect("written");
    assert_eq!(answering.answer.expect("an answer").hears, heard);
    miss_the_first(&mut bench, ms(160));
    assert_eq!(answers(&bench), [], "not again at once");
    bench.pass(ms(610));
    bench.asked.clear();
    let mut late = Bench::member(6);
    miss_the_first(&mut late, ms(160));
    late.settle();
    late.now = late.now + ms(610);
    miss_the_first(&mut late, ms(770));
    assert_eq!(answers(&late).len(), 1, "but every half a second");
}

/// The connection may have broken because the table went back in time, to before the answer.
#[test]
fn an_answer_is_given_again_as_soon_as_a_database_answers_that_was_away() {
    let mut bench = Bench::member(6);
    miss_the_first(&mut bench, ms(160));
    bench.settle();
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    assert!(matches!(bench.fail("connection lost", true), TableOp::View { .. }));
    bench.asked.clear();
    bench.pass(ms(210));
    miss_the_first(&mut bench, ms(370));
    assert_eq!(answers(&bench).len(), 1, "long before half a second is over");
    bench.settle();
    miss_the_first(&mut bench, ms(370));
    assert_eq!(answers(&bench).len(), 0, "and once");
}

/// Both its buddies miss it as well, and no notice gets through to it.
#[test]
fn who_loses_its_link_says_at_once_that_it_lives_and_then_that_it_hears_nobody() {
    let mut bench = Bench::member(6);
    let [(first, one), (_, other)] = buddies(&bench);
    let watch = bench.watch_of(first).expect("watched").id;
    bench.read(watch, Duration::ZERO, 0);
    bench.feed(crate::engine::Input::Link(false));
    let heard = answers(&bench).last().and_then(|answer| answer.hears).expect("an answer");
    assert!([one, other].contains(&heard));
    bench.settle();
    bench.pass(ms(610));
    let me = bench.kept.as_ref().expect("a member").id;
    assert_eq!(answers(&bench).last().and_then(|answer| answer.hears), Some(me));
}

/// A member with a vote in its row that it has not read. It last heard both its buddies this long ago.
fn accused(heard: Duration) -> Bench {
    let mut bench = Bench::member(6);
    let [(one, voter), (other, _)] = buddies(&bench);
    let now = bench.table.now();
    let life = bench.table.rows[&voter].incarnation;
    let vote = Vote { voter, voter_incarnation: life, since: now, at: now, kind: VoteKind::Host };
    own_row(&mut bench).vote_first = Some(vote);
    own_row(&mut bench).version += 1;
    for number in [one, other] {
        let watch = bench.watch_of(number).expect("watched").id;
        bench.read(watch, heard, 0);
    }
    bench
}

#[test]
fn who_is_accused_answers_although_it_misses_nobody() {
    let mut bench = accused(Duration::ZERO);
    assert_eq!(answers(&bench), []);
    bench.feed(crate::engine::Input::Link(true));
    bench.settle();
    assert!(own_row(&mut bench).answering().expect("written").answer.is_some());
    assert!(own_row(&mut bench).vote(Side::First).is_some());
}

/// What was read last may be a few probes old while nothing changes. That is no deafness: an accused server that misses
/// nobody answers, and does not say that it hears nobody.
#[test]
fn a_reading_that_is_a_moment_old_still_shows_whom_it_hears() {
    let mut bench = accused(ms(70));
    bench.feed(crate::engine::Input::Link(true));
    let done = bench.settle();
    assert!(done.iter().any(|op| matches!(op, TableOp::Answer { set, .. } if set.hears.is_some())), "{done:?}");
    assert!(!done.iter().any(|op| matches!(op, TableOp::Alone { .. })), "{done:?}");
}

/// A probe that arrives is no proof: this server may be deaf. It says that it hears nobody, by naming itself, and stops
/// saying so when that is no news any more.
#[test]
fn who_hears_nobody_says_so_for_a_moment() {
    let mut bench = Bench::member(6);
    let me = bench.kept.as_ref().expect("a member").id;
    let deaf = |bench: &mut Bench, silence| {
        for (number, _) in buddies(bench) {
            let watch = bench.watch_of(number).expect("watched").id;
            bench.read(watch, silence, 30);
        }
    };
    deaf(&mut bench, ms(160));
    assert_eq!(answers(&bench).iter().map(|set| set.hears).collect::<Vec<_>>(), [Some(me)], "at once");
    bench.settle();
    bench.now = bench.now + ms(2000);
    for _ in 0..2 {
        deaf(&mut bench, ms(2160));
    }
    assert_eq!(answers(&bench), []);
    // Whom it hears then is news at once.
    let (_, heard) = buddies(&bench)[1];
    let watch = bench.watch_of(buddies(&bench)[1].0).expect("watched").id;
    bench.now = bench.now + ms(1);
    bench.read(watch, Duration::ZERO, 0);
    bench.now = bench.now + ms(1);
    bench.read(watch, Duration::ZERO, 0);
    assert_eq!(answers(&bench).iter().map(|set| set.hears).collect::<Vec<_>>(), [Some(heard)]);
}

/// The row is written again when the time for an answer has doubled.
#[test]
fn a_slower_database_makes_the_wait_longer() {
    let mut bench = Bench::member(6);
    let before = own_row(&mut bench).answering().expect("since its join").wait;
    for _ in 0..3 {
        bench.pass(Duration::from_secs(34));
        while let Some((ticket, op)) = bench.asked.pop_front() {
            let (outcome, snapshot) = bench.table.run(&op, bench.now, &mut || true).expect("the table is there");
            let done = crate::engine::TableDone { ticket, result: Ok(outcome), snapshot, took: ms(300) };
            bench.feed(crate::engine::Input::Table(done));
        }
    }
    let after = own_row(&mut bench).answering().expect("still there").wait;
    assert!(after >= ms(600) && after > before * 2, "{before:?}, {after:?}");
}
