//! A clean end.

use super::kit::{Bench, address, ms};
use super::member::{buddies, notice};
use crate::core::engine::{Input, Stopped};
use crate::core::{EventKind, NoticeBody, ServerId};

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
