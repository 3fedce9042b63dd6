//! R4, R7: what a removal rests on is compared until its COMMIT.

use super::kit::{accuse, against, id, mono, ms, pulseless, ring_of, silent};
use crate::edit::Outcome;
use crate::op::{Accusation, TableOp};
use crate::row::Side;
use crate::virtual_table::{Attempt, Progress, VirtualTable};

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

/// R4: everything that the removal rests on is written, and therefore compared. Any change in between makes it look
/// again.
#[test]
fn ends_witnesses_and_those_looked_past_are_compared() {
    for name in ["a", "x", "p", "b"] {
        let (mut table, removal) = looking_past();
        let mut attempt = Attempt::new(TableOp::Accuse(removal), mono(&table));
        while !attempt.is_writing() {
            attempt.advance(&mut table, &mut || true);
        }
        let id = id(&table, name);
        table.rows.get_mut(&id).unwrap().version += 1;
        assert_eq!(attempt.advance(&mut table, &mut || true), Progress::Busy, "{name} was changed: start again");
        assert!(!attempt.is_writing());
        assert_eq!(table.rows.len(), 5);
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
