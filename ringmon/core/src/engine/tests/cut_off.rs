//! R2 with both buddies silent: did they die, or is this server cut off?

use alloc::collections::BTreeSet;

use super::kit::{Bench, ms};
use super::member::notice;
use crate::op::TableOp;
use crate::row::Vote;
use crate::{NoticeBody, ServerId, Side, Time, VoteKind};

/// A member of a ring of 41, and the other servers along the ring, starting with the first buddy.
fn member() -> (Bench, Vec<String>) {
    let bench = Bench::joined(99, 40);
    let me = bench.table.named("s99").expect("its row").id;
    let next = |id: &ServerId| Some(bench.table.rows[id].first_buddy).filter(|next| *next != me);
    let along = core::iter::successors(next(&me), next).map(|id| bench.table.rows[&id].card.name.clone()).collect();
    (bench, along)
}

/// The servers that are silent from now on: `first` on one side and `second` on the other.
fn next_to(along: &[String], first: usize, second: usize) -> BTreeSet<&str> {
    along[..first].iter().chain(&along[along.len() - second..]).map(String::as_str).collect()
}

/// Lets half a second pass. These servers are silent, as they have been since `since`; all others answer. What is asked
/// of the table is carried out, and returned.
fn hush(bench: &mut Bench, since: Time, silent: &BTreeSet<&str>) -> Vec<TableOp> {
    let mut asked = Vec::new();
    for _ in 0..25 {
        bench.pass(ms(20));
        read(bench, since, silent);
        asked.extend(bench.settle());
    }
    asked
}

/// Hands over one reading of every watch.
fn read(bench: &mut Bench, since: Time, silent: &BTreeSet<&str>) {
    let silence = bench.now.since(since);
    for watch in bench.watches.clone() {
        let dead = silent.contains(watch.name.as_str());
        let (silence, misses) = if dead { (silence, silence.as_millis() / 20) } else { (ms(0), 0) };
        bench.read(watch.id, silence, u32::try_from(misses).expect("few"));
    }
}

/// The sides on which the engine asked for more than a vote: without a far end, no server is removed (R3).
fn accused(asked: &[TableOp]) -> BTreeSet<Side> {
    let side = |op: &TableOp| if let TableOp::Accuse(a) = op { a.far_end.map(|_| a.side) } else { None };
    asked.iter().filter_map(side).collect()
}

#[test]
fn somebody_alive_both_ways_and_near_it_is_they_who_died() {
    let (mut bench, along) = member();
    let since = bench.now;
    let asked = hush(&mut bench, since, &next_to(&along, 4, 12));
    assert_eq!(accused(&asked), Side::BOTH.into());
}

#[test]
fn past_more_servers_than_the_first_look_goes_it_is_rather_this_one_that_is_cut_off() {
    for (first, second) in [(4, 13), (13, 4), (1, 16), (16, 1)] {
        let (mut bench, along) = member();
        let since = bench.now;
        let asked = hush(&mut bench, since, &next_to(&along, first, second));
        assert_eq!(accused(&asked), BTreeSet::new(), "{first} and {second}");
        let voted = bench.table.rows.values().any(|row| Side::BOTH.iter().any(|side| row.vote(*side).is_some()));
        assert!(!voted, "{first} and {second}: what it said while it was looking is taken back");
    }
}

/// On one side a server is alive, and about the other side nothing is known yet. It is too early to remove, but not to
/// vote.
#[test]
fn who_is_still_looking_votes_and_removes_nobody() {
    let (mut bench, along) = member();
    let silent = next_to(&along, 1, 1);
    let since = bench.now;
    for _ in 0..25 {
        bench.pass(ms(20));
        read(&mut bench, since, &silent);
        // Only the looks ahead on that side get no answer.
        let (looks, others): (Vec<_>, Vec<_>) =
            bench.asked.drain(..).partition(|(_, op)| matches!(op, TableOp::Ahead { side: Side::Second, .. }));
        assert_eq!(accused(&others.iter().map(|(_, op)| op.clone()).collect::<Vec<_>>()), BTreeSet::new());
        bench.asked = others.into();
        bench.settle();
        bench.asked.extend(looks);
    }
    let voted = |name: &str, side| bench.table.named(name).expect("its row").vote(side).is_some();
    assert!(voted(&along[0], Side::Second) && voted(&along[39], Side::First));
}

/// Both sides of this cut can write to the table. The votes of a server on one side are what protects it (R4).
#[test]
fn who_is_accused_by_the_silent_keeps_its_votes_and_removes_nobody() {
    let (mut bench, along) = member();
    let since = bench.now;
    hush(&mut bench, since, &next_to(&along, 1, 0));
    let buddy = bench.table.named(&along[0]).expect("its row").clone();
    let me = bench.table.named("s99").expect("its row").id;
    let now = bench.table.begin(bench.now).db_now;
    let accuses =
        Vote { voter: buddy.id, voter_incarnation: buddy.incarnation, since: now, at: now, kind: VoteKind::Host };
    bench.table.rows.get_mut(&me).expect("its row").vote_second = Some(accuses);
    bench.feed(notice(NoticeBody::Voted { subject: me }));
    bench.settle();
    let asked = hush(&mut bench, since, &next_to(&along, 1, 16));
    assert_eq!(accused(&asked), BTreeSet::new());
    assert!(bench.table.named(&along[0]).expect("its row").vote(Side::Second).is_some());
}

#[test]
fn with_one_buddy_alive_as_many_are_a_rack_that_died() {
    let (mut bench, along) = member();
    let since = bench.now;
    assert_eq!(accused(&hush(&mut bench, since, &next_to(&along, 17, 0))), [Side::First].into());
}

/// It voted while its other buddy still seemed alive, as it must (R3). The other witness may be about to remove a
/// server because of that vote.
#[test]
fn who_finds_itself_cut_off_takes_its_votes_back() {
    let (mut bench, along) = member();
    let voted = |bench: &Bench| bench.table.named(&along[0]).expect("its row").vote(Side::Second).is_some();
    let since = bench.now;
    hush(&mut bench, since, &next_to(&along, 1, 0));
    assert!(voted(&bench));
    let asked = hush(&mut bench, since, &next_to(&along, 1, 16));
    assert!(asked.iter().any(|op| matches!(op, TableOp::Withdraw { .. })) && !voted(&bench));
}
