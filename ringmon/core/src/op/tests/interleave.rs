//! Two and three operations at once on rings of one to four, in every order.
//!
//! Reads change nothing, so two orders differ only in how much each operation had read when another operation's
//! transaction came. The search therefore chooses which operation ends next, and how far all others got before. That
//! covers every interleaving of single statements. An operation that conflicts begins again and is interleaved again.

use alloc::collections::BTreeSet;
use std::sync::Arc;

use super::kit::{against, join, leave, mono, ms, new_row, ring_of, row, silent, whole};
use crate::edit::Outcome;
use crate::op::TableOp;
use crate::row::{Alone, Health, Side, VoteKind};
use crate::virtual_table::{Attempt, Progress, VirtualTable};
use crate::{EventKind, ServerId};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// The state of a search: operations that go on, and the outcomes of those that ended.
#[derive(Clone)]
struct World {
    table: VirtualTable,
    running: Vec<(Arc<TableOp>, Attempt)>,
    ended: Vec<(Arc<TableOp>, Outcome)>,
}

impl World {
    fn new(table: &VirtualTable, ops: &[&TableOp]) -> Self {
        let now = mono(table);
        let ops = ops.iter().map(|op| Arc::new((*op).clone()));
        let running = ops.map(|op| (Arc::clone(&op), Attempt::new(op, now))).collect();
        Self { table: table.clone(), running, ended: Vec::new() }
    }

    /// Runs one statement of one operation; `true` if the operation ended.
    fn advance(&mut self, which: usize) -> bool {
        match self.running[which].1.advance(&mut self.table, &mut || true) {
            Progress::Busy => false,
            Progress::Ended(result) => {
                let (op, _) = self.running.remove(which);
                self.ended.push((op, result.expect("nobody is away and nobody conflicts for ever")));
                true
            }
        }
    }

    /// Explores everything from here; `at_end` sees every end.
    fn explore(&self, at_end: &mut dyn FnMut(&World)) {
        if self.running.is_empty() {
            return at_end(self);
        }
        for next in 0..self.running.len() {
            self.others_first(next, 0, at_end);
        }
    }

    /// Lets every operation from `other` on, except `next`, get any distance ahead, but not through a transaction. Then
    /// lets `next` go on to the end of its transaction, or to its own end.
    fn others_first(&self, next: usize, other: usize, at_end: &mut dyn FnMut(&World)) {
        if other == self.running.len() {
            let mut world = self.clone();
            while !world.running[next].1.is_writing() {
                if world.advance(next) {
                    return world.explore(at_end);
                }
            }
            world.advance(next);
            return world.explore(at_end);
        }
        self.others_first(next, other + 1, at_end);
        if other == next {
            return;
        }
        let mut world = self.clone();
        while !world.running[other].1.is_writing() {
            if world.advance(other) {
                // It ended by reading alone: that is `other` ending first, which is explored by itself.
                return;
            }
            world.others_first(next, other + 1, at_end);
        }
    }
}

/// The names in the table that these outcomes lead to.
fn expected(start: &VirtualTable, ended: &[(Arc<TableOp>, Outcome)]) -> BTreeSet<String> {
    let mut members: BTreeSet<String> = start.rows.values().map(|r| r.card.name.clone()).collect();
    for (op, outcome) in ended {
        if let (TableOp::Join { new, .. }, Outcome::Joined { .. }) = (op.as_ref(), outcome) {
            members.insert(new.card.name.clone());
        }
    }
    for (op, outcome) in ended {
        if let Outcome::Removed { removed, .. } = outcome {
            assert!(matches!(op.as_ref(), TableOp::Accuse(_) | TableOp::RemoveAll(_)));
            members.retain(|name| removed.iter().all(|r| r.name != *name));
        }
        if let (TableOp::Leave { id, .. }, Outcome::Left) = (op.as_ref(), outcome) {
            let life = start.rows.get(id);
            // A life that was taken over in the meantime has nothing left to leave.
            let reborn = ended.iter().any(|(op, outcome)| match (op.as_ref(), outcome) {
                (TableOp::TakeOver { row, .. }, Outcome::Joined { .. }) => row.id == *id,
                _ => false,
            });
            if let Some(row) = life.filter(|_| !reborn) {
                members.remove(&row.card.name);
            }
        }
    }
    members
}

