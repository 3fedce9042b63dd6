//! A clean end of the agent.

use core::time::Duration;

use super::kit::{Bench, address, identity, ms};
use super::member::{buddies, notice};
use crate::engine::{Engine, Input, Stopped};
use crate::op::TableOp;
use crate::{EventKind, Incarnation, Notice, NoticeBody, Outcome, ServerId};

#[test]
fn a_clean_end_tells_both_buddies() {
    let mut bench = Bench::member(4);
    let (first, second) = buddies(&bench);
    bench.feed(Input::Stop { leave: true });
    bench.settle();
    assert_eq!(bench.stopped, Some(Stopped::Left));
    assert_eq!(bench.table.rows.len(), 4);
    let told: Vec<_> = bench.sent.iter().map(|(to, _)| *to).collect();
    assert_eq!(told, [address(first), address(second)]);
    assert_eq!(bench.told(EventKind::Left), 1);
    assert!(bench.watches.is_empty());
}

#[test]
fn who_shall_stay_stays() {
    let mut bench = Bench::member(4);
    bench.feed(Input::Stop { leave: false });
    assert_eq!(bench.stopped, Some(Stopped::Stayed));
    assert_eq!(bench.table.rows.len(), 5);
}

#[test]
fn an_end_does_not_wait_for_a_database_for_more_than_a_second_and_a_half() {
    let mut bench = Bench::member(4);
    bench.feed(Input::Stop { leave: true });
    let from = bench.now;
    let mut tries = 0;
    while bench.stopped.is_none() {
        if !bench.asked.is_empty() {
            bench.fail("no route to host", true);
            tries += 1;
        }
        bench.pass(ms(10));
    }
    assert_eq!(bench.stopped, Some(Stopped::RowRemains("no route to host".into())));
    assert!(bench.now.since(from) <= ms(1520) && tries >= 5, "{tries} tries");
}

#[test]
fn a_stopped_engine_does_nothing_more() {
    let mut bench = Bench::member(2);
    bench.feed(Input::Stop { leave: false });
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    bench.feed(Input::Stop { leave: true });
    bench.pass(ms(60_000));
    assert!(bench.asked.is_empty());
    assert_eq!(bench.engine.poll_timeout(), None);
    assert_eq!(bench.phase(), "stopped");
}

/// The number of a router that follows.
const ROUTER: u8 = 200;

fn follow() -> Input {
    let from = ServerId::NEW;
    let notice = Notice { from, incarnation: Incarnation::default(), body: NoticeBody::Follow { seconds: 60 } };
    Input::Notice(notice, (address(ROUTER), 9000))
}

/// The operations that were asked for, without the reads.
fn asked(bench: &mut Bench) -> Vec<TableOp> {
    bench.settle().into_iter().filter(|op| !matches!(op, TableOp::View { .. })).collect()
}

#[test]
fn a_member_that_drains_says_so_and_stays_a_member() {
    let mut bench = Bench::member(4);
    bench.feed(follow());
    bench.sent.clear();
    bench.feed(Input::Drain);
    assert_eq!(bench.engine.snapshot(bench.now).drained, None, "not written yet");
    let ops = asked(&mut bench);
    assert!(matches!(&ops[..], [TableOp::SetDraining { incarnation: Some(_), draining: true, .. }]), "{ops:?}");
    let own = bench.table.named("s9").expect("it is still there");
    assert!(own.draining);
    let changed = NoticeBody::Changed { subject: own.id };
    assert_eq!(bench.sent.iter().map(|(to, n)| (*to, n.body)).collect::<Vec<_>>(), [(address(ROUTER), changed)]);
    let snapshot = bench.engine.snapshot(bench.now);
    assert_eq!((snapshot.phase, snapshot.drained), ("member", Some(bench.now)));
    assert_eq!(bench.told(EventKind::Service), 1);
    assert_eq!(bench.watches.len(), 2, "it watches its buddies, who would miss it");
    bench.feed(Input::Drain);
    bench.pass(ms(1000));
    assert!(asked(&mut bench).is_empty(), "once is enough");
    bench.feed(Input::Stop { leave: true });
    bench.settle();
    assert_eq!(bench.stopped, Some(Stopped::Left));
    assert!(bench.table.named("s9").is_none());
}

#[test]
fn a_drain_that_failed_is_asked_for_again_and_an_end_does_not_wait_for_it() {
    let mut bench = Bench::member(2);
    bench.feed(Input::Drain);
    assert!(matches!(bench.fail("connection lost", true), TableOp::SetDraining { .. }));
    assert!(bench.engine.snapshot(bench.now).database_away.is_some(), "whoever waits need not");
    bench.pass(ms(200));
    assert!(asked(&mut bench).iter().any(|op| matches!(op, TableOp::SetDraining { .. })));
    assert!(bench.table.named("s9").is_some_and(|row| row.draining));
    let mut bench = Bench::member(2);
    bench.feed(Input::Drain);
    bench.feed(Input::Stop { leave: true });
    bench.settle();
    assert_eq!(bench.stopped, Some(Stopped::Left));
}

#[test]
fn a_row_of_another_life_is_not_drained_again_and_again() {
    let mut bench = Bench::member(2);
    bench.feed(Input::Drain);
    assert!(matches!(bench.answer(Outcome::Stale), TableOp::SetDraining { .. }));
    assert!(!bench.asked.iter().any(|(_, op)| matches!(op, TableOp::SetDraining { .. })));
    assert_eq!(bench.engine.snapshot(bench.now).drained, None);
}

#[test]
fn who_is_no_member_has_nothing_to_drain() {
    let mut bench = Bench::new(9, super::kit::ring(3));
    bench.feed(Input::Drain);
    bench.feed(Input::Start { kept: None });
    bench.feed(Input::Drain);
    assert!(bench.asked.iter().all(|(_, op)| matches!(op, TableOp::FindSelf { .. })));
}

/// Whether a start after this end finds its place still there.
fn started_again(bench: &Bench) -> bool {
    let mut again = Bench::new(9, bench.table.clone());
    again.engine = Engine::new(identity(9));
    again.now = bench.now + Duration::from_secs(1);
    again.feed(Input::Start { kept: None });
    again.settle();
    assert_eq!(again.phase(), "member");
    again.table.named("s9").expect("its place").draining
}

#[test]
fn what_an_agent_began_by_itself_ends_with_its_next_life_and_an_operators_word_does_not() {
    let mut bench = Bench::member(3);
    assert!(!started_again(&bench));
    bench.feed(Input::Drain);
    bench.settle();
    assert!(!started_again(&bench), "it was killed while it drained");
    let mut bench = Bench::member(3);
    let id = bench.table.named("s9").expect("it is there").id;
    let by = "operator on host".to_owned();
    bench.table.run_plain(&TableOp::SetDraining { id, incarnation: None, draining: true, by }).expect("drained");
    assert!(started_again(&bench));
    bench.feed(Input::Drain);
    bench.settle();
    assert!(started_again(&bench), "it was draining already, which is all that the agent found");
}
