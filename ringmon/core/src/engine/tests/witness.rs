//! R12 on the bench, as a witness: what it does when it is asked, and what it answers.

use ringmon_common::wire::VERSION;

use super::kit::{Bench, address, ms};
use super::member::{buddies, notice};
use crate::engine::Input;
use crate::row::Address;
use crate::{Incarnation, Notice, NoticeBody, Purpose, ServerId, WatchReading};

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

/// However many servers ask, at most eight are probed at a time, and at most twenty questions a second are accepted.
#[test]
fn many_questions_make_few_probes() {
    let mut bench = Bench::member(4);
    for number in 20..60 {
        bench.feed(notice(NoticeBody::Ask { address: address(number) }));
    }
    assert_eq!(asked(&bench), 8);
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

/// A server is watched for what this one knows of it first; then for those that ask about it, whose question goes
/// by its id; and last for itself, before it has one.
#[test]
fn a_watch_that_others_want_takes_no_place_of_an_own_one() {
    let mut bench = Bench::member(4);
    let (server, at) = (ServerId(20), address(20));
    bench.feed(notice(NoticeBody::ProbeMe { address: at }));
    assert_eq!(bench.watch_of(20).map(|watch| watch.server), Some(ServerId::NEW));
    bench.feed(Input::Asked { server, address: at });
    assert_eq!(bench.watch_of(20).map(|watch| watch.server), Some(server));
    let mut bench = Bench::member(8);
    let (first, _) = buddies(&bench);
    for misses in 1..100 {
        bench.pass(ms(20));
        for watch in bench.watches.clone() {
            let misses = if watch.address == address(first) { misses } else { 0 };
            bench.read(watch.id, ms(20) * misses, misses);
        }
        bench.settle();
        let own = bench.watches.iter().find(|watch| watch.purpose == Purpose::Asked);
        let Some(own) = own.cloned() else { continue };
        bench.feed(Input::Asked { server: own.server, address: own.address });
        let now = bench.watches.iter().find(|watch| watch.address == own.address);
        assert_eq!(now.map(|watch| (watch.id, watch.wire, watch.asked)), Some((own.id, VERSION, own.asked)));
        return;
    }
    panic!("nobody is asked");
}

/// Its kernel answers; the agent only watches, as long as it is asked and half a second longer.
#[test]
fn a_server_that_is_asked_in_probes_watches_and_says_nothing_itself() {
    let mut bench = Bench::member(4);
    let (server, at) = (ServerId(20), address(20));
    let ask = |server, address| Input::Asked { server, address };
    bench.feed(ask(server, at));
    let watch = bench.watch_of(20).expect("probed").clone();
    assert_eq!((watch.purpose, watch.server), (Purpose::Asked, server));
    for _ in 0..20 {
        bench.pass(ms(50));
        answers(&mut bench, 20);
        bench.feed(ask(server, at));
    }
    assert_eq!(bench.watch_of(20).map(|w| w.id), Some(watch.id), "the same watch all the time");
    bench.pass(ms(490));
    assert_eq!(asked(&bench), 1);
    bench.pass(ms(20));
    assert_eq!((asked(&bench), proofs(&bench)), (0, Vec::new()));
    bench.feed(ask(ServerId(9), address(9)));
    assert_eq!(asked(&bench), 0, "not itself");
    for number in 20..60 {
        bench.feed(ask(ServerId(number.into()), address(number)));
    }
    assert_eq!(asked(&bench), 8);
}
