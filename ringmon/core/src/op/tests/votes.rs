//! Votes: which ones are written, which ones count, and how two ends judge each other's votes.

use super::kit::{accuse, against, id, ms, pulseless, removed, ring_of, row, run, silent, voted, whole};
use crate::edit::{Held, Outcome};
use crate::op::TableOp;
use crate::row::{Side, Vote, VoteKind};
use crate::virtual_table::VirtualTable;
use crate::{Incarnation, ServerId};

fn vote_of<'a>(table: &'a VirtualTable, suspect: &str, side: Side) -> Option<&'a Vote> {
    row(table, suspect).vote(side)
}

fn edit(table: &mut VirtualTable, name: &str, how: impl FnOnce(&mut crate::ServerRow)) {
    let id = id(table, name);
    how(table.rows.get_mut(&id).unwrap());
}

#[test]
fn a_vote_is_renewed_when_it_is_due_and_goes_on() {
    let mut table = ring_of(&["a", "x", "b"]);
    let a = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    let began = table.now();
    accuse(&mut table, &a);
    table.advance(ms(399));
    let version = row(&table, "x").version;
    assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::NoSecondVote));
    assert_eq!(row(&table, "x").version, version, "nothing was written");
    table.advance(ms(2));
    assert!(matches!(accuse(&mut table, &a), Outcome::Voted { .. }));
    let vote = vote_of(&table, "x", Side::Second).unwrap();
    assert_eq!((vote.since, vote.at), (began, table.now()));
}

#[test]
fn a_vote_for_another_silence_kind_or_life_is_cast_anew() {
    let fresh = || {
        let mut table = ring_of(&["a", "x", "b"]);
        let a = against(&table, "a", Side::First, vec![silent(&table, "x", ms(1000))], Some("b"));
        accuse(&mut table, &a);
        table.advance(ms(300));
        (table, a)
    };
    let recast = |mut table: VirtualTable, a| {
        assert!(matches!(accuse(&mut table, &a), Outcome::Voted { .. }));
        let vote = vote_of(&table, "x", Side::Second).unwrap();
        assert_eq!(
            (vote.since, vote.voter_incarnation, vote.kind),
            (table.now(), a.incarnation, a.findings[0].silence.kind)
        );
    };
    let (table, mut a) = fresh();
    a.findings = vec![silent(&table, "x", ms(299))];
    recast(table, a);
    let (table, mut a) = fresh();
    a.findings = vec![pulseless(&table, "x", ms(1300))];
    recast(table, a);
    let (mut table, mut a) = fresh();
    edit(&mut table, "a", |r| r.incarnation = Incarnation(r.incarnation.0 + 1));
    a.incarnation = row(&table, "a").incarnation;
    recast(table, a);
    let (mut table, a) = fresh();
    table.advance(ms(1300));
    recast(table, a);
}

/// The vote of `a` is made unusable in every possible way; `b` asks for the removal.
#[test]
fn a_vote_that_does_not_count_is_no_second_vote() {
    type Spoil = (&'static str, fn(&mut VirtualTable));
    let spoils: [Spoil; 7] = [
        ("expired", |t| {
            t.advance(ms(29_951));
        }),
        ("stamped later than now", |t| {
            let later = t.now() + ms(1);
            edit(t, "x", |r| r.vote_second.as_mut().unwrap().at = later);
        }),
        ("begun later than now", |t| {
            let later = t.now() + ms(1);
            edit(t, "x", |r| r.vote_second.as_mut().unwrap().since = later);
        }),
        ("of a dead life", |t| edit(t, "a", |r| r.incarnation = Incarnation(r.incarnation.0 + 1))),
        ("of nobody", |t| edit(t, "x", |r| r.vote_second.as_mut().unwrap().voter = ServerId(99))),
        ("of b itself", |t| {
            let b = row(t, "b").clone();
            edit(t, "x", |r| {
                let vote = r.vote_second.as_mut().unwrap();
                (vote.voter, vote.voter_incarnation) = (b.id, b.incarnation);
            });
        }),
        ("of a server that stands elsewhere", |t| {
            let c = row(t, "c").clone();
            edit(t, "x", |r| {
                let vote = r.vote_second.as_mut().unwrap();
                (vote.voter, vote.voter_incarnation) = (c.id, c.incarnation);
            });
        }),
    ];
    for (what, spoil) in spoils {
        let mut table = ring_of(&["a", "x", "b", "c"]);
        let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
        accuse(&mut table, &first);
        table.advance(ms(50));
        spoil(&mut table);
        let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(60_000))], Some("a"));
        accuse(&mut table, &second);
        table.advance(ms(61));
        let outcome = accuse(&mut table, &second);
        // A stamp a millisecond in the future is in the past by then. Nothing else may change.
        if what.contains("later") {
            assert_eq!(removed(&outcome), ["x"], "{what}");
        } else {
            assert_eq!(outcome, Outcome::Held(Held::NoSecondVote), "{what}");
            assert_eq!(whole(&table).len(), 4);
        }
    }
}

