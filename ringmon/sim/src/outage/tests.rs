use super::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn trials(length: u64, reach: Reach) -> Vec<Trial> {
    (1..=12).map(|seed| trial(Profile::Default, seed, ms(length), reach)).collect()
}

#[test]
fn too_short_for_a_suspicion_by_anybody() {
    let tuning = Profile::Default.tuning();
    assert!(suspects(&tuning, ms(10)) < 0.01, "{}", suspects(&tuning, ms(10)));
    assert!(trials(8, Reach::Shared).iter().all(|t| !t.suspected && !t.removed));
}

#[test]
fn an_outage_of_one_watcher_alone_is_suspected_and_removes_nobody() {
    assert!((suspects(&Profile::Default.tuning(), ms(100)) - 1.0).abs() < 1e-9);
    for trial in trials(500, Reach::Private) {
        assert_eq!(trial, Trial { suspected: true, unrouted: false, removed: false, again: None });
    }
}

#[test]
fn an_outage_that_both_share_and_that_outlasts_their_patience_removes_once() {
    for trial in trials(500, Reach::Shared) {
        assert_eq!(trial, Trial { suspected: true, unrouted: true, removed: true, again: Some(false) });
    }
}

#[test]
fn what_is_counted_is_what_is_expected() {
    // A threshold that is too low for the loss, so that there are enough suspicions to count.
    let chance = by_chance(Profile::Default, 1, 0.86, 2_000_000);
    assert!(chance.expected > 1.0, "{chance:?}");
    let off = (chance.suspicions as f64 - chance.expected).abs();
    assert!(off < 5.0 * chance.expected.sqrt() + 1.0, "seed 1: {chance:?}");
}

#[test]
fn a_third_of_all_round_trips_lost_suspects_nobody() {
    let chance = by_chance(Profile::Default, 2, 0.36, 1_000_000);
    assert_eq!(chance.suspicions, 0, "seed 2: {chance:?}");
    assert!(chance.needed.0 > 20.0 && chance.expected < 0.01, "seed 2: {chance:?}");
}

#[test]
fn a_clean_watch_asks_for_three() {
    let chance = by_chance(Profile::Default, 3, 0.0, 10_000);
    assert_eq!((chance.suspicions, chance.probes), (0, 10_000));
    assert!((chance.hours - 10_000.0 * 0.02 / 3600.0).abs() < 1e-9, "{chance:?}");
}

#[test]
fn the_bounds_of_wilson() {
    let near = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 1e-3 && (b - d).abs() < 1e-3;
    assert!(near(wilson(0, 300), (0.0, 0.0126)), "{:?}", wilson(0, 300));
    assert!(near(wilson(5, 10), (0.2366, 0.7634)), "{:?}", wilson(5, 10));
}
