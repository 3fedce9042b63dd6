//! The algebra against a plain list, and what is reported of damaged rings.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::card::{Card, Clients};
use crate::row::{Health, Vote, VoteKind};
use crate::{BootToken, DbTime, Incarnation};

fn row(id: i64, first: i64, second: i64) -> ServerRow {
    ServerRow {
        id: ServerId(id),
        card: Card {
            name: format!("s{id}"),
            address: crate::row::Address::V4((0x0a00_0000 + u32::try_from(id).unwrap()).into()),
            notice_port: 7464,
            clients: Clients { address: None, port: None, weight: 1 },
            boot: BootToken("b".into()),
        },
        first_buddy: ServerId(first),
        second_buddy: ServerId(second),
        incarnation: Incarnation(1),
        pick: id,
        draining: false,
        health: Health::Unknown,
        vote_first: None,
        vote_second: None,
        alone_since: None,
        alone_at: None,
        alone_kind: None,
        answering: None,
        version: 1,
    }
}

/// The rows of a ring that passes through these ids in this order.
fn ring_of(ids: &[i64]) -> BTreeMap<ServerId, ServerRow> {
    let at = |place: usize| ids[place % ids.len()];
    (0..ids.len())
        .map(|place| row(at(place), at(place + 1), at(place + ids.len() - 1)))
        .map(|row| (row.id, row))
        .collect()
}

fn apply(rows: &mut BTreeMap<ServerId, ServerRow>, edit: &Edit) {
    for (id, links) in edit {
        let row = rows.get_mut(id).unwrap();
        row.first_buddy = links.first.unwrap_or(row.first_buddy);
        row.second_buddy = links.second.unwrap_or(row.second_buddy);
    }
}

fn said(rows: &BTreeMap<ServerId, ServerRow>) -> Vec<String> {
    check(rows.values()).iter().map(ToString::to_string).collect()
}

#[test]
fn whole_rings_of_every_size_have_no_damage() {
    assert!(check([]).is_empty());
    for size in 1..=6 {
        let ids: Vec<i64> = (1..=size).rev().collect();
        assert_eq!(said(&ring_of(&ids)), Vec::<String>::new());
    }
}

#[test]
fn a_link_to_nobody_is_named() {
    let mut rows = ring_of(&[1, 2, 3]);
    rows.remove(&ServerId(2));
    assert_eq!(
        said(&rows),
        [
            "the first buddy of s1 (#1) is #2, which is not in the table",
            "the second buddy of s3 (#3) is #2, which is not in the table"
        ]
    );
}

#[test]
fn a_half_link_is_named_with_what_is_there_instead() {
    let mut rows = ring_of(&[1, 2, 3, 4]);
    rows.get_mut(&ServerId(1)).unwrap().first_buddy = ServerId(3);
    assert_eq!(
        said(&rows),
        [
            "the first buddy of s1 (#1) is s3 (#3), whose second buddy is #2",
            "the second buddy of s2 (#2) is s1 (#1), whose first buddy is #3"
        ]
    );
}

#[test]
fn a_row_that_nobody_links_to_is_an_orphan_and_told_once() {
    let mut rows = ring_of(&[1, 2, 3]);
    rows.insert(ServerId(9), row(9, 1, 3));
    assert_eq!(said(&rows), ["s9 (#9) is nobody's buddy"]);
    rows.insert(ServerId(9), row(9, 9, 9));
    assert_eq!(said(&rows), ["s9 (#9) is nobody's buddy"]);
    rows.insert(ServerId(9), row(9, 1, 8));
    assert_eq!(
        said(&rows),
        ["s9 (#9) is nobody's buddy", "the second buddy of s9 (#9) is #8, which is not in the table"]
    );
}

#[test]
fn a_self_link_in_a_larger_ring_is_a_half_link() {
    let mut rows = ring_of(&[1, 2]);
    rows.get_mut(&ServerId(1)).unwrap().first_buddy = ServerId(1);
    assert_eq!(
        said(&rows),
        [
            "the first buddy of s1 (#1) is s1 (#1), whose second buddy is #2",
            "the second buddy of s2 (#2) is s1 (#1), whose first buddy is #1"
        ]
    );
}

#[test]
fn two_rings_are_told_apart() {
    let mut rows = ring_of(&[1, 3]);
    rows.extend(ring_of(&[2, 5, 4]));
    assert_eq!(said(&rows), ["2 rings instead of one: [s1 (#1) -> s3 (#3)] [s2 (#2) -> s5 (#5) -> s4 (#4)]"]);
}