#[test]
fn a_vote_from_the_future_counts_only_once_its_time_has_come() {
    let mut table = ring_of(&["a", "x", "b"]);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    table.advance(ms(5000));
    accuse(&mut table, &first);
    table.set_now(super::kit::NOON + ms(200));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(10_000))], Some("a"));
    accuse(&mut table, &second);
    table.advance(ms(100));
    assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::NoSecondVote));
}

#[test]
fn what_is_said_of_a_vote_begun_later_than_now_is_that_there_is_none() {
    let mut table = ring_of(&["a", "x", "b"]);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(100))], Some("a"));
    accuse(&mut table, &first);
    accuse(&mut table, &second);
    let later = table.now() + ms(1);
    edit(&mut table, "x", |r| r.vote_second.as_mut().unwrap().since = later);
    assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::NoSecondVote));
}

/// `a` had voted from the other side too, in a smaller ring.
#[test]
fn the_own_vote_in_the_other_slot_is_no_second_witness() {
    let mut table = ring_of(&["a", "x", "b"]);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    accuse(&mut table, &first);
    let own = vote_of(&table, "x", Side::Second).cloned();
    edit(&mut table, "x", |r| r.vote_first.clone_from(&own));
    edit(&mut table, "b", |r| r.vote_first = own.map(|v| Vote { kind: VoteKind::Agent, ..v }));
    table.advance(ms(100));
    assert_eq!(accuse(&mut table, &first), Outcome::Held(Held::NoSecondVote));
}

#[test]
fn overlapping_runs_lose_what_both_ends_agree_on() {
    // a hears neither x nor y; b hears x but not y.
    let mut table = ring_of(&["a", "x", "y", "b", "c"]);
    let both = vec![silent(&table, "x", ms(100)), silent(&table, "y", ms(100))];
    let first = against(&table, "a", Side::First, both, Some("b"));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "y", ms(100))], Some("x"));
    accuse(&mut table, &first);
    accuse(&mut table, &second);
    table.advance(ms(60));
    assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::NoSecondVote), "a does not reach y without x");
    // For a, b is the far end, and b accuses y.
    assert_eq!(removed(&accuse(&mut table, &first)), ["y"]);
    assert_eq!(whole(&table), ["a", "x", "b", "c"]);
    assert!(vote_of(&table, "x", Side::Second).is_some(), "a goes on accusing x");
}

#[test]
fn adjacent_runs_go_one_after_the_other() {
    let mut table = ring_of(&["a", "x", "m", "y", "b"]);
    let find = |table: &VirtualTable, who: &str| vec![silent(table, who, ms(100))];
    let ops = [
        against(&table, "a", Side::First, find(&table, "x"), Some("m")),
        against(&table, "m", Side::Second, find(&table, "x"), Some("a")),
        against(&table, "m", Side::First, find(&table, "y"), Some("b")),
        against(&table, "b", Side::Second, find(&table, "y"), Some("m")),
    ];
    for op in &ops {
        assert!(matches!(accuse(&mut table, op), Outcome::Voted { .. }));
    }
    table.advance(ms(60));
    assert_eq!(removed(&accuse(&mut table, &ops[0])), ["x"]);
    assert_eq!(removed(&accuse(&mut table, &ops[3])), ["y"]);
    assert_eq!(whole(&table), ["a", "m", "b"]);
    assert!(matches!(accuse(&mut table, &ops[1]), Outcome::Stale));
}

#[test]
fn the_same_report_twice_is_one_vote() {
    let mut table = ring_of(&["a", "x", "b"]);
    let a = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    accuse(&mut table, &a);
    table.advance(ms(100));
    for _ in 0..3 {
        assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::NoSecondVote), "it seconds itself never");
    }
    // Nor does it second itself from its other side.
    let other =
        against(&table, "a", Side::Second, vec![silent(&table, "b", ms(500)), silent(&table, "x", ms(500))], None);
    accuse(&mut table, &other);
    assert_eq!(whole(&table).len(), 3);
}

