//! Joining, taking over a place, leaving.

use super::kit::{address, id, join, leave, new_row, ring_of, row, whole};
use crate::edit::{Guard, Outcome};
use crate::op::TableOp;
use crate::row::Side;
use crate::virtual_table::Mishap;
use crate::{EventKind, Incarnation, ServerId};

#[test]
fn joins_go_in_after_the_server_that_was_chosen() {
    assert_eq!(whole(&ring_of(&["a"])), ["a"]);
    assert_eq!(whole(&ring_of(&["a", "b"])), ["a", "b"]);
    let mut table = ring_of(&["a", "b", "c"]);
    assert_eq!(whole(&table), ["a", "b", "c"]);
    table.run_plain(&join(&table, "x", Some("a"))).unwrap();
    assert_eq!(whole(&table), ["a", "x", "b", "c"]);
    assert_eq!(table.events.iter().filter(|e| e.kind() == EventKind::Joined).count(), 4);
}

#[test]
fn leaving_makes_the_buddies_each_others() {
    for size in 1..=4 {
        let names = &["a", "b", "c", "d"][..size];
        for gone in names {
            let mut table = ring_of(names);
            assert_eq!(table.run_plain(&leave(&table, gone)), Ok(Outcome::Left));
            let left: Vec<&str> = names.iter().copied().filter(|n| n != gone).collect();
            assert_eq!(whole(&table), left);
            let event = table.events.last().unwrap();
            assert_eq!((event.kind(), event.by.as_str()), (EventKind::Left, *gone));
        }
    }
}

#[test]
fn leaving_twice_is_leaving_once() {
    let mut table = ring_of(&["a", "b", "c"]);
    let op = leave(&table, "b");
    table.inject(Mishap::LostAnswer);
    assert_eq!(table.run_plain(&op), Ok(Outcome::Left));
    assert_eq!(table.run_plain(&op), Ok(Outcome::Left));
    assert_eq!(whole(&table), ["a", "c"]);
    assert_eq!(table.events.iter().filter(|e| e.kind() == EventKind::Left).count(), 1);
}

#[test]
fn an_older_life_cannot_leave_for_a_newer_one() {
    let mut table = ring_of(&["a", "b"]);
    let op = leave(&table, "a");
    let guard = Guard::from(row(&table, "a"));
    table.run_plain(&TableOp::TakeOver { row: guard, new: new_row("a") }).unwrap();
    assert_eq!(table.run_plain(&op), Ok(Outcome::Left));
    assert_eq!(whole(&table), ["a", "b"]);
}

#[test]
fn a_join_whose_answer_was_lost_has_joined() {
    let mut table = ring_of(&["a", "b"]);
    let op = join(&table, "x", Some("b"));
    table.inject(Mishap::LostAnswer);
    let outcome = table.run_plain(&op);
    assert_eq!(
        outcome,
        Ok(Outcome::Joined { id: id(&table, "x"), incarnation: row(&table, "x").incarnation, kept_place: false })
    );
    assert_eq!(whole(&table), ["a", "b", "x"]);
}

#[test]
fn a_taken_name_or_address_is_said() {
    let mut table = ring_of(&["a", "b"]);
    let mut other = join(&table, "a", Some("b"));
    if let TableOp::Join { new, .. } = &mut other {
        new.card.boot = crate::BootToken("another installation".into());
    }
    assert_eq!(table.run_plain(&other), Ok(Outcome::NameTaken { address: address("a") }));
    let mut other = join(&table, "x", Some("b"));
    if let TableOp::Join { new, .. } = &mut other {
        new.card.address = address("b");
    }
    assert_eq!(table.run_plain(&other), Ok(Outcome::AddressTaken { name: "b".into() }));
}

#[test]
fn a_taken_pick_gives_way_to_the_next() {
    let mut table = ring_of(&["a", "b"]);
    let mut op = join(&table, "x", Some("a"));
    if let TableOp::Join { new, .. } = &mut op {
        new.pick = row(&table, "b").pick;
    }
    table.run_plain(&op).unwrap();
    assert_eq!(row(&table, "x").pick, row(&table, "b").pick + 1);
}

