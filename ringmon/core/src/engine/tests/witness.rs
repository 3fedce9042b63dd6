//! R12 on the bench: what an agent asks, what it answers, and what it believes.

use core::time::Duration;

use super::kit::{Bench, address, ms};
use super::member::{buddies, notice};
use crate::engine::Input;
use crate::op::TableOp;
use crate::row::Address;
use crate::{EventKind, Incarnation, Notice, NoticeBody, Purpose, ServerId, WatchReading};

fn asked(bench: &Bench) -> usize {
    bench.watches.iter().filter(|w| w.purpose == Purpose::Asked).count()
}

fn proofs(bench: &Bench) -> Vec<(Address, Incarnation)> {
    let proof = |(to, n): &(Address, Notice)| match n.body {
        NoticeBody::Proof { incarnation, .. } => Some((*to, incarnation)),
        _ => None,
    };
    bench.sent.iter().filter_map(proof).collect()
}

/// Hands over a reading of a server that answers now, in its fifth life.
fn answers(bench: &mut Bench, number: u8) {
    let watch = bench.watch_of(number).expect("watched").id;
    let now = Some(bench.now);
    let heard =
        WatchReading { last_reply: now, last_pulse: now, incarnation: Incarnation(5), ..WatchReading::default() };
    bench.feed(Input::Watch(watch, heard));
}

#[test]
fn a_witness_answers_once_it_hears_the_one_asked_about_and_stops_probing() {
    let mut bench = Bench::member(4);
    bench.feed(notice(NoticeBody::Ask { address: address(20) }));
    assert_eq!(bench.watch_of(20).expect("probed").purpose, Purpose::Asked);
    assert_eq!(proofs(&bench), []);
    bench.pass(ms(10));
    answers(&mut bench, 20);
    assert_eq!(proofs(&bench), [(address(1), Incarnation(5))]);
    assert_eq!(asked(&bench), 0);
}

#[test]
fn a_witness_that_hears_nothing_says_nothing_and_stops_after_half_a_second() {
    let mut bench = Bench::member(4);
    bench.feed(notice(NoticeBody::Ask { address: address(20) }));
    bench.pass(ms(490));
    assert_eq!(asked(&bench), 1);
    bench.pass(ms(20));
    assert_eq!(asked(&bench), 0);
    assert_eq!(proofs(&bench), []);
    bench.feed(notice(NoticeBody::Ask { address: address(9) }));
    assert_eq!(asked(&bench), 0, "not itself");
}

/// A buddy's reply from before the question is no answer to the question.
#[test]
fn a_reply_from_before_the_question_is_no_proof() {
    let mut bench = Bench::member(4);
    let buddy = buddies(&bench).0;
    answers(&mut bench, buddy);
    bench.pass(ms(30));
    bench.feed(notice(NoticeBody::Ask { address: address(buddy) }));
    assert_eq!(proofs(&bench), []);
    answers(&mut bench, buddy);
    assert_eq!(proofs(&bench).len(), 1);
}

/// However many servers ask, at most four are probed at a time, and at most twenty questions a second are accepted.
#[test]
fn many_questions_make_few_probes() {
    let mut bench = Bench::member(4);
    for number in 20..60 {
        bench.feed(notice(NoticeBody::Ask { address: address(number) }));
    }
    assert_eq!(asked(&bench), 4);
    bench.pass(ms(1600));
    let mut taken = 0;
    for _ in 0..1000 {
        bench.feed(notice(NoticeBody::Ask { address: address(20) }));
        if asked(&bench) > 0 {
            taken += 1;
            answers(&mut bench, 20);
        }
        bench.pass(ms(1));
    }
    assert!((20..=40).contains(&taken), "{taken} in a second");
}

/// A member whose first buddy falls silent, and which has cast its vote. Also returns the suspect.
fn suspecting() -> (Bench, u8) {
    let mut bench = Bench::member(5);
    let (first, second) = buddies(&bench);
    for number in [first, second] {
        let watch = bench.watch_of(number).expect("watched").id;
        bench.read(watch, Duration::ZERO, 0);
    }
    for misses in 1..30 {
        bench.pass(ms(20));
        let other = bench.watch_of(second).expect("watched").id;
        bench.read(other, Duration::ZERO, 0);
        let watch = bench.watch_of(first).expect("watched").id;
        bench.read(watch, ms(20) * misses, misses);
        bench.settle();
    }
    assert_eq!(votes_against(&bench, first), 1);
    (bench, first)
}

fn votes_against(bench: &Bench, number: u8) -> usize {
    let row = bench.table.named(&format!("s{number}")).expect("there");
    row.vote_first.iter().chain(&row.vote_second).count()
}