#[test]
fn in_a_ring_of_two_nobody_is_a_second_witness() {
    let mut table = ring_of(&["a", "x"]);
    for side in Side::BOTH {
        for far in [None, Some("a")] {
            let a = against(&table, "a", side, vec![silent(&table, "x", ms(5000))], far);
            accuse(&mut table, &a);
            table.advance(ms(300));
            assert!(matches!(accuse(&mut table, &a), Outcome::Held(_) | Outcome::Voted { .. }));
        }
    }
    table.pool.rules.quorum = crate::row::Quorum::Single;
    let a = against(&table, "a", Side::First, vec![silent(&table, "x", ms(5000))], Some("a"));
    accuse(&mut table, &a);
    table.advance(ms(300));
    assert!(!matches!(accuse(&mut table, &a), Outcome::Removed { .. }), "that is what `alone` is for");
    assert_eq!(whole(&table), ["a", "x"]);
}

/// R9: `p` has no pulse, so `b` beyond it votes against `x` in its place, but only while `b` accuses `p` as well.
#[test]
fn a_voter_that_looks_past_others_must_accuse_them() {
    let setup = || {
        let mut table = ring_of(&["a", "x", "p", "b", "c"]);
        let run = vec![pulseless(&table, "p", ms(900)), silent(&table, "x", ms(400))];
        let first = against(&table, "b", Side::Second, run, Some("a"));
        accuse(&mut table, &first);
        table.advance(ms(100));
        // For a, p has a pulse again, or still.
        let second = against(&table, "a", Side::First, vec![silent(&table, "x", ms(500))], Some("p"));
        (table, second)
    };
    let (mut table, second) = setup();
    assert_eq!(removed(&accuse(&mut table, &second)), ["x"], "b stands behind p, which it says has no pulse");
    let (mut table, second) = setup();
    edit(&mut table, "p", |r| r.vote_first = None);
    accuse(&mut table, &second);
    table.advance(ms(60));
    assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::NoSecondVote), "b said nothing of p");
    let (mut table, second) = setup();
    edit(&mut table, "p", |r| r.vote_first.as_mut().unwrap().kind = VoteKind::Host);
    accuse(&mut table, &second);
    table.advance(ms(60));
    assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::NoSecondVote), "b does not hear p and a does");
}

/// `d` is dead, and the link between `a` and `x` is broken. `x` is in a's run, and is still the witness for `d`.
#[test]
fn a_server_in_the_run_is_a_witness_while_it_renews_its_vote() {
    let setup = |wait: u64| {
        let mut table = ring_of(&["a", "d", "x", "b"]);
        let back = vec![silent(&table, "d", ms(400)), silent(&table, "a", ms(400))];
        let first = against(&table, "x", Side::Second, back, Some("b"));
        accuse(&mut table, &first);
        table.advance(ms(wait));
        let run = vec![silent(&table, "d", ms(400 + wait)), silent(&table, "x", ms(400 + wait))];
        let second = against(&table, "a", Side::First, run, Some("b"));
        (table, second)
    };
    let (mut table, second) = setup(1000);
    assert_eq!(removed(&accuse(&mut table, &second)), ["d"]);
    assert_eq!(whole(&table), ["a", "x", "b"]);
    let (mut table, second) = setup(1501);
    accuse(&mut table, &second);
    table.advance(ms(60));
    assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::NoSecondVote), "x may be dead by now");
}

#[test]
fn the_nearer_voter_keeps_the_slot_while_it_renews_its_vote() {
    let mut table = ring_of(&["a", "p", "x", "b"]);
    let near = against(&table, "p", Side::First, vec![silent(&table, "x", ms(400))], Some("b"));
    accuse(&mut table, &near);
    table.advance(ms(1000));
    let run = vec![pulseless(&table, "p", ms(900)), silent(&table, "x", ms(1400))];
    let far = against(&table, "a", Side::First, run, Some("b"));
    assert_eq!(voted(&accuse(&mut table, &far)), [id(&table, "p")]);
    assert_eq!(vote_of(&table, "x", Side::Second).unwrap().voter, id(&table, "p"));
    table.advance(ms(600));
    accuse(&mut table, &far);
    assert_eq!(vote_of(&table, "x", Side::Second).unwrap().voter, id(&table, "a"), "p said nothing for 1.6 s");
    assert!(matches!(accuse(&mut table, &near), Outcome::Voted { .. }), "back, and nearer");
    assert_eq!(vote_of(&table, "x", Side::Second).unwrap().voter, id(&table, "p"));
}

