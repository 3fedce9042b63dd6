//! Whose row is it? A server that finds its name in the table, at its own address or at another one.

use super::kit::{Bench, address, identity, ms, ring};
use crate::buddy::BuddyList;
use crate::engine::{Input, Stopped};
use crate::op::TableOp;
use crate::row::Mode;
use crate::virtual_table::VirtualTable;
use crate::{EventKind, Incarnation, Notice, NoticeBody, ServerId};

/// `s9` starts beside this many servers; one of them has its name and its boot token, at another address.
fn copied(servers: u8, change: impl FnOnce(&mut VirtualTable)) -> Bench {
    let mut table = ring(servers);
    let original = table.rows.values().next().expect("there").id;
    let card = &mut table.rows.get_mut(&original).expect("there").card;
    (card.name, card.boot) = ("s9".into(), identity(9).card.boot);
    change(&mut table);
    // The table finds rows by name.
    let rows: Vec<_> = table.rows.values().cloned().collect();
    rows.into_iter().for_each(|row| table.place(row));
    let mut bench = Bench::new(9, table);
    bench.feed(Input::Start { kept: None });
    bench.settle();
    bench
}

/// Nobody answers, for this long.
fn silence(bench: &mut Bench, span: u64) -> Vec<TableOp> {
    let mut asked = Vec::new();
    let from = bench.now;
    for _ in 0..span / 100 {
        bench.pass(ms(100));
        for watch in bench.watches.clone() {
            let silent = bench.now.since(from);
            let missed = 20 + u64::try_from(silent.as_millis() / 20).expect("short");
            bench.edit(watch.id, silent, 20, |reading| {
                (reading.last_reply, reading.last_pulse) = (None, None);
                (reading.began, reading.misses, reading.sent) = (from, missed, missed);
            });
        }
        asked.extend(bench.settle());
    }
    asked
}

