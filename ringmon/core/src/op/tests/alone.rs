//! A server that hears no other server.

use core::time::Duration;

use super::kit::{accuse, against, id, leave, ms, pulseless, removed, ring_of, row, run, silent, whole};
use crate::edit::{Held, Outcome};
use crate::op::{Accusation, TableOp};
use crate::row::{Alone, Mode, Side, VoteKind};
use crate::virtual_table::VirtualTable;
use crate::{Incarnation, ServerId};

fn mark(table: &mut VirtualTable, who: &str, alone: bool) -> Outcome {
    say(table, who, alone.then_some(VoteKind::Host))
}

fn say(table: &mut VirtualTable, who: &str, alone: Option<VoteKind>) -> Outcome {
    let own = row(table, who);
    run_op(table, TableOp::Alone { me: own.id, incarnation: own.incarnation, alone })
}

fn run_op(table: &mut VirtualTable, op: TableOp) -> Outcome {
    run(table, op)
}

/// An accusation by `me` of all other servers.
fn all(table: &VirtualTable, me: &str, silence: Duration) -> Accusation {
    let others =
        table.rows.values().filter(|r| r.card.name != me).map(|r| silent(table, &r.card.name, silence)).collect();
    against(table, me, Side::First, others, None)
}

/// Sets the mark and renews it every half second, for this long.
fn stay_alone(table: &mut VirtualTable, who: &str, span: Duration) {
    let until = table.now() + span;
    mark(table, who, true);
    while table.now() + ms(500) <= until {
        table.advance(ms(500));
        mark(table, who, true);
    }
    let rest = until.since(table.now()).unwrap_or_default();
    table.advance(rest);
}

#[test]
fn marks_begin_are_renewed_lapse_and_end() {
    let mut table = ring_of(&["a", "b"]);
    let began = table.now();
    assert_eq!(mark(&mut table, "a", true), Outcome::AloneMarked);
    assert_eq!((row(&table, "a").alone_since, row(&table, "a").alone_at), (Some(began), Some(began)));
    let version = row(&table, "a").version;
    table.advance(ms(300));
    assert_eq!(mark(&mut table, "a", true), Outcome::AloneMarked);
    assert_eq!(row(&table, "a").version, version, "too early to renew");
    table.advance(ms(200));
    mark(&mut table, "a", true);
    assert_eq!((row(&table, "a").alone_since, row(&table, "a").alone_at), (Some(began), Some(table.now())));
    table.advance(ms(1501));
    mark(&mut table, "a", true);
    assert_eq!(row(&table, "a").alone_since, Some(table.now()), "it had lapsed");
    assert_eq!(mark(&mut table, "a", false), Outcome::AloneMarked);
    assert_eq!((row(&table, "a").alone_since, row(&table, "a").alone_at), (None, None));
    let before = table.rows.clone();
    assert_eq!(mark(&mut table, "a", false), Outcome::AloneMarked);
    assert_eq!(table.rows, before);
    let other = Incarnation(row(&table, "a").incarnation.0 + 1);
    let op = TableOp::Alone { me: id(&table, "a"), incarnation: other, alone: Some(VoteKind::Host) };
    assert_eq!(run(&mut table, op), Outcome::Stale);
    assert_eq!(
        run(&mut table, TableOp::Alone { me: ServerId(99), incarnation: other, alone: Some(VoteKind::Host) }),
        Outcome::Stale
    );
}

#[test]
fn of_two_the_lone_one_removes_the_other_after_a_second() {
    let mut table = ring_of(&["a", "b"]);
    let op = all(&table, "a", ms(300));
    stay_alone(&mut table, "a", ms(999));
    assert_eq!(run(&mut table, TableOp::RemoveAll(op.clone())), Outcome::Held(Held::TooYoung));
    table.advance(ms(1));
    let outcome = run(&mut table, TableOp::RemoveAll(op.clone()));
    assert_eq!(removed(&outcome), ["b"]);
    assert_eq!(whole(&table), ["a"]);
    assert_eq!(row(&table, "a").alone_since, None);
    assert_eq!(run(&mut table, TableOp::RemoveAll(op)), outcome, "asked again, the same answer");
}

#[test]
fn of_more_only_where_the_pool_allows_it_and_after_two_seconds() {
    let mut table = ring_of(&["a", "b", "c", "d"]);
    table.pool.rules.brake_permille = 1000;
    let op = TableOp::RemoveAll(all(&table, "c", ms(300)));
    stay_alone(&mut table, "c", ms(1999));
    assert_eq!(run(&mut table, op.clone()), Outcome::Held(Held::UnhealthyVoter));
    table.pool.rules.alone = Alone::All;
    assert_eq!(run(&mut table, op.clone()), Outcome::Held(Held::TooYoung));
    table.advance(ms(1));
    assert_eq!(removed(&run(&mut table, op)), ["d", "a", "b"]);
    assert_eq!(whole(&table), ["c"]);
}