#[test]
fn doubles_are_named() {
    let mut rows = ring_of(&[1, 2, 3]);
    rows.get_mut(&ServerId(2)).unwrap().card.name = "s1".into();
    let address = rows[&ServerId(1)].card.address;
    rows.get_mut(&ServerId(3)).unwrap().card.address = address;
    rows.get_mut(&ServerId(3)).unwrap().pick = 2;
    assert_eq!(
        said(&rows),
        [
            "rows #1, #2 are all named s1",
            "s1 (#1), s3 (#3) all have the address 10.0.0.1",
            "s1 (#2), s3 (#3) all have the pick 2"
        ]
    );
}

#[test]
fn votes_that_do_not_count_are_remarks_and_no_damage() {
    let now = DbTime::from_us(100_000_000);
    let vote = |voter, incarnation, at| {
        Some(Vote {
            voter: ServerId(voter),
            voter_incarnation: Incarnation(incarnation),
            since: DbTime::from_us(at),
            at: DbTime::from_us(at),
            kind: VoteKind::Host,
        })
    };
    let mut rows = ring_of(&[1, 2, 3]);
    rows.get_mut(&ServerId(1)).unwrap().vote_first = vote(7, 1, 99_000_000);
    rows.get_mut(&ServerId(1)).unwrap().vote_second = vote(3, 2, 99_000_000);
    rows.get_mut(&ServerId(2)).unwrap().vote_first = vote(3, 1, 69_000_000);
    rows.get_mut(&ServerId(2)).unwrap().vote_second = vote(1, 1, 101_000_000);
    rows.get_mut(&ServerId(3)).unwrap().vote_first = vote(1, 1, 99_000_000);
    rows.get_mut(&ServerId(3)).unwrap().alone_since = Some(now);
    assert!(check(rows.values()).is_empty());
    let said: Vec<String> =
        remarks(rows.values(), now, Duration::from_secs(30)).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the vote of #7 on the first side of s1 (#1) does not count: its voter is not in the table",
            "the vote of #3 on the second side of s1 (#1) does not count: its voter has begun another life",
            "the vote of #3 on the first side of s2 (#2) does not count: it was not renewed",
            "the vote of #1 on the second side of s2 (#2) does not count: it is stamped later than now",
            "s3 (#3) says that it hears nobody"
        ]
    );
}

/// Damage to any two links of a ring of up to six is seen: no second way exists to link the same rows into one ring
/// with so few changes.
#[test]
fn every_single_wrong_link_is_seen() {
    for size in 2..=6_i64 {
        let ids: Vec<i64> = (1..=size).collect();
        for id in 1..=size {
            for side in Side::BOTH {
                for wrong in 0..=size + 1 {
                    let mut rows = ring_of(&ids);
                    let row = rows.get_mut(&ServerId(id)).unwrap();
                    if row.buddy(side) == ServerId(wrong) {
                        continue;
                    }
                    match side {
                        Side::First => row.first_buddy = ServerId(wrong),
                        Side::Second => row.second_buddy = ServerId(wrong),
                    }
                    assert!(!check(rows.values()).is_empty(), "size {size}: {side:?} of {id} is {wrong}");
                }
            }
        }
    }
}

