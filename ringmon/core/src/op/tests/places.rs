//! Joining, taking over a place, leaving.

use super::kit::{accuse, address, against, id, join, leave, ms, new_row, ring_of, row, silent, whole};
use crate::edit::{Guard, Outcome};
use crate::op::{Place, TableOp};
use crate::row::{Answer, Answering, Mode, Side, VoteKind};
use crate::virtual_table::{Mishap, VirtualTable};
use crate::{EventKind, Incarnation, ServerId, law};

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

/// `x` joins after `at`; the end with this name does not answer it.
fn join_beside(table: &VirtualTable, at: &str, silent: &str) -> TableOp {
    let mut op = join(table, "x", Some(at));
    if let TableOp::Join { place: Some(place), .. } = &mut op {
        place.silent = Some(id(table, silent));
    }
    op
}

#[test]
fn a_server_joins_beside_a_silent_one_only_if_its_neighbour_there_accuses_it() {
    for (voter, suspect, side, at) in [("a", "b", Side::First, "a"), ("c", "b", Side::Second, "b")] {
        let mut table = ring_of(&["a", "b", "c", "d"]);
        let op = join_beside(&table, at, suspect);
        assert_eq!(table.run_plain(&op), Ok(Outcome::Stale), "{voter} says nothing against {suspect}");
        let findings = vec![silent(&table, suspect, ms(200))];
        let far = if side == Side::First { "c" } else { "a" };
        let vote = against(&table, voter, side, findings, Some(far));
        accuse(&mut table, &vote);
        let other = join_beside(&table, if at == "a" { "b" } else { "a" }, suspect);
        assert_eq!(table.run_plain(&other), Ok(Outcome::Stale), "the vote is from the other side");
        table.advance(law::VOTE_LIFETIME);
        assert_eq!(table.run_plain(&op), Ok(Outcome::Stale), "the vote of {voter} is old");
        accuse(&mut table, &vote);
        assert!(matches!(table.run_plain(&op), Ok(Outcome::Joined { .. })), "{voter} accuses {suspect}");
        assert_eq!(whole(&table).len(), 5);
        let slot = row(&table, suspect).vote(side.opposite());
        assert_eq!(slot, None, "{voter} is no longer its neighbour");
    }
}

#[test]
fn a_server_that_answers_in_the_table_gets_no_buddy_that_does_not_hear_it() {
    let mut table = ring_of(&["a", "b", "c", "d"]);
    let vote = against(&table, "a", Side::First, vec![silent(&table, "b", ms(200))], Some("c"));
    accuse(&mut table, &vote);
    let (b, c) = (id(&table, "b"), id(&table, "c"));
    let answer = Answer { at: table.now(), hears: c };
    let life = row(&table, "b").incarnation;
    table.rows.get_mut(&b).unwrap().answering = Some(Answering { life, wait: ms(60), wire: 1, answer: Some(answer) });
    let op = join_beside(&table, "a", "b");
    assert_eq!(table.run_plain(&op), Ok(Outcome::Stale));
    table.advance(law::RENEWED + ms(61));
    assert!(matches!(table.run_plain(&op), Ok(Outcome::Joined { .. })), "the answer is old");
}

#[test]
fn in_a_pool_of_two_the_alone_mark_is_the_accusation() {
    let mut table = ring_of(&["a", "b"]);
    let op = join_beside(&table, "a", "b");
    assert_eq!(table.run_plain(&op), Ok(Outcome::Stale));
    let (me, incarnation) = (id(&table, "a"), row(&table, "a").incarnation);
    table.run_plain(&TableOp::Alone { me, incarnation, alone: Some(VoteKind::Host) }).unwrap();
    assert!(matches!(table.run_plain(&op), Ok(Outcome::Joined { .. })));
}

fn move_after(table: &VirtualTable, name: &str, at: &str) -> TableOp {
    let (own, at) = (row(table, name), row(table, at));
    let place = Place::between(at, &table.rows[&at.first_buddy]);
    TableOp::Move { me: own.id, incarnation: own.incarnation, place, misplaced: ms(2000) }
}

