//! R4, R7: what a removal rests on is compared until its COMMIT.

use super::kit::{accuse, against, id, mono, ms, pulseless, ring_of, silent};
use crate::edit::Outcome;
use crate::op::{Accusation, TableOp};
use crate::row::{Answer, Answering, ServerRow, Side, Vote, VoteKind};
use crate::virtual_table::{Attempt, Progress, VirtualTable};
use crate::{DbTime, Incarnation, ServerId};

/// a x p b c: `x` is dead. `p` has a pulse for `a` and none for `b`, so `b` votes in its place. The ends are `a` and
/// `p`, and the witnesses are `a` and `b`.
fn looking_past() -> (VirtualTable, Accusation) {
    let mut table = ring_of(&["a", "x", "p", "b", "c"]);
    let run = vec![pulseless(&table, "p", ms(900)), silent(&table, "x", ms(400))];
    let first = against(&table, "b", Side::Second, run, Some("a"));
    accuse(&mut table, &first);
    table.advance(ms(60));
    let removal = against(&table, "a", Side::First, vec![silent(&table, "x", ms(500))], Some("p"));
    (table, removal)
}

/// Whether the removal meets a conflict if this row changes between its reads and its transaction.
fn conflicts(name: &str, change: impl Fn(&mut ServerRow)) -> bool {
    let (mut table, removal) = looking_past();
    let mut attempt = Attempt::new(TableOp::Accuse(removal), mono(&table));
    while !attempt.is_writing() {
        attempt.advance(&mut table, &mut || true);
    }
    let id = id(&table, name);
    let row = table.rows.get_mut(&id).unwrap();
    row.version += 1;
    change(row);
    let goes_on = attempt.advance(&mut table, &mut || true) == Progress::Busy && !attempt.is_writing();
    assert_eq!(table.rows.len(), if goes_on { 5 } else { 4 });
    goes_on
}

/// R4: everything that the removal rests on is written, and therefore compared. A change in between makes it look
/// again. What the remover and the witness say of themselves is none: they answer twice a second.
#[test]
fn ends_witnesses_and_those_looked_past_are_compared() {
    let stamp = DbTime::from_us(1);
    for name in ["a", "x", "p", "b"] {
        let who = ServerId(1);
        let kind = VoteKind::Host;
        let vote = Vote { voter: who, voter_incarnation: Incarnation(1), since: stamp, at: stamp, kind };
        assert!(conflicts(name, |row| row.vote_first = Some(vote.clone())), "{name} is accused");
        assert!(conflicts(name, |row| row.vote_second = Some(vote.clone())), "{name} is accused");
        assert!(conflicts(name, |row| row.incarnation.0 += 1), "{name} begins a new life");
        assert!(conflicts(name, |row| row.first_buddy = row.id), "{name} has another buddy");
        assert!(conflicts(name, |row| row.second_buddy = row.id), "{name} has another buddy");
        let renews = |row: &mut ServerRow| {
            for vote in [&mut row.vote_first, &mut row.vote_second].into_iter().flatten() {
                vote.at = vote.at + ms(1);
            }
        };
        assert!(!conflicts(name, renews), "a vote against {name} is renewed");
        assert!(!conflicts(name, |row| row.draining = true), "{name} drains");
        let itself = ["x", "p"].contains(&name);
        let cast_again = |row: &mut ServerRow| {
            for vote in [&mut row.vote_first, &mut row.vote_second].into_iter().flatten() {
                vote.since = vote.since + ms(1);
            }
        };
        assert_eq!(conflicts(name, cast_again), itself, "a vote against {name} is cast anew: b accuses x and p");
        let answer = |row: &mut ServerRow| {
            let answer = Some(Answer { at: stamp, hears: who });
            row.answering = Some(Answering { life: row.incarnation, wait: ms(60), wire: 2, answer });
        };
        assert_eq!(conflicts(name, answer), itself, "{name} answers");
        let alone = |row: &mut ServerRow| (row.alone_since, row.alone_at) = (Some(stamp), Some(stamp));
        assert_eq!(conflicts(name, alone), itself, "{name} is alone");
    }
}

