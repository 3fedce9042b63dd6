use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

#[test]
fn moments_spread_over_the_whole_span_and_repeat_with_their_seed() {
    let spread = Duration::from_millis(20);
    let draw = |seed| {
        let mut moments = Moments(seed);
        (0..200).map(|_| moments.next(spread)).collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert!(draw(1).iter().all(|moment| *moment < spread));
    let quarters: BTreeSet<u128> = draw(1).iter().map(|moment| moment.as_millis() / 5).collect();
    assert_eq!(quarters.len(), 4);
    assert_eq!(Moments(1).next(Duration::ZERO), Duration::ZERO);
}

#[test]
fn the_longest_blow_is_kept_and_an_unseen_one_counts() {
    let mut trialled = Trialled::default();
    trialled.push(Struck { at_ns: 1_000_000, done_ns: 1_250_000 }, Some(11_500_000));
    trialled.push(Struck { at_ns: 0, done_ns: 100_000 }, None);
    assert_eq!((trialled.blow_max_ms, trialled.samples.p50()), (0.25, Some(10.5)));
    assert_eq!(trialled.samples.unseen(), 1);
}

#[test]
fn all_neighbours_have_seen_it_when_the_last_one_has() {
    let mut trialled = Trialled::default();
    let struck = Struck { at_ns: 1_000_000, done_ns: 1_000_000 };
    trialled.push_each(struck, &[Some(21_000_000), Some(11_000_000)]);
    trialled.push_each(struck, &[None, Some(11_000_000)]);
    assert_eq!((trialled.samples.p50(), trialled.samples.unseen()), (Some(10.0), 0));
    assert_eq!((trialled.all.p50(), trialled.all.unseen()), (Some(20.0), 1));
}