/// The servers in the table according to its own history.
fn by_history(start: &VirtualTable, table: &VirtualTable) -> BTreeSet<ServerId> {
    let mut members: BTreeSet<ServerId> = start.rows.keys().copied().collect();
    for event in &table.events[start.events.len()..] {
        let Some(subject) = event.subject else { continue };
        match event.kind() {
            EventKind::Joined => members.insert(subject),
            EventKind::Left | EventKind::Down | EventKind::AgentLost => {
                assert!(members.remove(&subject), "{subject} left twice");
                true
            }
            EventKind::Service => true,
            other => panic!("unexpected event {other:?}"),
        };
    }
    members
}

/// Tries all interleavings of these operations. Returns how many ends there were.
fn try_all(start: &VirtualTable, ops: &[&TableOp]) -> u64 {
    let mut ends = 0;
    World::new(start, ops).explore(&mut |world| {
        ends += 1;
        let names: BTreeSet<String> = whole(&world.table).into_iter().collect();
        let reborn = world
            .ended
            .iter()
            .any(|(op, outcome)| matches!((op.as_ref(), outcome), (TableOp::TakeOver { .. }, Outcome::Joined { .. })));
        let same: BTreeSet<ServerId> = world.table.rows.keys().copied().collect();
        assert_eq!(same, by_history(start, &world.table), "{:#?}", world.ended);
        let expected = expected(start, &world.ended);
        // Two operations leave and take over the same row. The one that came first decides, so either is right.
        let undecided = |name: &String| {
            reborn
                && world.ended.iter().any(
                    |(op, _)| matches!(op.as_ref(), TableOp::Leave { id, .. } if start.rows[id].card.name == *name),
                )
        };
        let decided =
            |names: &BTreeSet<String>| names.iter().filter(|n| !undecided(n)).cloned().collect::<BTreeSet<_>>();
        assert_eq!(decided(&names), decided(&expected), "{:#?}", world.ended);
    });
    ends
}

/// A ring in which the servers at these places are silent, and everything is ready for their removal.
fn ring_with_dead(size: usize, dead: &[usize]) -> (VirtualTable, Vec<TableOp>) {
    let mut table = ring_of(&NAMES[..size]);
    table.events.clear();
    table.pool.rules.alone = Alone::All;
    table.pool.rules.brake_permille = 1000;
    let (Some(&from), Some(&to)) = (dead.first(), dead.last()) else { return (table, Vec::new()) };
    let name = |place: usize| NAMES[place % size];
    let (before, after) = (name(from + size - 1), name(to + 1));
    let run = |table: &VirtualTable| -> Vec<_> { dead.iter().map(|d| silent(table, name(*d), ms(5000))).collect() };
    let ops = if before == after {
        let all = TableOp::RemoveAll(against(&table, before, Side::First, run(&table), None));
        super::kit::run(&mut table, all.clone());
        table.advance(ms(2500));
        // The vote is renewed every half second, as an agent does.
        let own = row(&table, before).id;
        let now = table.now();
        table.rows.get_mut(&own).expect("it is there").alone_at = Some(now);
        vec![all]
    } else {
        let mut back = run(&table);
        back.reverse();
        let first = TableOp::Accuse(against(&table, before, Side::First, run(&table), Some(after)));
        let second = TableOp::Accuse(against(&table, after, Side::Second, back, Some(before)));
        super::kit::run(&mut table, first.clone());
        super::kit::run(&mut table, second.clone());
        table.advance(ms(100));
        vec![first, second]
    };
    (table, ops)
}

fn take_over(table: &VirtualTable, name: &str) -> TableOp {
    TableOp::TakeOver { row: row(table, name).into(), new: new_row(name) }
}

