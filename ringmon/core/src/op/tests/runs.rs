//! Whole removals, as two buddies make them.

use super::kit::{accuse, against, id, ms, pulseless, removed, ring_of, row, silent, voted, whole};
use crate::EventKind;
use crate::edit::{Held, Outcome};
use crate::row::{Quorum, Side, VoteKind};

/// Who renews its vote learns as well what holds the removal back.
#[test]
fn a_vote_says_what_holds_the_removal_back() {
    let mut table = ring_of(&["a", "x", "b"]);
    table.pool.frozen = Some("by hand".into());
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    let outcome = accuse(&mut table, &first);
    assert!(matches!(outcome, Outcome::Voted { held: Some(Held::NoSecondVote), .. }), "{outcome:?}");
    table.advance(ms(600));
    let outcome = accuse(&mut table, &first);
    assert!(matches!(outcome, Outcome::Voted { held: Some(_), .. }), "{outcome:?}");
}

#[test]
fn two_buddies_remove_the_server_between_them() {
    let mut table = ring_of(&["a", "x", "b", "c"]);
    let x = id(&table, "x");
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(100))], Some("a"));
    assert_eq!(voted(&accuse(&mut table, &first)), [x]);
    let vote = row(&table, "x").vote_second.clone().unwrap();
    assert_eq!((vote.voter, vote.kind), (id(&table, "a"), VoteKind::Host), "a is on the second side of x");
    table.advance(ms(10));
    assert_eq!(voted(&accuse(&mut table, &second)), [x]);
    table.advance(ms(50));
    assert_eq!(accuse(&mut table, &second), Outcome::Held(Held::TooYoung), "b's own vote is 50 ms old");
    table.advance(ms(10));
    let outcome = accuse(&mut table, &second);
    assert_eq!(removed(&outcome), ["x"]);
    assert!(matches!(outcome, Outcome::Removed { ends, .. } if ends == (id(&table, "b"), id(&table, "a"))));
    assert_eq!(whole(&table), ["a", "b", "c"]);
    let event = table.events.last().unwrap();
    assert_eq!((event.kind(), event.by.as_str(), event.subject), (EventKind::Down, "b", Some(x)));
    assert_eq!(event.body.detail()["voters"], serde_json::json!(["b", "a"]));
    assert_eq!(event.body.detail()["silence_ms"], 170);
    assert_eq!(event.body.detail()["votes"][0]["age_ms"], 70);
    assert_eq!(accuse(&mut table, &second), outcome, "asked again, the same answer");
    assert!(matches!(accuse(&mut table, &first), Outcome::Stale), "it was not a that removed it");
}

#[test]
fn the_second_voter_needs_no_vote_of_its_own() {
    let mut table = ring_of(&["a", "x", "b"]);
    let first = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    accuse(&mut table, &first);
    table.advance(ms(60));
    let second = against(&table, "b", Side::Second, vec![silent(&table, "x", ms(161))], Some("a"));
    assert_eq!(removed(&accuse(&mut table, &second)), ["x"]);
    assert_eq!(whole(&table), ["a", "b"]);
}

#[test]
fn a_run_goes_in_one_transaction() {
    let mut table = ring_of(&["a", "x", "y", "z", "b"]);
    let run = |table: &_, names: &[&str]| names.iter().map(|n| silent(table, n, ms(100))).collect();
    let first = against(&table, "a", Side::First, run(&table, &["x", "y", "z"]), Some("b"));
    let second = against(&table, "b", Side::Second, run(&table, &["z", "y", "x"]), Some("a"));
    accuse(&mut table, &first);
    table.advance(ms(60));
    assert_eq!(removed(&accuse(&mut table, &second)), ["z", "y", "x"]);
    assert_eq!(whole(&table), ["a", "b"]);
}

#[test]
fn before_the_far_end_is_found_only_the_direct_buddy_is_accused() {
    let mut table = ring_of(&["a", "x", "y", "b"]);
    let run = vec![silent(&table, "x", ms(100)), silent(&table, "y", ms(100))];
    let mut a = against(&table, "a", Side::First, run, None);
    assert_eq!(voted(&accuse(&mut table, &a)), [id(&table, "x")]);
    assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::NoSecondVote));
    a.far_end = Some(id(&table, "b"));
    assert_eq!(voted(&accuse(&mut table, &a)), [id(&table, "y")]);
}

#[test]
fn a_server_without_a_pulse_keeps_its_place_while_the_dead_behind_it_goes() {
    let mut table = ring_of(&["a", "p", "x", "b"]);
    let first = vec![pulseless(&table, "p", ms(600)), silent(&table, "x", ms(100))];
    let first = against(&table, "a", Side::First, first, Some("b"));
    let second = vec![silent(&table, "x", ms(100)), pulseless(&table, "p", ms(600))];
    let second = against(&table, "b", Side::Second, second, Some("a"));
    accuse(&mut table, &first);
    table.advance(ms(60));
    assert_eq!(removed(&accuse(&mut table, &second)), ["x"]);
    assert_eq!(whole(&table), ["a", "p", "b"]);
    // The run has changed. Both go on accusing p until it has had its time.
    let first = against(&table, "a", Side::First, vec![pulseless(&table, "p", ms(660))], Some("b"));
    let second = against(&table, "b", Side::Second, vec![pulseless(&table, "p", ms(660))], Some("a"));
    accuse(&mut table, &second);
    let mut held = Vec::new();
    for _ in 0..6 {
        table.advance(ms(400));
        for who in [&first, &second] {
            if let Outcome::Held(why) = accuse(&mut table, who) {
                held.push(why);
            }
        }
    }
    assert!(held.iter().all(|h| *h == Held::AgentTimeout) && !held.is_empty(), "{held:?}");
    assert_eq!(whole(&table), ["a", "p", "b"]);
    table.advance(ms(400));
    assert_eq!(removed(&accuse(&mut table, &second)), ["p"]);
    assert_eq!(table.events.last().unwrap().kind(), EventKind::AgentLost);
}

#[test]
fn with_one_witness_the_own_vote_must_have_stood() {
    let mut table = ring_of(&["a", "x", "b"]);
    table.pool.rules.quorum = Quorum::Single;
    let a = against(&table, "a", Side::First, vec![silent(&table, "x", ms(100))], Some("b"));
    assert!(matches!(accuse(&mut table, &a), Outcome::Voted { .. }));
    table.advance(ms(59));
    assert_eq!(accuse(&mut table, &a), Outcome::Held(Held::TooYoung));
    table.advance(ms(1));
    assert_eq!(removed(&accuse(&mut table, &a)), ["x"]);
    assert_eq!(whole(&table), ["a", "b"]);
}