#[test]
fn a_move_is_a_leave_and_a_join_in_one_step_and_in_one_life() {
    let names = ["a", "b", "c", "d", "e"];
    for (size, lost) in [(3, false), (4, false), (5, false), (5, true)] {
        let names = &names[..size];
        // `a` goes after each of those that are not beside its own place.
        for at in &names[1..size - 1] {
            let mut table = ring_of(names);
            let before = row(&table, "a").clone();
            let vote = against(&table, "b", Side::Second, vec![silent(&table, "a", ms(200))], names.last().copied());
            accuse(&mut table, &vote);
            let counter = against(&table, "a", Side::First, vec![silent(&table, "b", ms(200))], Some("c"));
            accuse(&mut table, &counter);
            let op = move_after(&table, "a", at);
            if lost {
                table.inject(Mishap::LostAnswer);
            }
            assert_eq!(table.run_plain(&op), Ok(Outcome::Written), "after {at} of {size}");
            assert_eq!(table.run_plain(&op), Ok(Outcome::Written), "it is there already");
            let mut expected: Vec<&str> = names[1..].to_vec();
            let place = expected.iter().position(|name| name == at).unwrap();
            expected.insert(place + 1, "a");
            let order = whole(&table);
            let turn = order.iter().position(|name| name == "b").unwrap();
            let turned: Vec<&str> = order[turn..].iter().chain(&order[..turn]).map(String::as_str).collect();
            assert_eq!(turned, expected, "after {at} of {size}");
            let after = row(&table, "a");
            assert_eq!((after.id, after.incarnation), (before.id, before.incarnation));
            assert!(table.rows.values().all(|row| row.vote_first.is_none() && row.vote_second.is_none()));
            assert_eq!(table.events.iter().filter(|e| e.kind() == EventKind::Moving).count(), 1);
        }
    }
}

#[test]
fn nobody_moves_to_a_place_that_has_changed_or_is_its_own() {
    let mut table = ring_of(&["a", "b", "c", "d", "e"]);
    let op = move_after(&table, "a", "c");
    assert_eq!(table.run_plain(&move_after(&table, "a", "a")), Ok(Outcome::Stale));
    assert_eq!(table.run_plain(&move_after(&table, "a", "e")), Ok(Outcome::Stale));
    table.run_plain(&join(&table, "x", Some("c"))).unwrap();
    assert_eq!(table.run_plain(&op), Ok(Outcome::Stale), "x is between the two");
    let op = move_after(&table, "a", "d");
    let guard = Guard::from(row(&table, "a"));
    table.run_plain(&TableOp::TakeOver { row: guard, new: new_row("a") }).unwrap();
    assert_eq!(table.run_plain(&op), Ok(Outcome::Stale), "another life of it lives elsewhere");
    let mut two = ring_of(&["a", "b"]);
    assert_eq!(two.run_plain(&move_after(&two, "a", "b")), Ok(Outcome::Stale));
    assert_eq!(whole(&table), ["a", "b", "c", "x", "d", "e"]);
}

#[test]
fn from_another_address_only_the_row_of_a_pool_of_one_is_taken_over_and_only_where_servers_may_be_removed() {
    let take = |table: &mut VirtualTable| {
        let mut new = new_row("a");
        new.card.address = address("elsewhere");
        let op = TableOp::TakeOver { row: row(table, "a").into(), new };
        table.run_plain(&op).unwrap()
    };
    for names in [&["a", "b"][..], &["a", "b", "c"]] {
        assert_eq!(take(&mut ring_of(names)), Outcome::Stale, "others are there who may remove it");
    }
    let mut frozen = ring_of(&["a"]);
    frozen.pool.frozen = Some("by hand".into());
    let mut observed = ring_of(&["a"]);
    observed.pool.rules.mode = Mode::Observe;
    assert_eq!([take(&mut frozen), take(&mut observed)], [Outcome::Stale, Outcome::Stale]);
    assert!(matches!(take(&mut ring_of(&["a"])), Outcome::Joined { kept_place: true, .. }));
}