fn questions(bench: &Bench) -> Vec<Address> {
    bench.sent.iter().filter(|(_, n)| matches!(n.body, NoticeBody::Ask { .. })).map(|(to, _)| *to).collect()
}

fn proof_from(bench: &Bench, number: u8, incarnation: Incarnation) -> Input {
    let from = bench.table.named(&format!("s{number}")).expect("there").id;
    let body = NoticeBody::Proof { incarnation, age_ms: 2 };
    Input::Notice(Notice { from, incarnation: Incarnation(1), body }, (address(number), 7464))
}

#[test]
fn a_voter_asks_three_and_a_proof_makes_it_take_its_vote_back() {
    let (mut bench, suspect) = suspecting();
    let whom = questions(&bench);
    assert_eq!(whom.len(), 3, "{whom:?}");
    let witness = (1..=5).find(|n| whom.contains(&address(*n))).expect("asked");
    let stranger = (1..=5).find(|n| !whom.contains(&address(*n)) && *n != suspect).expect("not asked");
    let life = bench.table.named(&format!("s{suspect}")).expect("there").incarnation;
    for (who, life) in [(stranger, life), (witness, Incarnation(life.0 + 1))] {
        let input = proof_from(&bench, who, life);
        bench.feed(input);
        bench.settle();
        assert_eq!(votes_against(&bench, suspect), 1, "s{who} was not asked, or heard another life");
    }
    let input = proof_from(&bench, witness, life);
    bench.feed(input);
    bench.settle();
    assert_eq!(votes_against(&bench, suspect), 0);
    assert_eq!((bench.told(EventKind::BrokenLink), bench.told(EventKind::VoteWithdrawn)), (1, 1));
    bench.asked.retain(|(_, op)| !matches!(op, TableOp::PickWitnesses { .. }));
    for _ in 0..320 {
        bench.pass(ms(10));
        bench.asked.retain(|(_, op)| !matches!(op, TableOp::PickWitnesses { .. }));
        bench.settle();
    }
    assert_eq!(votes_against(&bench, suspect), 1, "three seconds later the word is old");
}

/// R4 comes first: a suspect that accuses this server back keeps the vote against it, because the vote says that the
/// link fails both ways.
#[test]
fn a_proof_leaves_a_counter_vote_standing_and_young() {
    let (mut bench, suspect) = suspecting();
    let whom = questions(&bench);
    let witness = (1..=5).find(|n| whom.contains(&address(*n))).expect("asked");
    let row = bench.table.named(&format!("s{suspect}")).expect("there").clone();
    let (me, now) = (bench.table.named("s9").expect("there").clone(), bench.table.now());
    let vote = crate::row::Vote {
        voter: row.id,
        voter_incarnation: row.incarnation,
        since: now,
        at: now,
        kind: crate::VoteKind::Host,
    };
    let own = bench.table.rows.get_mut(&me.id).expect("there");
    own.vote_first = Some(vote);
    own.version += 1;
    bench.feed(notice(NoticeBody::Voted { subject: ServerId(1) }));
    bench.settle();
    let input = proof_from(&bench, witness, row.incarnation);
    bench.feed(input);
    bench.settle();
    assert_eq!(votes_against(&bench, suspect), 1);
    for _ in 0..100 {
        bench.pass(ms(10));
        bench.settle();
    }
    let row = bench.table.named(&format!("s{suspect}")).expect("there");
    let vote = row.vote_first.iter().chain(&row.vote_second).next().expect("stands");
    let age = bench.table.now().since(vote.since).expect("past");
    assert!(age < ms(700), "cast anew with each renewal: {age:?}");
}

#[test]
fn a_broken_link_is_shown_with_the_way_on_which_frames_get_lost() {
    for (arrives, way) in [(false, "back"), (true, "out")] {
        let (mut bench, suspect) = suspecting();
        let witness = (1..=5).find(|n| questions(&bench).contains(&address(*n))).expect("asked");
        if arrives {
            bench.feed(Input::Answered(address(suspect), bench.now));
        }
        let life = bench.table.named(&format!("s{suspect}")).expect("there").incarnation;
        let input = proof_from(&bench, witness, life);
        assert!(bench.engine.snapshot(bench.now).broken_links.is_empty(), "nobody has heard it yet");
        bench.feed(input);
        let links = bench.engine.snapshot(bench.now).broken_links;
        let shown: Vec<_> = links.iter().map(|link| (link.server.as_str(), link.way)).collect();
        assert_eq!(shown, [(format!("s{suspect}").as_str(), way)]);
    }
}
