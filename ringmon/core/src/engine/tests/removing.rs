//! What follows from an accusation: when it is made again, and what a removal announces.

use super::kit::{Bench, address, ms};
use super::member::{buddies, notice, silence_of};
use crate::edit::{Held, Lookup, Removal};
use crate::engine::{Input, TableDone};
use crate::op::{Lane, TableOp};
use crate::row::Vote;
use crate::{Health, Incarnation, Notice, NoticeBody, Outcome, ServerId, VoteKind};

fn removed(number: u8, ends: (ServerId, ServerId)) -> Outcome {
    let removal = Removal {
        server: ServerId(i64::from(number)),
        name: format!("s{number}"),
        address: address(number),
        notice_port: 7464,
        kind: VoteKind::Host,
        voters: vec!["s9".into()],
    };
    Outcome::Removed { removed: vec![removal], ends }
}

/// Takes an operation from those that were asked for.
fn ticket(bench: &mut Bench, wanted: impl Fn(&TableOp) -> bool) -> (u64, TableOp) {
    let at = bench.asked.iter().position(|(_, op)| wanted(op)).expect("it is under way");
    bench.asked.remove(at).expect("it is there")
}

fn accusation(op: &TableOp) -> bool {
    matches!(op, TableOp::Accuse(_))
}

fn view(op: &TableOp) -> bool {
    matches!(op, TableOp::View { .. })
}

/// A member whose first buddy is silent, with a vote and a read of its own row under way. Also returns a server that is
/// neither the member nor a buddy.
fn suspecting() -> (Bench, u8) {
    let mut bench = Bench::member(6);
    let (first, second) = buddies(&bench);
    silence_of(&mut bench, first, 160);
    bench.settle();
    while !bench.asked.iter().any(|(_, op)| accusation(op)) {
        silence_of(&mut bench, first, 20);
    }
    bench.feed(notice(NoticeBody::Spliced { subject: ServerId(1) }));
    let other = (1..=6).find(|n| ![first, second].contains(n)).expect("six of them");
    (bench, other)
}

fn end(bench: &mut Bench, ticket: u64, outcome: Outcome) {
    let snapshot = bench.table.begin(bench.now);
    bench.feed(Input::Table(TableDone { ticket, result: Ok(outcome), snapshot, took: ms(1) }));
}

#[test]
fn a_removal_further_along_hides_nothing_that_was_read_meanwhile() {
    let (mut bench, other) = suspecting();
    let (_, second) = buddies(&bench);
    let began = bench.now;
    let (looking, look) = ticket(&mut bench, view);
    let id = bench.table.named(&format!("s{second}")).expect("a buddy").id;
    bench.table.run_plain(&TableOp::Leave { id, incarnation: None, by: "operator".into() }).expect("left");
    bench.now = bench.now + ms(5);
    let (voting, _) = ticket(&mut bench, accusation);
    end(&mut bench, voting, removed(other, (ServerId(1), ServerId(2))));
    let (outcome, snapshot) = bench.table.run(&look, began, &mut || true).expect("read");
    bench.feed(Input::Table(TableDone { ticket: looking, result: Ok(outcome), snapshot, took: ms(5) }));
    assert_ne!(buddies(&bench).1, second, "its own links are as they were read");
}

#[test]
fn a_removal_that_the_table_tells_of_again_is_not_made_again() {
    let (mut bench, other) = suspecting();
    let told = |bench: &Bench| {
        let removed = |(to, n): &&(_, Notice)| *to == address(other) && matches!(n.body, NoticeBody::Removed { .. });
        bench.sent.iter().filter(removed).count()
    };
    let first = buddies(&bench).0;
    for _ in 0..3 {
        while !bench.asked.iter().any(|(_, op)| accusation(op)) {
            silence_of(&mut bench, first, 20);
        }
        let (voting, _) = ticket(&mut bench, accusation);
        end(&mut bench, voting, removed(other, (ServerId(1), ServerId(2))));
    }
    assert_eq!(told(&bench), 1);
    assert_eq!(bench.engine.snapshot(bench.now).removals, 1);
}

#[test]
fn a_vote_that_is_too_young_is_looked_at_again_when_it_is_old_enough() {
    let (mut bench, other) = suspecting();
    let (first, _) = buddies(&bench);
    let id = bench.table.named(&format!("s{first}")).expect("a buddy").id;
    let since = bench.table.now() - ms(50);
    let row = bench.table.rows.get_mut(&id).expect("its row");
    let vote = Vote {
        voter: ServerId(i64::from(other)),
        voter_incarnation: Incarnation(1),
        kind: VoteKind::Host,
        at: since,
        since,
    };
    (row.vote_first, row.vote_second) = (Some(vote.clone()), Some(vote));
    let (voting, _) = ticket(&mut bench, accusation);
    let mut snapshot = bench.table.begin(bench.now);
    bench.table.read(&mut snapshot, &Lookup::Id(id));
    let result = Ok(Outcome::Held(Held::TooYoung));
    bench.feed(Input::Table(TableDone { ticket: voting, result, snapshot, took: ms(1) }));
    let asks = |bench: &Bench| bench.asked.iter().any(|(_, op)| accusation(op));
    bench.pass(ms(10));
    assert!(!asks(&bench), "60 ms are not over");
    bench.pass(ms(2));
    assert!(asks(&bench));
}

/// In its lane behind another write, an accusation would get old: it would not know of a proof that comes meanwhile.
#[test]
fn an_accusation_is_made_when_it_can_begin_and_not_before() {
    let mut bench = Bench::member(6);
    let (first, _) = buddies(&bench);
    bench.feed(Input::Service(Health::Failing));
    let (writing, _) = ticket(&mut bench, |op| matches!(op, TableOp::SetService { .. }));
    for _ in 0..10 {
        silence_of(&mut bench, first, 60);
        let write = bench.asked.iter().position(|(_, op)| op.lane() == Lane::Writes);
        assert_eq!(write, None, "{:?}", bench.asked);
        bench.settle();
    }
    end(&mut bench, writing, Outcome::Written);
    assert!(bench.asked.iter().any(|(_, op)| accusation(op)), "then it is made at once");
}

/// Votes of both sides in one row show a cut that heals, and hold removals for a moment. These were written before the
/// database's clock was set back, and nobody takes them back: their voters are dead, or have forgotten them.
#[test]
fn votes_of_a_clock_that_was_set_back_hold_no_removal() {
    for (ahead, holds) in [(ms(0), true), (ms(600_000), false)] {
        let mut bench = Bench::member(6);
        let (first, second) = buddies(&bench);
        let (at, me) = (bench.table.now() + ahead, bench.table.named("s9").expect("its row").id);
        let vote = |bench: &Bench, number: u8| {
            let row = bench.table.named(&format!("s{number}")).expect("a buddy");
            Vote { voter: row.id, voter_incarnation: row.incarnation, kind: VoteKind::Host, since: at, at }
        };
        let votes = [first, second].map(|number| Some(vote(&bench, number)));
        let row = bench.table.rows.get_mut(&me).expect("its row");
        [row.vote_first, row.vote_second] = votes;
        let mut calls = Vec::new();
        for _ in 0..50 {
            silence_of(&mut bench, first, 20);
            calls.extend(bench.settle().into_iter().filter_map(|op| match op {
                TableOp::Accuse(a) => Some(a.findings[0].enough),
                _ => None,
            }));
        }
        assert_eq!(calls.last(), Some(&!holds), "{ahead:?} ahead: {calls:?}");
    }
}