proptest! {
    /// Splicing any set of servers out of any chain of any ring, in either direction, is the same as removing them from
    /// a list.
    #[test]
    fn splicing_out_is_removing_from_a_list(
        size in 1_usize..12, start in 0_usize..12, length in 0_usize..12,
        mask in any::<u16>(), backwards in any::<bool>(),
    ) {
        let ids: Vec<i64> = (1..=i64::try_from(size).unwrap()).collect();
        let side = if backwards { Side::Second } else { Side::First };
        let mut rows = ring_of(&ids);
        // The chain: a survivor, then `length` servers of which some go, then a survivor, which may be the first one
        // again.
        let length = length.min(size - 1);
        let step = |place: usize| if backwards { (start + 2 * size - place) % size } else { (start + place) % size };
        let chain: Vec<ServerId> = (0..=length + 1).map(|n| ServerId(ids[step(n)])).collect();
        let gone: BTreeSet<ServerId> =
            (1..=length).filter(|n| mask & (1 << n) != 0).map(|n| ServerId(ids[step(n)])).collect();
        let edit = splice_out(&chain, side, &gone);
        prop_assert!(gone.iter().all(|id| !edit.contains_key(id)), "who goes is not written");
        prop_assert!(edit.len() <= 2 * gone.len(), "only the ends are written");
        apply(&mut rows, &edit);
        rows.retain(|id, _| !gone.contains(id));
        prop_assert_eq!(said(&rows), Vec::<String>::new());
        let left: Vec<ServerId> = ids.iter().map(|id| ServerId(*id)).filter(|id| !gone.contains(id)).collect();
        prop_assert_eq!(order(&rows, left[0]), left);
    }

    /// Splicing in at any place is the same as inserting into a list.
    #[test]
    fn splicing_in_is_inserting_into_a_list(size in 1_usize..12, place in 0_usize..12) {
        let mut ids: Vec<i64> = (1..=i64::try_from(size).unwrap()).collect();
        let place = place % size;
        let mut rows = ring_of(&ids);
        let (at, next) = (ServerId(ids[place]), ServerId(ids[(place + 1) % size]));
        rows.insert(ServerId(99), row(99, 0, 0));
        apply(&mut rows, &splice_in(ServerId(99), at, next));
        prop_assert_eq!(said(&rows), Vec::<String>::new());
        ids.insert(place + 1, 99);
        let expected: Vec<ServerId> = ids.into_iter().map(ServerId).collect();
        prop_assert_eq!(order(&rows, expected[0]), expected);
    }
}

/// Rows whose links point anywhere, as bad SQL could write them.
fn damaged() -> impl Strategy<Value = BTreeMap<ServerId, ServerRow>> {
    (1_i64..12).prop_flat_map(|size| {
        proptest::collection::vec((0..=size, 0..=size), usize::try_from(size).unwrap()).prop_map(|links| {
            (1..).zip(links).map(|(id, (first, second))| (ServerId(id), row(id, first, second))).collect()
        })
    })
}

/// The pairs of servers that link to each other both ways.
fn pairs(rows: &BTreeMap<ServerId, ServerRow>) -> BTreeSet<(ServerId, ServerId)> {
    let is_pair = |row: &&ServerRow| rows.get(&row.first_buddy).is_some_and(|next| next.second_buddy == row.id);
    rows.values().filter(is_pair).map(|row| (row.id, row.first_buddy)).collect()
}

proptest! {
    #[test]
    fn whatever_the_links_are_mending_makes_one_ring_of_all_rows(rows in damaged()) {
        let mut mended = rows.clone();
        apply(&mut mended, &mend(&rows));
        prop_assert_eq!(said(&mended), Vec::<String>::new());
        prop_assert_eq!(mended.len(), rows.len());
        prop_assert!(mend(&mended).is_empty(), "once is enough");
    }

    /// At most one link of each closed ring is given up.
    #[test]
    fn neighbours_stay_neighbours(rows in damaged()) {
        let mut mended = rows.clone();
        apply(&mut mended, &mend(&rows));
        let (before, after) = (pairs(&rows), pairs(&mended));
        let next: BTreeMap<ServerId, ServerId> = before.iter().copied().collect();
        let closed = |id: &ServerId| {
            let mut at = next.get(id);
            for _ in 0..rows.len() {
                at = at.filter(|at| *at != id).and_then(|at| next.get(at)).or(at);
            }
            at == Some(id)
        };
        let in_closed = rows.keys().filter(|id| closed(id)).count();
        let lost = before.difference(&after).count();
        prop_assert!(lost == 0 || in_closed > 0, "{lost} pairs were parted, and no ring was closed");
        prop_assert!(lost <= in_closed);
    }
}

#[test]
fn what_is_left_of_a_link_says_where_a_piece_belongs() {
    let mut rows = ring_of(&[1, 4, 2, 5, 3]);
    rows.get_mut(&ServerId(4)).unwrap().second_buddy = ServerId(99);
    rows.get_mut(&ServerId(5)).unwrap().first_buddy = ServerId(99);
    let edit = mend(&rows);
    apply(&mut rows, &edit);
    assert_eq!(order(&rows, ServerId(1)), [1, 4, 2, 5, 3].map(ServerId));
    assert_eq!(edit.keys().copied().collect::<Vec<_>>(), [4, 5].map(ServerId), "and nobody else is written");
}

#[test]
fn two_rings_become_one() {
    let mut rows = ring_of(&[1, 2, 3]);
    rows.extend(ring_of(&[4, 5]));
    let edit = mend(&rows);
    apply(&mut rows, &edit);
    assert_eq!(order(&rows, ServerId(1)), [1, 2, 3, 4, 5].map(ServerId));
}