/// A reply that arrives at the last moment (R7): the caller is asked twice.
#[test]
fn a_reply_before_the_commit_stops_the_removal() {
    for yes in 0..2 {
        let mut table = ring_of(&["a", "x", "b"]);
        let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
        accuse(&mut table, &first);
        table.advance(ms(60));
        let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(161))], Some("a"));
        let before = table.rows.clone();
        let mut asked = 0;
        let now = mono(&table);
        let (outcome, _) = table
            .run(&TableOp::Accuse(second), now, &mut || {
                asked += 1;
                asked <= yes
            })
            .unwrap();
        assert_eq!(outcome, Outcome::Overtaken);
        assert_eq!(table.rows, before);
    }
}

/// Runs the operation until it would write, changes the table, and lets it go on.
fn changed_meanwhile(table: &mut VirtualTable, op: TableOp, change: impl Fn(&mut VirtualTable)) -> Progress {
    let mut attempt = Attempt::new(op, mono(table));
    while !attempt.is_writing() {
        attempt.advance(table, &mut || true);
    }
    change(table);
    attempt.advance(table, &mut || true)
}

/// A cut between `x` and `p`, and `x` is dead. `p` is accused too; it lives, and goes on answering.
#[test]
fn who_lives_beyond_a_dead_server_may_answer_meanwhile() {
    let mut table = ring_of(&["a", "x", "p", "b"]);
    let first = against(&table, "p", Side::Second, vec![silent(&table, "x", ms(400))], Some("a"));
    accuse(&mut table, &first);
    let (p, b) = (id(&table, "p"), id(&table, "b"));
    let answer = |table: &mut VirtualTable| {
        let now = table.now();
        let row = table.rows.get_mut(&p).unwrap();
        row.answering.as_mut().unwrap().answer = Some(Answer { at: now, hears: b });
        row.version += 1;
    };
    answer(&mut table);
    table.advance(ms(60));
    let run = vec![silent(&table, "x", ms(500)), silent(&table, "p", ms(500))];
    let removal = against(&table, "a", Side::First, run, Some("b"));
    let end = changed_meanwhile(&mut table, TableOp::Accuse(removal), answer);
    assert!(matches!(end, Progress::Ended(Ok(Outcome::Removed { .. }))), "{end:?}");
    assert_eq!(table.rows.len(), 3);
}

/// An agent of an older version answers by its counter-vote, for as long as that is renewed (R4).
#[test]
fn the_renewed_counter_vote_of_an_agent_that_cannot_answer_is_compared() {
    for old in [false, true] {
        let (mut table, removal) = looking_past();
        let (a, x) = (id(&table, "a"), id(&table, "x"));
        let then = table.now() - ms(5000);
        let accused = table.rows.get_mut(&x).unwrap();
        if old {
            accused.answering = None;
        }
        let (voter_incarnation, kind) = (accused.incarnation, VoteKind::Host);
        let vote = Vote { voter: x, voter_incarnation, since: then, at: then, kind };
        table.rows.get_mut(&a).unwrap().vote_first = Some(vote);
        table.advance(ms(2000)); // an older agent may need this long
        let end = changed_meanwhile(&mut table, TableOp::Accuse(removal.clone()), |table| {
            let now = table.now();
            let row = table.rows.get_mut(&a).unwrap();
            row.vote_first.as_mut().unwrap().at = now;
            row.version += 1;
        });
        assert_eq!(matches!(end, Progress::Ended(Ok(Outcome::Removed { .. }))), !old, "{end:?}");
    }
}

/// Nor does an answer, or another's renewed vote, undo what a server takes back or says of itself.
#[test]
fn a_withdrawal_and_a_mark_give_way_to_no_answer() {
    let (mut table, removal) = looking_past();
    accuse(&mut table, &Accusation { served: ms(0), ..removal });
    let own = super::kit::row(&table, "a").clone();
    let answers = |table: &mut VirtualTable| {
        let now = table.now();
        for row in table.rows.values_mut() {
            row.answering.as_mut().unwrap().answer = Some(Answer { at: now, hears: own.id });
            row.version += 1;
        }
    };
    let withdraw = TableOp::Withdraw { me: id(&table, "b"), subjects: vec![id(&table, "x")] };
    let mark = TableOp::Alone { me: own.id, incarnation: own.incarnation, alone: Some(VoteKind::Host) };
    for (op, outcome) in [(withdraw, Outcome::Withdrawn), (mark, Outcome::AloneMarked)] {
        assert_eq!(changed_meanwhile(&mut table, op, answers), Progress::Ended(Ok(outcome)));
    }
}
