//! The table goes back in time: what shows it, what does not, and what follows.

use super::kit::{Bench, address, ms};
use super::member::{buddies, notice};
use crate::edit::StoredEvent;
use crate::engine::{Input, TableDone};
use crate::event::{EventBody, Left};
use crate::op::TableOp;
use crate::virtual_table::VirtualTable;
use crate::{EventKind, Incarnation, Notice, NoticeBody, Purpose, ServerId, Time, WatchReading};

/// Another server says that the ring has changed: this one reads its row.
fn look(bench: &mut Bench) -> Vec<TableOp> {
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    bench.settle()
}

/// The pool's row and the own row have been written since this copy was made.
fn copied() -> (Bench, VirtualTable) {
    let mut bench = Bench::member(4);
    let before = bench.table.clone();
    let id = bench.kept.as_ref().expect("kept").id;
    bench.table.rows.get_mut(&id).expect("there").version += 1;
    look(&mut bench);
    bench.events.clear();
    bench.sent.clear();
    (bench, before)
}

fn went_back(bench: &Bench) -> usize {
    bench.told(EventKind::TableWentBack)
}

#[test]
fn a_table_that_shows_less_for_a_second_went_back_and_the_row_is_taken_again() {
    let (mut bench, before) = copied();
    let (life, watches, told) = (bench.answers_as.map(|(life, _)| life), bench.watches.clone(), buddies(&bench));
    bench.table.go_back_to(&before);
    look(&mut bench);
    bench.pass(ms(900));
    bench.settle();
    assert_eq!((went_back(&bench), bench.phase()), (0, "member"));
    bench.pass(ms(200));
    assert!(!bench.asked.is_empty(), "it looks again by itself");
    bench.settle();
    assert_eq!((went_back(&bench), bench.phase()), (1, "member"));
    assert_eq!(bench.engine.snapshot(bench.now).went_back, 1);
    let said = bench.events.iter().find(|e| e.kind() == EventKind::TableWentBack).expect("said");
    let EventBody::TableWentBack(row) = &said.body else { panic!("{said:?}") };
    assert_eq!(row.row, "s9");
    assert_eq!(row.known.as_ref().and_then(|r| r.version), row.seen.as_ref().and_then(|r| Some(r.version? + 1)));
    assert!(bench.answers_as.map(|(life, _)| life) > life, "a new life");
    assert_eq!(bench.table.named("s9").map(|row| row.incarnation), bench.answers_as.map(|(life, _)| life));
    assert_eq!(bench.watches, watches, "it never stopped probing");
    for buddy in [told.0, told.1] {
        let to_it = |(to, n): &&(_, Notice)| *to == address(buddy) && matches!(n.body, NoticeBody::Spliced { .. });
        assert!(bench.sent.iter().any(|sent| to_it(&sent)), "s{buddy} is told to look");
    }
}

#[test]
fn one_look_in_between_that_shows_what_is_known_clears_it_of_doubt() {
    let (mut bench, before) = copied();
    let now = bench.table.clone();
    for _ in 0..20 {
        bench.table.go_back_to(&before);
        look(&mut bench);
        bench.pass(ms(900));
        bench.table.go_back_to(&now);
        look(&mut bench);
        bench.pass(ms(100));
    }
    assert_eq!(went_back(&bench), 0, "two nodes, of which one lags");
}

#[test]
fn an_old_look_that_comes_late_is_no_second_look() {
    let (mut bench, before) = copied();
    let old = |bench: &mut Bench, read_at: Time| {
        bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
        let (ticket, op) = bench.asked.pop_front().expect("a view");
        let (outcome, snapshot) = before.clone().run(&op, read_at, &mut || true).expect("read");
        bench.feed(Input::Table(TableDone { ticket, result: Ok(outcome), snapshot, took: ms(1) }));
    };
    let began = bench.now;
    old(&mut bench, began);
    bench.now = bench.now + ms(3000);
    old(&mut bench, began + ms(1));
    assert_eq!(went_back(&bench), 0);
}

#[test]
fn two_tables_that_are_read_in_turns_are_believed_ever_more_slowly() {
    let (mut bench, before) = copied();
    let mut found = Vec::new();
    for _ in 0..5 {
        let (from, count) = (bench.now, went_back(&bench));
        bench.table.go_back_to(&before);
        look(&mut bench);
        while went_back(&bench) == count {
            bench.pass(ms(100));
            bench.settle();
        }
        found.push(bench.now.since(from).as_secs());
    }
    assert_eq!(found, [1, 2, 4, 8, 16]);
}

#[test]
fn a_row_that_is_gone_without_a_word_is_joined_again_after_a_second() {
    let (mut bench, _) = copied();
    bench.table.rows.clear();
    look(&mut bench);
    assert_eq!(bench.phase(), "member");
    bench.pass(ms(1001));
    bench.settle();
    assert_eq!((bench.phase(), bench.table.rows.len()), ("member", 1));
    assert_eq!((went_back(&bench), bench.told(EventKind::Removed)), (1, 0));
}

#[test]
fn the_end_of_another_server_with_the_same_id_ends_nobody() {
    let (mut bench, _) = copied();
    let id = bench.kept.as_ref().expect("kept").id;
    bench.table.rows.clear();
    bench.table.events = vec![StoredEvent {
        id: 1,
        at: bench.table.now(),
        subject: Some(id),
        subject_name: "s77".into(),
        by: "s77".into(),
        body: EventBody::Left(Left::default()),
    }];
    look(&mut bench);
    bench.pass(ms(1001));
    bench.settle();
    assert_eq!((bench.phase(), bench.stopped.clone()), ("member", None));
}

#[test]
fn another_pool_of_the_same_name_is_taken_as_it_is() {
    let (mut bench, _) = copied();
    bench.table.pool.version = 5;
    bench.table.pool.frozen = Some("by hand".into());
    look(&mut bench);
    assert!(bench.engine.snapshot(bench.now).frozen.is_some());
    bench.table.pool.version = 2;
    bench.table.pool.frozen = None;
    look(&mut bench);
    assert!(bench.engine.snapshot(bench.now).frozen.is_some(), "not yet");
    bench.pass(ms(1001));
    bench.settle();
    assert_eq!((went_back(&bench), bench.engine.snapshot(bench.now).frozen), (1, None));
}

/// It does not know that its restart is lost. Its buddy does, and the table is not asked ten times a second until then.
#[test]
fn a_buddy_whose_restart_is_lost_is_told_to_look_and_the_table_is_read_ever_more_seldom() {
    let mut bench = Bench::member(4);
    let (first, _) = buddies(&bench);
    let row = bench.table.named(&format!("s{first}")).expect("there").clone();
    let mut reads = 0;
    for _ in 0..500 {
        bench.pass(ms(20));
        for watch in bench.watches.clone() {
            let life = Incarnation(if watch.address == address(first) { row.incarnation.0 + 7 } else { 1 });
            let heard = Some(bench.now);
            let reading = WatchReading {
                replies: 1,
                last_reply: heard,
                last_pulse: heard,
                incarnation: life,
                ..Default::default()
            };
            bench.feed(Input::Watch(watch.id, reading));
        }
        reads += bench.settle().len();
    }
    assert!((6..=12).contains(&reads), "{reads} reads in ten seconds");
    let told: Vec<_> = bench.sent.iter().filter(|(to, _)| *to == address(first)).collect();
    assert!(told.iter().all(|(_, notice)| notice.body == NoticeBody::Changed { subject: row.id }), "{told:?}");
    assert!((1..=reads).contains(&told.len()));
    assert!(bench.watches.iter().all(|watch| watch.purpose == Purpose::Buddy));
}