#[test]
fn a_join_needs_the_links_that_were_proved_and_not_the_version() {
    let mut table = ring_of(&["a", "b"]);
    let early = join(&table, "x", Some("a"));
    let late = join(&table, "z", Some("b"));
    let (a, b) = (id(&table, "a"), id(&table, "b"));
    for id in [a, b] {
        table.rows.get_mut(&id).unwrap().version += 1;
    }
    table.run_plain(&early).unwrap();
    assert_eq!(whole(&table), ["a", "x", "b"]);
    assert_eq!(table.run_plain(&join_at(&early, "y")), Ok(Outcome::Stale), "a is no longer before b");
    assert!(matches!(table.run_plain(&late), Ok(Outcome::Joined { .. })), "b is still before a");
    assert_eq!(whole(&table), ["a", "x", "b", "z"]);
}

#[test]
fn a_join_needs_the_lives_that_were_proved() {
    for reborn in ["a", "b"] {
        let mut table = ring_of(&["a", "b", "c"]);
        let early = join(&table, "x", Some("a"));
        let guard = Guard::from(row(&table, reborn));
        table.run_plain(&TableOp::TakeOver { row: guard, new: new_row(reborn) }).unwrap();
        assert_eq!(table.run_plain(&early), Ok(Outcome::Stale), "{reborn} was another when it answered");
    }
}

#[test]
fn nobody_leaves_through_a_broken_link() {
    for (broken, side) in [("a", Side::First), ("c", Side::Second), ("b", Side::First), ("b", Side::Second)] {
        let mut table = ring_of(&["a", "b", "c", "d"]);
        let (id, d) = (id(&table, broken), id(&table, "d"));
        let row = table.rows.get_mut(&id).unwrap();
        match side {
            Side::First => row.first_buddy = d,
            Side::Second => row.second_buddy = d,
        }
        assert_eq!(table.run_plain(&leave(&table, "b")), Ok(Outcome::Stale), "{side:?} of {broken}");
        assert_eq!(table.rows.len(), 4);
    }
}

fn join_at(other: &TableOp, name: &str) -> TableOp {
    let TableOp::Join { place, .. } = other else { panic!("not a join") };
    TableOp::Join { new: new_row(name), place: *place }
}

#[test]
fn the_first_server_of_a_pool_finds_it_empty() {
    let mut table = ring_of(&["a"]);
    assert_eq!(table.run_plain(&join(&table, "x", None)), Ok(Outcome::Stale));
    assert_eq!(whole(&table), ["a"]);
}

#[test]
fn taking_over_keeps_the_place_and_begins_a_life() {
    let mut table = ring_of(&["a", "b", "c"]);
    let before = row(&table, "b").clone();
    let op = TableOp::TakeOver { row: (&before).into(), new: new_row("b") };
    table.inject(Mishap::LostAnswer);
    let after = Incarnation(before.incarnation.0 + 1);
    assert_eq!(
        table.run_plain(&op),
        Ok(Outcome::Joined { id: before.id, incarnation: after, kept_place: true }),
        "the clock stands still, and yet the life is a new one"
    );
    assert_eq!(whole(&table), ["a", "b", "c"]);
    assert_eq!(row(&table, "b").version, before.version + 1);
}

#[test]
fn taking_over_a_row_that_another_installation_took_is_stale() {
    let mut table = ring_of(&["a", "b"]);
    let guard = Guard::from(row(&table, "b"));
    let mut other = new_row("b");
    other.card.boot = crate::BootToken("another installation".into());
    table.run_plain(&TableOp::TakeOver { row: guard, new: other }).unwrap();
    assert_eq!(table.run_plain(&TableOp::TakeOver { row: guard, new: new_row("b") }), Ok(Outcome::Stale));
    let gone = Guard { id: ServerId(99), ..guard };
    assert_eq!(table.run_plain(&TableOp::TakeOver { row: gone, new: new_row("b") }), Ok(Outcome::Stale));
}
