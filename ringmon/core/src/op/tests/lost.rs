//! COMMITs whose answer is lost, conflicts, deadlines: an operation that is asked for again finds its own work done.

use super::kit::{against, id, join, leave, ms, new_row, ring_of, row, run, silent, whole};
use crate::edit::{Lookup, Outcome};
use crate::op::TableOp;
use crate::row::{Health, Side, VoteKind};
use crate::virtual_table::{Attempt, Mishap, Progress, VirtualTable};
use crate::{PoolRow, ServerRow, law};

/// A ring in which everything is ready for each of the operations that write.
fn everything() -> (VirtualTable, Vec<TableOp>) {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(100))], Some("a"));
    run(&mut table, TableOp::Accuse(first));
    table.advance(ms(60));
    let own = |name: &str| (id(&table, name), row(&table, name).incarnation);
    let (c, c_life) = own("c");
    let ops = vec![
        join(&table, "new", Some("c")),
        TableOp::TakeOver { row: row(&table, "c").into(), new: new_row("c") },
        leave(&table, "c"),
        TableOp::Leave { id: c, incarnation: None, by: "operator".into() },
        TableOp::Accuse(second),
        TableOp::Withdraw { me: id(&table, "a"), subjects: vec![id(&table, "x")] },
        TableOp::Alone { me: c, incarnation: c_life, alone: Some(VoteKind::Host) },
        TableOp::SetService { me: c, incarnation: c_life, health: Health::Failing, weight: Some(7) },
        TableOp::SetDraining { id: c, incarnation: None, draining: true, by: "operator".into() },
        TableOp::SetFrozen { frozen: Some("by hand".into()), by: "operator".into() },
    ];
    (table, ops)
}

/// The table without what only counts how often it was touched.
fn content(table: &VirtualTable) -> (Vec<ServerRow>, PoolRow, usize) {
    (table.rows.values().cloned().collect(), table.pool.clone(), table.events.len())
}

#[test]
fn after_a_lost_answer_nothing_is_done_twice_and_the_answer_is_the_same() {
    let (start, ops) = everything();
    for op in ops {
        let mut plain = start.clone();
        let expected = run(&mut plain, op.clone());
        let mut lossy = start.clone();
        lossy.inject(Mishap::LostAnswer);
        assert_eq!(run(&mut lossy, op.clone()), expected, "{op:?}");
        assert_eq!(content(&lossy), content(&plain), "{op:?}");
        assert_eq!(run(&mut lossy, op.clone()), expected, "{op:?} a third time");
        assert_eq!(content(&lossy), content(&plain), "{op:?} a third time");
        whole(&lossy);
    }
}

/// The database keeps a bounded part of an event. A name that was written by hand can be of any length.
#[test]
fn a_removal_whose_event_was_cut_short_is_found_by_its_remover() {
    let (mut table, ops) = everything();
    let removal = ops.into_iter().find(|op| matches!(op, TableOp::Accuse(_))).unwrap();
    let x = id(&table, "x");
    table.rows.get_mut(&x).unwrap().card.name = "x".repeat(100_000);
    let Outcome::Removed { removed, ends } = run(&mut table, removal.clone()) else { panic!("removed") };
    let event = table.events.last_mut().unwrap();
    event.body = event.body.clone().brief();
    assert!(event.body.detail().to_string().len() < 10_000);
    let again = run(&mut table, removal);
    let Outcome::Removed { removed: found, ends: same } = again else { panic!("its own COMMIT: {again:?}") };
    assert_eq!((found[0].server, found[0].address, same), (removed[0].server, removed[0].address, ends));
}

#[test]
fn a_lost_vote_and_a_lost_removal_of_all_end_as_they_would_have() {
    let mut table = ring_of(&["a", "x", "b"]);
    let vote = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    table.inject(Mishap::LostAnswer);
    let outcome = run(&mut table, TableOp::Accuse(vote));
    assert_eq!(outcome, Outcome::Held(crate::edit::Held::NoSecondVote), "the vote is there, and waits");
    assert_eq!(row(&table, "x").version, 3, "joined beside, and voted once");

    let mut table = ring_of(&["a", "b"]);
    let all = TableOp::RemoveAll(against(&table, "a", Side::First, vec![silent(&table, "b", ms(300))], None));
    run(&mut table, all.clone());
    table.advance(ms(1000));
    table.inject(Mishap::LostAnswer);
    let outcome = run(&mut table, all);
    assert!(
        matches!(&outcome, Outcome::Removed { removed, ends } if removed.len() == 1 && ends.0 == ends.1),
        "{outcome:?}"
    );
}

#[test]
fn conflicts_are_tried_again_from_the_start() {
    let (start, ops) = everything();
    for op in ops {
        let mut plain = start.clone();
        let expected = run(&mut plain, op.clone());
        let mut busy = start.clone();
        for _ in 0..3 {
            busy.inject(Mishap::Conflict);
        }
        let removes = matches!(expected, Outcome::Removed { .. });
        if removes {
            assert_eq!(run(&mut busy, op.clone()), Outcome::Overtaken, "{op:?}");
            assert_eq!(content(&busy), content(&start));
            busy.calm();
        }
        assert_eq!(run(&mut busy, op.clone()), expected, "{op:?}");
        assert_eq!(content(&busy).0.len(), content(&plain).0.len());
    }
}