/// It was cast after the far voter had read the clock, and before it read the row. If it counted as none, both would
/// cast their vote over the other's for ever, where the database is far.
#[test]
fn the_nearer_voter_keeps_the_slot_if_its_vote_is_newer_than_the_clock_that_was_read() {
    let mut table = ring_of(&["a", "p", "x", "b"]);
    let near = against(&table, "p", Side::First, vec![silent(&table, "x", ms(400))], Some("b"));
    accuse(&mut table, &near);
    let (x, p) = (id(&table, "x"), id(&table, "p"));
    let vote = table.rows.get_mut(&x).unwrap().vote_second.as_mut().expect("p's");
    (vote.since, vote.at) = (vote.since + ms(50), vote.at + ms(50));
    let run = vec![pulseless(&table, "p", ms(900)), silent(&table, "x", ms(400))];
    let far = against(&table, "a", Side::First, run, Some("b"));
    assert_eq!(voted(&accuse(&mut table, &far)), [p]);
    assert_eq!(vote_of(&table, "x", Side::Second).unwrap().voter, p);
}

/// Seeds 200069 and 14400 of the simulator: one of two accusers on one side removes, and the other one has just taken
/// its place in the row. What is said on that side must have stood too.
#[test]
fn the_word_of_a_third_that_took_the_place_of_the_own_vote_must_have_stood_as_well() {
    let mut table = ring_of(&["a", "p", "x", "b"]);
    let other = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(100))], Some("p"));
    accuse(&mut table, &other);
    table.advance(ms(20));
    let near = against(&table, "p", Side::First, vec![silent(&table, "x", ms(120))], Some("b"));
    accuse(&mut table, &near);
    table.advance(ms(50));
    let run = |table: &_| vec![pulseless(table, "p", ms(900)), silent(table, "x", ms(170))];
    let far = against(&table, "a", Side::First, run(&table), Some("b"));
    assert!(matches!(accuse(&mut table, &far), Outcome::Voted { .. }), "70 ms on one side, and 50 on the other");
    table.advance(ms(10));
    let far = against(&table, "a", Side::First, run(&table), Some("b"));
    assert_eq!(removed(&accuse(&mut table, &far)), ["x"]);
}

#[test]
fn withdrawing_takes_back_the_own_votes_alone() {
    let mut table = ring_of(&["a", "x", "b"]);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(100))], Some("a"));
    accuse(&mut table, &first);
    accuse(&mut table, &second);
    let op = TableOp::Withdraw { me: id(&table, "a"), subjects: vec![id(&table, "x"), id(&table, "b"), ServerId(99)] };
    assert_eq!(run(&mut table, op.clone()), Outcome::Withdrawn);
    assert_eq!(vote_of(&table, "x", Side::Second), None);
    assert!(vote_of(&table, "x", Side::First).is_some());
    let before = table.rows.clone();
    assert_eq!(run(&mut table, op), Outcome::Withdrawn);
    assert_eq!(table.rows, before, "there is nothing left to write");
}

#[test]
fn a_removal_takes_the_votes_of_the_removed_with_it() {
    let mut table = ring_of(&["a", "x", "b"]);
    let counter = against(&table, "x", Side::Second, vec![silent(&table, "a", ms(100))], None);
    accuse(&mut table, &counter);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(100))], Some("a"));
    for _ in 0..11 {
        table.advance(ms(480));
        accuse(&mut table, &first);
        if let Outcome::Removed { .. } = accuse(&mut table, &second) {
            break;
        }
    }
    assert_eq!(whole(&table), ["a", "b"]);
    assert!(table.rows.values().all(|r| r.vote_first.is_none() && r.vote_second.is_none()));
}

#[test]
fn whoever_joins_gets_empty_slots_beside_it() {
    let mut table = ring_of(&["a", "b", "c"]);
    let a = against(&table, "a", Side::First, vec![silent(&table, "b", ms(100))], None);
    let b = against(&table, "b", Side::Second, vec![silent(&table, "a", ms(100))], None);
    let c = against(&table, "c", Side::First, vec![silent(&table, "a", ms(100))], None);
    for op in [&a, &b, &c] {
        assert!(matches!(accuse(&mut table, op), Outcome::Voted { .. }));
    }
    table.run_plain(&super::kit::join(&table, "x", Some("a"))).unwrap();
    assert_eq!(vote_of(&table, "b", Side::Second), None, "x is there now");
    assert_eq!(vote_of(&table, "a", Side::First), None, "and there");
    assert!(vote_of(&table, "a", Side::Second).is_some(), "c is where it was");
}