#[test]
fn the_brake_holds_a_lone_server_too() {
    let mut table = ring_of(&["a", "b", "c", "d", "e"]);
    table.pool.rules.alone = Alone::All;
    let op = TableOp::RemoveAll(all(&table, "c", ms(300)));
    stay_alone(&mut table, "c", ms(2500));
    assert_eq!(run(&mut table, op.clone()), Outcome::Braked);
    assert_eq!(run(&mut table, op), Outcome::Held(Held::Brake));
    assert_eq!(whole(&table).len(), 5);
}

/// Both servers of a broken link of two: neither removes the other, whichever is first.
#[test]
fn two_lone_servers_block_each_other() {
    let mut table = ring_of(&["a", "b"]);
    let ops = [all(&table, "a", ms(300)), all(&table, "b", ms(300))].map(TableOp::RemoveAll);
    for _ in 0..20 {
        for op in &ops {
            let outcome = run(&mut table, op.clone());
            assert!(matches!(outcome, Outcome::AloneMarked | Outcome::Held(Held::AloneBlocked)), "{outcome:?}");
        }
        for who in ["a", "b"] {
            mark(&mut table, who, true);
        }
        table.advance(ms(500));
    }
    // b dies: its mark lapses, and a goes on.
    for _ in 0..3 {
        mark(&mut table, "a", true);
        table.advance(ms(500));
    }
    table.advance(ms(1));
    mark(&mut table, "a", true);
    assert_eq!(removed(&run(&mut table, ops[0].clone())), ["b"]);
}

/// The database pauses for both. The first one to get through must begin again, and the other has its second to object.
#[test]
fn a_pause_of_the_database_does_not_decide_between_two() {
    for pause in [1000, 1600, 3000, 20_000] {
        for first in ["a", "b"] {
            let mut table = ring_of(&["a", "b"]);
            let ops = [all(&table, "a", ms(300)), all(&table, "b", ms(300))].map(TableOp::RemoveAll);
            for who in ["a", "b"] {
                stay_alone(&mut table, who, ms(500));
            }
            table.advance(ms(pause));
            for turn in 0..20 {
                let order = if (first == "a") == (turn % 2 == 0) { [0, 1] } else { [1, 0] };
                for which in order {
                    let outcome = run(&mut table, ops[which].clone());
                    assert!(!matches!(outcome, Outcome::Removed { .. }), "pause {pause}, {first} first: {outcome:?}");
                }
                table.advance(ms(200));
                mark(&mut table, "a", true);
                mark(&mut table, "b", true);
            }
        }
    }
}

#[test]
fn a_mark_of_an_earlier_silence_begins_again() {
    let mut table = ring_of(&["a", "b"]);
    stay_alone(&mut table, "a", ms(5000));
    // b was heard 200 ms ago; the mark should have been cleared, and was not.
    let op = all(&table, "a", ms(200));
    assert_eq!(run(&mut table, TableOp::RemoveAll(op.clone())), Outcome::AloneMarked);
    assert_eq!(row(&table, "a").alone_since, Some(table.now()));
    stay_alone(&mut table, "a", ms(999));
    assert_eq!(run(&mut table, TableOp::RemoveAll(op)), Outcome::Held(Held::TooYoung));
}

#[test]
fn everything_else_that_holds_a_lone_server_back() {
    type Spoil = (Outcome, fn(&mut VirtualTable, &mut Accusation));
    let held = |h| Outcome::Held(h);
    let spoils: [Spoil; 9] = [
        (held(Held::TooShort), |_, a| a.findings[0].enough = false),
        (held(Held::Frozen), |t, _| t.pool.frozen = Some("x".into())),
        (held(Held::Observing), |_, a| a.mode = Mode::Observe),
        (held(Held::AgentTimeout), |t, a| a.findings = vec![pulseless(t, "b", ms(2900))]),
        (held(Held::AloneBlocked), |t, _| {
            let vote = against(t, "b", Side::First, vec![silent(t, "a", ms(100))], None);
            assert!(matches!(accuse(t, &vote), Outcome::Voted { .. }));
        }),
        (Outcome::Stale, |_, a| a.findings.clear()),
        (Outcome::Stale, |_, a| a.findings[0].incarnation = Incarnation(1)),
        (Outcome::Stale, |_, a| a.incarnation = Incarnation(1)),
        (Outcome::Stale, |t, _| {
            t.run_plain(&super::kit::join(t, "new", Some("b"))).unwrap();
        }),
    ];
    for (number, (expected, spoil)) in spoils.into_iter().enumerate() {
        let mut table = ring_of(&["a", "b"]);
        stay_alone(&mut table, "a", ms(2500));
        let mut a = all(&table, "a", ms(2800));
        spoil(&mut table, &mut a);
        assert_eq!(run(&mut table, TableOp::RemoveAll(a)), expected, "spoil {number}");
        assert!(whole(&table).len() >= 2);
    }
}