/// R12: a witness may prove that the suspect lives while its removal meets another's change. The operation does not see
/// that, so it may not go on: it ends, and the agent asks again with what it knows then.
#[test]
fn a_removal_that_met_a_change_is_asked_for_again() {
    let (mut table, ops) = everything();
    let removal = ops.into_iter().find(|op| matches!(op, TableOp::Accuse(_))).unwrap();
    let mut attempt = Attempt::new(removal.clone(), super::kit::mono(&table));
    while !attempt.is_writing() {
        assert_eq!(attempt.advance(&mut table, &mut || true), Progress::Busy);
    }
    let x = id(&table, "x");
    table.rows.get_mut(&x).unwrap().alone_at = Some(crate::DbTime::from_us(1));
    assert_eq!(attempt.advance(&mut table, &mut || true), Progress::Busy, "it met a change, and looks again");
    let end = loop {
        match attempt.advance(&mut table, &mut || true) {
            Progress::Busy => {}
            Progress::Ended(end) => break end,
        }
    };
    assert_eq!(end, Ok(Outcome::Overtaken));
    assert!(table.rows.contains_key(&x));
    assert!(matches!(run(&mut table, removal), Outcome::Removed { .. }));
}

/// R7: a process stands still between reading and writing, and the database's clock steps back meanwhile. So its
/// deadline does not tell.
#[test]
fn a_removal_whose_grounds_are_old_by_the_own_clock_is_asked_for_again() {
    let (mut table, ops) = everything();
    let removal = ops.into_iter().find(|op| matches!(op, TableOp::Accuse(_))).unwrap();
    let began = super::kit::mono(&table);
    for (later, removes) in [(law::WRITE_WITHIN + ms(1), false), (law::WRITE_WITHIN, true)] {
        let mut attempt = Attempt::new(removal.clone(), began);
        while !attempt.is_writing() {
            assert_eq!(attempt.advance(&mut table, &mut || true), Progress::Busy);
        }
        attempt.clock(began + later);
        let Progress::Ended(Ok(end)) = attempt.advance(&mut table, &mut || true) else { panic!("it ends") };
        assert_eq!(matches!(end, Outcome::Removed { .. }), removes, "{later:?}: {end:?}");
        assert!(removes || end == Outcome::Overtaken);
    }
}

/// Votes are renewed by two servers at a time. Nobody is removed by them, so they need not be asked for again.
#[test]
fn a_vote_that_met_a_change_is_cast() {
    let mut table = ring_of(&["a", "x", "b"]);
    let vote = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    table.inject(Mishap::Conflict);
    assert!(matches!(run(&mut table, TableOp::Accuse(vote)), Outcome::Voted { .. }));
}

/// R7: a voter that was suspended between its read and its write starts again, and sees what is true then.
#[test]
fn whoever_comes_too_late_looks_again() {
    let (start, ops) = everything();
    for op in ops {
        let mut late = start.clone();
        late.inject(Mishap::Delay(ms(20_000)));
        let now = super::kit::mono(&late);
        let mut seen = Vec::new();
        let (outcome, snapshot) = late
            .run(&op, now, &mut || {
                seen.push(());
                true
            })
            .unwrap();
        assert_eq!(snapshot.db_now, start.now() + ms(20_000), "{op:?}: {outcome:?} rests on a second look");
        whole(&late);
    }
}

#[test]
fn without_a_database_nothing_is_known_and_nothing_written() {
    let (start, ops) = everything();
    for op in ops {
        let mut away = start.clone();
        away.inject(Mishap::Away);
        let failure = away.run_plain(&op).unwrap_err();
        assert!(failure.transient);
        assert_eq!(content(&away), content(&start));
    }
}

#[test]
fn freezing_and_thawing_are_told_once() {
    let mut table = ring_of(&["a"]);
    for frozen in [Some("why".to_owned()), None] {
        let op = TableOp::SetFrozen { frozen: frozen.clone(), by: "operator".into() };
        let before = table.events.len();
        assert_eq!(run(&mut table, op.clone()), Outcome::Written);
        assert_eq!(run(&mut table, op), Outcome::Written);
        assert_eq!((&table.pool.frozen, table.events.len()), (&frozen, before + 1));
        assert_eq!(table.events.last().unwrap().body.detail()["why"], "why", "what was thawed is told too");
    }
}

/// What a view reads: everything that an agent must know about its neighbours, and nothing twice.
#[test]
fn a_view_reads_buddies_voters_and_the_end_of_those_who_are_gone() {
    let mut table = ring_of(&["a", "x", "b", "c", "d"]);
    let (a, b, c) = (id(&table, "a"), id(&table, "b"), id(&table, "c"));
    let op = against(&table, "d", Side::First, vec![silent(&table, "a", ms(100))], None);
    run(&mut table, TableOp::Accuse(op));
    let stranger = row(&table, "c").clone();
    let own = table.rows.get_mut(&a).unwrap();
    own.vote_first = own.vote_second.clone().map(|mut v| {
        (v.voter, v.voter_incarnation) = (stranger.id, stranger.incarnation);
        v
    });
    let x = id(&table, "x");
    table.run_plain(&leave(&table, "x")).unwrap();
    let view = TableOp::View { me: a, known: vec![a, x, b] };
    let (outcome, seen) = table.run(&view, super::kit::mono(&table), &mut || true).unwrap();
    assert_eq!(outcome, Outcome::Read);
    let mut read: Vec<&str> = seen.rows.values().map(|r| r.card.name.as_str()).collect();
    read.sort_unstable();
    assert_eq!(read, ["a", "b", "c", "d"]);
    assert_eq!(seen.events.keys().copied().collect::<Vec<_>>(), [x]);
    assert!(seen.events[&x].as_ref().is_some_and(|e| e.subject_name == "x"));
    table.run_plain(&leave(&table, "a")).unwrap();
    let (_, seen) = table.run(&view, super::kit::mono(&table), &mut || true).unwrap();
    assert!(seen.events[&a].is_some(), "the own end");
    assert!(seen.row(&Lookup::Id(c)).is_none(), "and nobody else but those known");
    assert!(seen.row(&Lookup::Id(b)).is_some());
}