/// Every operation that may happen to this ring.
fn everything(table: &VirtualTable, size: usize) -> Vec<TableOp> {
    let mut ops = Vec::new();
    for name in &NAMES[..size] {
        let own = row(table, name);
        ops.push(join(table, "x", Some(name)));
        ops.push(join(table, "y", Some(name)));
        ops.push(leave(table, name));
        ops.push(take_over(table, name));
        ops.push(TableOp::SetDraining { id: own.id, incarnation: None, draining: true, by: "operator".into() });
        ops.push(TableOp::SetService {
            me: own.id,
            incarnation: own.incarnation,
            health: Health::Passing,
            weight: Some(7),
        });
        ops.push(TableOp::Alone { me: own.id, incarnation: own.incarnation, alone: Some(VoteKind::Host) });
        let everybody: Vec<ServerId> = table.rows.keys().copied().collect();
        ops.push(TableOp::Withdraw { me: own.id, subjects: everybody });
    }
    ops
}

/// Every run that can be dead in a ring of this size: none, one server, two neighbours, and so on, but never all.
fn runs(size: usize) -> Vec<Vec<usize>> {
    let mut runs = vec![Vec::new()];
    for length in 1..size {
        runs.extend((0..size).map(|from| (from..from + length).collect::<Vec<_>>()));
    }
    runs
}

#[test]
fn two_operations_in_every_order_leave_one_ring() {
    let mut ends = 0;
    for size in 1..=NAMES.len() {
        for dead in runs(size) {
            let places: Vec<usize> = dead.iter().map(|d| d % size).collect();
            let (table, removals) = ring_with_dead(size, &places);
            let mut ops = everything(&table, size);
            ops.extend(removals.iter().cloned());
            for (place, one) in ops.iter().enumerate() {
                for other in &ops[place..] {
                    // Without a removal in it, one ring of a size is as good as another.
                    if dead.is_empty() || removals.contains(one) || removals.contains(other) {
                        ends += try_all(&table, &[one, other]);
                    }
                }
            }
        }
    }
    assert!(ends > 5_000, "only {ends} ends: the search is broken");
    println!("{ends} ends");
}

#[test]
fn three_operations_in_every_order_leave_one_ring() {
    let mut ends = 0;
    for size in 1..=3 {
        let dead: Vec<usize> = if size == 3 { vec![1] } else { Vec::new() };
        let (table, removals) = ring_with_dead(size, &dead);
        let mut ops = removals;
        ops.extend([join(&table, "x", Some("a")), join(&table, "y", Some("a"))]);
        ops.extend(NAMES[..size].iter().map(|name| leave(&table, name)));
        ops.push(take_over(&table, NAMES[size - 1]));
        for (i, one) in ops.iter().enumerate() {
            for (j, two) in ops.iter().enumerate().skip(i + 1) {
                for three in &ops[j + 1..] {
                    ends += try_all(&table, &[one, two, three]);
                }
            }
        }
    }
    println!("{ends} ends");
    assert!(ends > 20_000, "only {ends} ends: the search is broken");
}

/// The first two servers of a pool, and a third that joins at the same time.
#[test]
fn of_two_first_servers_one_finds_the_other() {
    let empty = ring_of(&[]);
    let (x, y) = (join(&empty, "x", None), join(&empty, "y", None));
    let mut ends = 0;
    World::new(&empty, &[&x, &y, &x]).explore(&mut |world| {
        ends += 1;
        assert_eq!(whole(&world.table).len(), 1, "{:#?}", world.ended);
        let winner = whole(&world.table).remove(0);
        for (op, outcome) in &world.ended {
            let TableOp::Join { new, .. } = op.as_ref() else { panic!("not a join") };
            let joined = matches!(outcome, Outcome::Joined { .. });
            assert!(!joined || new.card.name == winner, "{:#?}", world.ended);
            let itself = matches!(outcome, Outcome::AddressTaken { name } if *name == new.card.name);
            assert!(!itself, "its own row is not in its way: {:#?}", world.ended);
        }
    });
    assert!(ends > 100, "{ends}");
}
