use std::num::NonZeroU32;

use proptest::prelude::*;

use super::super::verdict::{Need, Steps, Track, health};
use ringmon_core::Time;
use ringmon_core::row::Health;

fn steps(rise: u32, fall: u32) -> Steps {
    let number = |n| NonZeroU32::new(n).unwrap();
    Steps { rise: number(rise), fall: number(fall) }
}

/// What one check counts as after each of these results: `+` a pass, `-` a failure.
fn course(results: &str, steps: Steps) -> String {
    let mut track = Track::default();
    let mut turns = 0;
    let mut shown = String::new();
    for (at, result) in results.chars().enumerate() {
        turns += u32::from(track.result(Time::from_ns(at as u64), result == '+', steps));
        shown.push(if track.passing().unwrap() { '+' } else { '-' });
    }
    let changes = 1 + shown.as_bytes().windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(turns as usize, changes, "{results}");
    shown
}

#[test]
fn results_in_a_row_turn_a_check_and_the_first_one_alone() {
    for (results, shown) in [
        ("+", "+"),
        ("-", "-"),
        ("+-+-+-+", "+++++++"),
        ("+--+", "++--"),
        ("+--+-++", "++----+"),
        ("-++-+--", "--++++-"),
        ("-+-+-+-", "-------"),
    ] {
        assert_eq!(course(results, steps(2, 2)), shown, "{results}");
    }
    assert_eq!(course("+-+-", steps(1, 1)), "+-+-");
    assert_eq!(course("+---+++", steps(3, 2)), "++----+");
}

#[test]
fn since_is_when_it_turned() {
    let mut track = Track::default();
    for (at, passed, since) in [(5, true, 5), (6, false, 5), (7, true, 5), (8, false, 5), (9, false, 9), (10, false, 9)]
    {
        track.result(Time::from_ns(at), passed, steps(2, 2));
        assert_eq!(track.since(), Time::from_ns(since), "at {at}");
    }
}

#[test]
fn all_must_pass_or_one_suffices() {
    use Health::{Failing, Passing, Unknown};
    for (tracks, all, any) in [
        ("", Unknown, Unknown),
        ("?", Unknown, Unknown),
        ("+", Passing, Passing),
        ("-", Failing, Failing),
        ("+?", Unknown, Passing),
        ("-?", Failing, Unknown),
        ("+-", Failing, Passing),
        ("+-?", Failing, Passing),
        ("++", Passing, Passing),
        ("--", Failing, Failing),
    ] {
        let known: Vec<Track> = tracks
            .chars()
            .map(|word| {
                let mut track = Track::default();
                if word != '?' {
                    track.result(Time::ZERO, word == '+', Steps::default());
                }
                track
            })
            .collect();
        assert_eq!((health(&known, Need::All), health(&known, Need::Any)), (all, any), "{tracks:?}");
    }
}

proptest! {
    /// By definition: a check changed if, and only if, the last results are all of the other kind and as many as asked.
    #[test]
fn a_check_is_what_its_last_results_say(
        results in prop::collection::vec(any::<bool>(), 1..60), rise in 1_u32..5, fall in 1_u32..5,
    ) {
        let mut track = Track::default();
        let mut counts_as = results[0];
        for end in 1..=results.len() {
            track.result(Time::from_ns(end as u64), results[end - 1], steps(rise, fall));
            let asked = if counts_as { fall } else { rise } as usize;
            let against = results[..end].iter().rev().take_while(|result| **result != counts_as).count();
            if against >= asked {
                counts_as = !counts_as;
            }
            prop_assert_eq!(track.passing(), Some(counts_as));
        }
    }
}
