//! A server whose own threads and timers are late all the time.

use super::kit::{Bench, ms};
use super::member::buddies;
use crate::engine::Input;
use crate::evidence::LocalFault;
use crate::op::TableOp;
use crate::row::Side;
use crate::{EventKind, Time};

/// The first buddy is dead for as long as this, and the sender and a timer of this server were late in every turn of
/// its loop. `heard`: frames of the second buddy are stamped meanwhile. Returns when the silence was first called long
/// enough for a removal.
fn live(bench: &mut Bench, span: u64, heard: bool) -> Option<u64> {
    let (first, second) = buddies(bench);
    let died = bench.now;
    let mut enough = None;
    for turn in 1..=span / 20 {
        bench.pass(ms(20));
        let now = bench.now;
        for fault in [LocalFault::SenderLate, LocalFault::TimerLate, LocalFault::LoopLate] {
            bench.feed(Input::Fault { fault, from: now - ms(15), until: now });
        }
        let (dead, other) = (bench.watch_of(first).expect("watched").id, bench.watch_of(second).expect("watched").id);
        let stamps = if heard { [now - ms(2), now - ms(1)] } else { [died - ms(9), died - ms(8)] };
        bench.edit(other, now.since(stamps[1]), 0, |reading| reading.prev_reply = Some(stamps[0]));
        let missed = u32::try_from(turn).expect("few");
        bench.edit(dead, now.since(died), missed, |reading| {
            reading.misses = missed.into();
            (reading.run_from, reading.run_until) = (Some(died + ms(1)), Some(now - ms(3)));
        });
        let ripe = |op: &TableOp| matches!(op, TableOp::Accuse(a) if a.findings.iter().any(|f| f.enough));
        if bench.settle().iter().any(ripe) {
            enough.get_or_insert(turn * 20);
        }
    }
    enough
}

#[test]
fn it_finds_a_dead_buddy_as_fast_as_any_if_others_are_heard() {
    let mut bench = Bench::member(6);
    assert!(live(&mut bench, 100, true).is_none());
    assert_eq!(bench.told(EventKind::Suspect), 0, "a new watch needs seven misses");
    assert!(live(&mut bench, 160, true).is_none());
    assert_eq!((bench.told(EventKind::Suspect), bench.told(EventKind::Void)), (1, 0));
    let mut bench = Bench::member(6);
    let enough = live(&mut bench, 600, true).expect("a removal");
    assert!((320..=360).contains(&enough), "16 misses at 20 ms each, and no more: {enough}");
    let first = buddies(&bench).0;
    let accused = bench.table.named(&format!("s{first}")).expect("its row").vote(Side::Second).is_some();
    assert!(accused);
}

#[test]
fn it_suspects_nobody_while_its_own_way_in_may_be_shut() {
    let mut bench = Bench::member(6);
    assert!(live(&mut bench, 1000, false).is_none());
    assert_eq!(bench.told(EventKind::Suspect), 0);
    assert!(bench.now > Time::ZERO);
}

/// A pool of two has nobody else to hear.
#[test]
fn of_two_it_keeps_the_slower_rules() {
    let mut bench = Bench::member(1);
    let died = bench.now;
    for turn in 1..=50 {
        bench.pass(ms(20));
        let now = bench.now;
        bench.feed(Input::Fault { fault: LocalFault::SenderLate, from: now - ms(15), until: now });
        let dead = bench.watch_of(1).expect("watched").id;
        bench.edit(dead, now.since(died), turn, |reading| {
            reading.misses = turn.into();
            (reading.run_from, reading.run_until) = (Some(died), Some(now - ms(3)));
        });
        bench.settle();
    }
    assert_eq!(bench.told(EventKind::Suspect), 0, "it may have stood still itself, all the time");
}
