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
