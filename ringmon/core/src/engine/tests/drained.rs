//! An operator's drain lasts: over restarts, removals and reboots, until an operator takes it back.

use core::time::Duration;

use super::kit::{Bench, identity, ms, ring};
use crate::buddy::BuddyList;
use crate::engine::{Engine, Input, Stopped};
use crate::op::TableOp;
use crate::virtual_table::VirtualTable;
use crate::{EventBody, NoticeBody};

/// An operator writes this into the row of `s9`.
fn operator(bench: &mut Bench, draining: bool, told: bool) {
    let id = bench.table.named("s9").expect("it has a row").id;
    let op = TableOp::SetDraining { id, incarnation: None, draining, by: "operator on host".into() };
    bench.table.run_plain(&op).expect("written");
    if told {
        bench.feed(super::member::notice(NoticeBody::Changed { subject: id }));
        bench.settle();
    }
}

/// How an agent ends: it drains itself first, it leaves at once, or it is killed and removed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Drains,
    Leaves,
    Killed,
}

fn end(mut bench: Bench, how: End) -> (VirtualTable, Option<BuddyList>) {
    if how == End::Drains {
        bench.feed(Input::Drain);
        bench.settle();
        assert!(bench.table.named("s9").is_some_and(|row| row.draining));
    }
    if how == End::Killed {
        let id = bench.table.named("s9").expect("it has a row").id;
        let gone = TableOp::Leave { id, incarnation: None, by: "its buddies".into() };
        bench.table.run_plain(&gone).expect("removed");
    } else {
        bench.feed(Input::Stop { leave: true });
        bench.settle();
        assert_eq!(bench.stopped, Some(Stopped::Left));
    }
    assert!(bench.table.named("s9").is_none());
    (bench.table, bench.kept)
}

/// An agent with this on its disk starts and joins.
fn start(table: VirtualTable, kept: Option<BuddyList>, start_drained: bool) -> Bench {
    let mut bench = Bench::new(9, table);
    bench.engine = Engine::new(crate::engine::Identity { start_drained, ..identity(9) });
    bench.now = bench.now + Duration::from_secs(100);
    bench.feed(Input::Start { kept });
    bench.settle();
    bench.prove();
    bench.settle();
    assert_eq!(bench.phase(), "member");
    bench
}

fn drained(bench: &Bench) -> bool {
    bench.table.named("s9").expect("it has a row").draining
}

#[test]
fn a_drain_lasts_until_an_operator_ends_it() {
    for how in [End::Drains, End::Leaves, End::Killed] {
        let mut bench = Bench::member(3);
        operator(&mut bench, true, true);
        for _ in 0..2 {
            let (table, kept) = end(bench, how);
            bench = start(table, kept, false);
            assert!(drained(&bench), "{how:?}");
        }
        operator(&mut bench, false, true);
        let (table, kept) = end(bench, how);
        assert!(!drained(&start(table, kept, false)), "{how:?}: taken back");
    }
}

/// Its notices are lost, so only the operations of its end show what an operator wrote.
#[test]
fn the_last_word_counts_also_if_the_agent_learns_of_it_at_its_end() {
    for how in [End::Drains, End::Leaves] {
        let mut bench = Bench::member(3);
        operator(&mut bench, true, false);
        let (table, kept) = end(bench, how);
        let mut bench = start(table, kept, false);
        assert!(drained(&bench), "{how:?}");
        operator(&mut bench, false, false);
        let (table, kept) = end(bench, how);
        assert!(!drained(&start(table, kept, false)), "{how:?}: taken back");
    }
    // Drained by an operator before, and taken back while it drains by itself.
    let mut bench = Bench::member(3);
    operator(&mut bench, true, true);
    bench.feed(Input::Drain);
    bench.settle();
    operator(&mut bench, false, false);
    let (table, kept) = end(bench, End::Leaves);
    assert!(!drained(&start(table, kept, false)));
}

#[test]
fn what_an_agent_does_before_it_stops_is_no_operators_word() {
    let (table, kept) = end(Bench::member(3), End::Drains);
    assert!(!drained(&start(table, kept, false)));
    // A write whose answer was lost, and that is made again, may find its own.
    let mut bench = Bench::member(3);
    bench.feed(Input::Drain);
    operator(&mut bench, true, false);
    assert!(matches!(bench.fail("the answer was lost", true), TableOp::SetDraining { .. }));
    bench.pass(ms(300));
    bench.settle();
    let (table, kept) = end(bench, End::Leaves);
    assert!(!drained(&start(table, kept, false)));
}

#[test]
fn a_living_server_that_was_removed_comes_back_drained() {
    let mut bench = Bench::member(3);
    operator(&mut bench, true, true);
    let id = bench.table.named("s9").expect("it has a row").id;
    let gone = TableOp::Leave { id, incarnation: None, by: "its buddies".into() };
    bench.table.run_plain(&gone).expect("removed");
    bench.table.events.last_mut().expect("an event").body = EventBody::Down(crate::event::Removed::default());
    bench.feed(super::member::notice(NoticeBody::Removed { subject: id }));
    bench.settle();
    assert_eq!(bench.phase(), "removed");
    bench.pass(ms(2000));
    bench.settle();
    bench.prove();
    bench.settle();
    assert_ne!(bench.table.named("s9").expect("it is back").id, id);
    assert!(drained(&bench));
}

#[test]
fn the_row_has_the_last_word_while_it_is_there() {
    let mut bench = Bench::member(3);
    operator(&mut bench, true, true);
    let kept = bench.kept.clone();
    assert!(kept.as_ref().is_some_and(|kept| kept.drained));
    operator(&mut bench, false, false);
    let again = start(bench.table.clone(), kept, false);
    assert!(!drained(&again) && again.kept.as_ref().is_some_and(|kept| !kept.drained));
}

/// It waits until the pool has removed its old row.
#[test]
fn a_server_at_another_address_knows_that_an_operator_ended_its_drain() {
    let mut before = Bench::member(3);
    operator(&mut before, true, true);
    for undrained in [false, true] {
        let mut table = before.table.clone();
        let mut row = table.named("s9").expect("it has a row").clone();
        row.card.address = super::kit::address(99);
        row.draining = !undrained;
        let id = row.id;
        table.place(row);
        let mut bench = Bench::new(9, table);
        bench.now = before.now + Duration::from_secs(100);
        bench.feed(Input::Start { kept: before.kept.clone() });
        bench.settle();
        assert_eq!(bench.phase(), "starting");
        let gone = TableOp::Leave { id, incarnation: None, by: "its buddies".into() };
        bench.table.run_plain(&gone).expect("removed");
        bench.pass(ms(5000));
        bench.settle();
        bench.prove();
        bench.settle();
        assert_eq!(drained(&bench), !undrained);
    }
}

#[test]
fn a_server_can_start_without_clients_and_gets_them_when_an_operator_says_so() {
    let new = start(ring(3), None, true);
    assert!(drained(&new));
    // Its row is there, from a life that had clients.
    let mut bench = start(Bench::member(3).table, None, true);
    assert!(drained(&bench));
    operator(&mut bench, false, true);
    // It is removed while it lives, and comes back as it was.
    let (table, kept) = end(bench, End::Leaves);
    assert!(!drained(&start(table, kept, false)));
}