fn refusal(bench: &Bench) -> &str {
    match &bench.stopped {
        Some(Stopped::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_copy_asks_the_buddies_of_the_server_and_never_takes_over_its_row() {
    let mut bench = copied(4, |_| {});
    let buddies: Vec<_> = bench.sent.iter().map(|(to, notice)| (*to, notice.body)).collect();
    let ask = NoticeBody::Ask { address: address(1) };
    assert_eq!(buddies.len(), 2);
    assert!(buddies.iter().all(|(to, body)| *body == ask && *to != address(1)), "{buddies:?}");
    let asked = silence(&mut bench, 30_000);
    assert!(asked.iter().all(|op| matches!(op, TableOp::FindSelf { .. })), "{asked:?}");
    assert!(asked.len() < 40, "{} looks in 30 s", asked.len());
    assert_eq!((bench.told(EventKind::Waiting), bench.stopped.as_ref()), (1, None));
    assert!(bench.engine.snapshot(bench.now).waiting.expect("waits").contains("`ringmon leave s9`"));
}

#[test]
fn a_copy_stops_when_the_server_answers() {
    let mut bench = copied(4, |_| {});
    let watch = bench.watch_of(1).expect("watched").id;
    bench.read(watch, ms(0), 0);
    assert!(refusal(&bench).contains("10.0.0.1"), "{}", refusal(&bench));
}

#[test]
fn a_copy_stops_when_a_buddy_of_the_server_hears_it_and_listens_to_nobody_else() {
    let mut bench = copied(4, |_| {});
    let original = bench.table.named("s9").expect("there").clone();
    let proof = |from: ServerId, incarnation| {
        let body = NoticeBody::Proof { incarnation, age_ms: 1 };
        Input::Notice(Notice { from, incarnation: Incarnation(1), body }, (address(2), 7464))
    };
    bench.feed(proof(ServerId(99), original.incarnation));
    bench.feed(proof(original.first_buddy, Incarnation(original.incarnation.0 - 1)));
    assert_eq!(bench.stopped, None);
    bench.feed(proof(original.first_buddy, original.incarnation));
    let why = refusal(&bench);
    assert!(why.contains("10.0.0.1") && why.contains("hears it"), "{why}");
}

#[test]
fn the_name_is_free_when_the_row_is_gone() {
    let mut bench = copied(4, |_| {});
    let (id, by) = (bench.table.named("s9").expect("there").id, "s2".into());
    bench.table.run_plain(&TableOp::Leave { id, incarnation: None, by }).expect("left");
    let asked = silence(&mut bench, 1_200);
    assert!(asked.iter().any(|op| matches!(op, TableOp::PickPlace { .. })), "{asked:?}");
    assert_eq!(bench.phase(), "joining");
}

/// Nobody else could remove that row.
#[test]
fn the_only_row_of_a_pool_is_taken_over_after_the_longest_silence_that_a_removal_needs() {
    let mut bench = copied(1, |_| {});
    assert!(!silence(&mut bench, 1_900).iter().any(|op| matches!(op, TableOp::TakeOver { .. })));
    silence(&mut bench, 2_000);
    assert_eq!(bench.phase(), "member");
}

#[test]
fn the_only_row_of_a_pool_is_left_while_nobody_may_be_removed() {
    for observed in [false, true] {
        let mut bench = copied(1, |table| match observed {
            true => table.pool.rules.mode = Mode::Observe,
            false => table.pool.frozen = Some("by hand".into()),
        });
        let asked = silence(&mut bench, 10_000);
        assert!(asked.iter().all(|op| matches!(op, TableOp::FindSelf { .. })), "{asked:?}");
        let why = bench.engine.snapshot(bench.now).waiting.expect("waits");
        assert!(why.contains(if observed { "observes" } else { "frozen" }), "{why}");
    }
}

#[test]
fn the_own_address_is_taken_over_at_once() {
    let mut bench = copied(4, |table| {
        let row = table.rows.values_mut().next().expect("there");
        row.card.address = address(9);
        row.card.boot = crate::BootToken("lost with the state directory".into());
    });
    bench.settle();
    assert_eq!(bench.phase(), "member");
}

/// R8: the row is gone, the clock of the database was stepped back, and the disk remembers the last life.
#[test]
fn a_life_that_is_kept_on_disk_is_older_than_the_next_one() {
    let last = Incarnation(1_000_000_000_000);
    let mut bench = Bench::new(9, ring(3));
    let kept = BuddyList { id: ServerId(77), incarnation: last, first: None, second: None, drained: false };
    bench.feed(Input::Start { kept: Some(kept) });
    bench.settle();
    bench.prove();
    bench.settle();
    let row = bench.table.named("s9").expect("joined");
    assert!(row.id != ServerId(77) && row.incarnation > last, "{:?}", row.incarnation);
}

/// R8: the same, while the row is as it was before that life: the table went back in time.
#[test]
fn a_row_from_before_the_kept_life_is_taken_in_a_life_after_it() {
    let last = Incarnation(1_000_000_000_000);
    let mut bench = Bench::new(9, ring(9));
    let row = bench.table.named("s9").expect("there");
    assert!(row.incarnation < last);
    let kept = BuddyList { id: row.id, incarnation: last, first: None, second: None, drained: false };
    bench.feed(Input::Start { kept: Some(kept) });
    bench.settle();
    assert_eq!(bench.phase(), "member");
    assert!(bench.table.named("s9").expect("there").incarnation > last);
}

/// It may be a copy of the server whose row this is.
#[test]
fn who_has_not_found_its_row_takes_none_out_of_the_table() {
    let mut bench = Bench::new(9, ring(3));
    let row = bench.table.named("s1").expect("there");
    let kept = BuddyList { id: row.id, incarnation: row.incarnation, first: None, second: None, drained: false };
    bench.feed(Input::Start { kept: Some(kept) });
    bench.fail("connection refused", true);
    bench.feed(Input::Stop { leave: true });
    bench.settle();
    assert_eq!(bench.stopped, Some(Stopped::RowRemains("connection refused".into())));
    assert_eq!(bench.table.rows.len(), 3);
}
