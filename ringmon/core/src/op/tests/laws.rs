//! Any history of the table, against a plain list of names.

use proptest::prelude::*;

use super::kit::{against, join, leave, ms, new_row, pulseless, removed, ring_of, row, silent, whole};
use crate::edit::{Held, Outcome};
use crate::op::TableOp;
use crate::row::{Alone, Side, VoteKind};
use crate::virtual_table::{Mishap, VirtualTable};

#[derive(Clone, Debug)]
enum Act {
    Join {
        after: usize,
    },
    Leave {
        who: usize,
    },
    TakeOver {
        who: usize,
    },
    /// A run dies, and its two neighbours remove it: which of them comes first, and of which kind the deaths are.
    Die {
        from: usize,
        length: usize,
        second_first: bool,
        agents: bool,
    },
    /// One server hears no other server, and is right: all others are dead.
    Alone {
        who: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let place = 0_usize..16;
    prop_oneof![
        6 => place.clone().prop_map(|after| Act::Join { after }),
        2 => place.clone().prop_map(|who| Act::Leave { who }),
        2 => place.clone().prop_map(|who| Act::TakeOver { who }),
        4 => (place.clone(), 1_usize..6, any::<bool>(), any::<bool>())
            .prop_map(|(from, length, second_first, agents)| Act::Die { from, length, second_first, agents }),
        1 => place.prop_map(|who| Act::Alone { who }),
    ]
}

fn mishap() -> impl Strategy<Value = Option<Mishap>> {
    prop_oneof![
        5 => Just(None),
        1 => Just(Some(Mishap::Conflict)),
        1 => Just(Some(Mishap::LostAnswer)),
        1 => Just(Some(Mishap::Delay(ms(400)))),
        1 => Just(Some(Mishap::Delay(ms(6000)))),
    ]
}

/// The list, starting at the server with the table's lowest id.
fn rotated(list: &[String], table: &VirtualTable) -> Vec<String> {
    let Some(start) = table.rows.values().next() else { return Vec::new() };
    let at = list.iter().position(|name| *name == start.card.name).expect("the list has everybody");
    [&list[at..], &list[..at]].concat()
}

/// Does the act in both worlds.
fn perform(act: &Act, table: &mut VirtualTable, list: &mut Vec<String>, fresh: &str) {
    let size = list.len();
    match *act {
        Act::Join { after } => {
            let after = (size > 0).then(|| list[after % size].clone());
            let op = join(table, fresh, after.as_deref());
            assert!(matches!(table.run_plain(&op), Ok(Outcome::Joined { kept_place: false, .. })));
            let place = after.and_then(|name| list.iter().position(|n| *n == name)).map_or(0, |p| p + 1);
            list.insert(place, fresh.to_owned());
        }
        Act::Leave { who } if size > 0 => {
            let name = list.remove(who % size);
            assert_eq!(table.run_plain(&leave(table, &name)), Ok(Outcome::Left));
        }
        Act::TakeOver { who } if size > 0 => {
            let name = &list[who % size];
            let op = TableOp::TakeOver { row: row(table, name).into(), new: new_row(name) };
            assert!(matches!(table.run_plain(&op), Ok(Outcome::Joined { kept_place: true, .. })));
        }
        Act::Die { from, length, second_first, agents } if size >= 3 => {
            let length = length.min(size - 2);
            let name = |place: usize| list[(from + place) % size].clone();
            let dead: Vec<String> = (1..=length).map(name).collect();
            remove_run(table, &name(0), &dead, &name(length + 1), second_first, agents);
            list.retain(|n| !dead.contains(n));
        }
        Act::Alone { who } if size >= 2 => {
            let me = list[who % size].clone();
            let others = list.iter().filter(|n| **n != me).map(|n| silent(table, n, ms(5000))).collect();
            let op = TableOp::RemoveAll(against(table, &me, Side::First, others, None));
            let marked = super::kit::run(table, op.clone());
            assert!(matches!(marked, Outcome::AloneMarked | Outcome::Held(Held::TooYoung)), "{marked:?}");
            for _ in 0..5 {
                table.advance(ms(500));
                let own = row(table, &me);
                let mark = TableOp::Alone { me: own.id, incarnation: own.incarnation, alone: Some(VoteKind::Host) };
                assert_eq!(super::kit::run(table, mark), Outcome::AloneMarked);
            }
            assert_eq!(removed(&super::kit::run(table, op)).len(), size - 1);
            *list = vec![me];
        }
        Act::Leave { .. } | Act::TakeOver { .. } | Act::Die { .. } | Act::Alone { .. } => {}
    }
}

fn remove_run(table: &mut VirtualTable, a: &str, dead: &[String], b: &str, second_first: bool, agents: bool) {
    let find = |name: &String| if agents { pulseless(table, name, ms(5000)) } else { silent(table, name, ms(5000)) };
    let forth: Vec<_> = dead.iter().map(find).collect();
    let back: Vec<_> = dead.iter().rev().map(find).collect();
    let one = TableOp::Accuse(against(table, a, Side::First, forth, Some(b)));
    let other = TableOp::Accuse(against(table, b, Side::Second, back, Some(a)));
    let (first, second) = if second_first { (other, one) } else { (one, other) };
    // Held: the votes are there already, because the answer to the first COMMIT was lost.
    let voted = super::kit::run(table, first.clone());
    assert!(matches!(voted, Outcome::Voted { .. } | Outcome::Held(Held::NoSecondVote)), "{voted:?}");
    table.advance(ms(if agents { 3000 } else { 60 }));
    let mut outcome = super::kit::run(table, second.clone());
    for _ in 0..6 {
        if let Outcome::Voted { .. } | Outcome::Held(Held::TooYoung) = outcome {
            // The first vote is old by then, so the second voter's own vote has to stand for H; more than once, if it
            // was delayed.
            table.advance(ms(60));
            outcome = super::kit::run(table, second.clone());
        }
    }
    assert_eq!(removed(&outcome).len(), dead.len());
    assert_eq!(super::kit::run(table, first), Outcome::Stale, "the other one comes too late");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any acts in any order with any mishaps leave one ring, and on it the servers of the list in the list's order.
    #[test]
    fn any_history_keeps_one_ring(history in prop::collection::vec((act(), mishap()), 1..40)) {
        let mut table = ring_of(&[]);
        table.pool.rules.alone = Alone::All;
        table.pool.rules.brake_permille = 1000;
        let mut list: Vec<String> = Vec::new();
        let mut last_id = 0;
        for (number, (act, mishap)) in history.iter().enumerate() {
            if let Some(mishap) = mishap {
                table.inject(*mishap);
            }
            perform(act, &mut table, &mut list, &format!("s{number}"));
            table.calm();
            prop_assert_eq!(whole(&table), rotated(&list, &table));
            let newest = table.rows.keys().last().map_or(last_id, |id| id.0.max(last_id));
            prop_assert!(newest >= last_id, "ids are never used again");
            last_id = newest;
            table.advance(ms(10));
        }
    }
}