#[test]
fn who_has_nobody_to_remove_is_stale() {
    let mut table = ring_of(&["a", "b"]);
    let op = all(&table, "a", ms(300));
    table.run_plain(&leave(&table, "b")).unwrap();
    assert_eq!(run(&mut table, TableOp::RemoveAll(op)), Outcome::Stale);
}

#[test]
fn an_alone_mark_does_not_keep_its_owner_in_the_ring() {
    let mut table = ring_of(&["a", "x", "b"]);
    mark(&mut table, "x", true);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    accuse(&mut table, &first);
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(161))], Some("a"));
    for _ in 0..6 {
        table.advance(ms(500));
        mark(&mut table, "x", true);
        accuse(&mut table, &first);
        assert!(!matches!(accuse(&mut table, &second), Outcome::Removed { .. }));
    }
    table.advance(ms(1));
    assert_eq!(removed(&accuse(&mut table, &second)), ["x"]);
}

#[test]
fn who_answers_a_lone_server_is_protected_also_if_it_hears_nobody_either() {
    use crate::row::Answer;
    for hears in ["a", "b"] {
        let mut table = ring_of(&["a", "b"]);
        let op = all(&table, "a", ms(1300));
        stay_alone(&mut table, "a", ms(1000));
        let (now, hears, b) = (table.now(), id(&table, hears), id(&table, "b"));
        let row = table.rows.get_mut(&b).unwrap();
        row.answering.as_mut().unwrap().answer = Some(Answer { at: now, hears });
        row.version += 1;
        assert_eq!(run(&mut table, TableOp::RemoveAll(op)), Outcome::Held(Held::Answered), "{hears:?}");
    }
}

#[test]
fn a_mark_that_says_something_else_begins_again() {
    use VoteKind::{Agent, Host};
    let mut table = ring_of(&["a", "b", "c"]);
    let began = table.now();
    say(&mut table, "a", Some(Agent));
    table.advance(ms(100));
    let change = table.now();
    say(&mut table, "a", Some(Host));
    assert_eq!((row(&table, "a").alone_since, row(&table, "a").alone_kind), (Some(change), Some(Host)), "{began:?}");
    table.advance(ms(500));
    say(&mut table, "a", Some(Host));
    let kept = row(&table, "a");
    assert_eq!((kept.alone_since, kept.alone_at), (Some(change), Some(table.now())));
    say(&mut table, "a", Some(Agent));
    assert_eq!((row(&table, "a").alone_since, row(&table, "a").alone_kind), (Some(table.now()), Some(Agent)));
    mark(&mut table, "a", false);
    assert_eq!(row(&table, "a").alone_kind, None);
}

/// On a schema without the column no mark has a kind, and all goes on as ever.
#[test]
fn a_mark_without_a_kind_goes_on_without_one() {
    let mut table = ring_of(&["a", "b"]);
    let op = all(&table, "a", ms(300));
    let forget = |table: &mut VirtualTable| {
        let a = id(table, "a");
        table.rows.get_mut(&a).unwrap().alone_kind = None;
    };
    let began = table.now();
    mark(&mut table, "a", true);
    forget(&mut table);
    for _ in 0..2 {
        table.advance(ms(500));
        mark(&mut table, "a", true);
    }
    assert_eq!((row(&table, "a").alone_since, row(&table, "a").alone_kind), (Some(began), None));
    assert_eq!(removed(&run(&mut table, TableOp::RemoveAll(op))), ["b"]);
}

#[test]
fn a_removal_that_marks_says_of_which_kind_the_silences_are() {
    for agent in [true, false] {
        let mut table = ring_of(&["a", "b", "c"]);
        table.pool.rules.alone = Alone::All;
        let mut a = all(&table, "a", ms(300));
        if agent {
            let at = a.findings.iter().position(|finding| finding.server == id(&table, "c")).unwrap();
            a.findings[at] = pulseless(&table, "c", ms(3300));
        }
        assert_eq!(run(&mut table, TableOp::RemoveAll(a)), Outcome::AloneMarked);
        assert_eq!(row(&table, "a").alone_kind, Some(if agent { VoteKind::Agent } else { VoteKind::Host }));
    }
}
