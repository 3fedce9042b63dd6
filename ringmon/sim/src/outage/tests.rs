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
    for trial in trials(300, Reach::Shared) {
        assert_eq!(trial, Trial { suspected: true, unrouted: true, removed: true, again: Some(false) });
    }
}

/// Waiting for half a second costs more than one such outage is worth.
#[test]
fn one_of_half_a_second_is_not_expected_again() {
    for trial in trials(500, Reach::Shared) {
        assert_eq!(trial, Trial { suspected: true, unrouted: true, removed: true, again: Some(true) });
    }
}

fn lessons(outages: u32, length: Option<Duration>, mean: u64, pools: u64) -> Vec<Lesson> {
    let history = History { outages, length, mean: ms(mean) };
    (1..=pools).map(|seed| lesson(Profile::Default, seed, &history)).collect()
}

/// The longest wait before the next outage.
fn longest(lessons: &[Lesson]) -> Duration {
    lessons.iter().map(|lesson| lesson.asked).max().unwrap_or_default()
}

#[test]
fn an_outage_of_half_a_minute_teaches_nothing() {
    assert_eq!(longest(&lessons(1, Some(ms(30_000)), 100, 12)), law::REMOVAL_SILENCE);
    assert_eq!(longest(&lessons(0, None, 100, 4)), law::REMOVAL_SILENCE, "nor does a calm pool ask for more");
    assert!(longest(&lessons(1, Some(ms(300)), 100, 12)) > ms(300), "the server itself tells of a shorter one");
}

/// The eleventh of its kind removes a living server in at most one of a hundred pools, and the next dead one is gone
/// within a second.
#[test]
fn ten_outages_of_a_kind_are_enough_to_know_the_next_one() {
    let pools = 300;
    let all = lessons(10, None, 100, pools);
    let removed = all.iter().filter(|lesson| lesson.removed).count();
    let mut kept: Vec<Duration> = all.iter().map(|lesson| lesson.kept.unwrap_or(Duration::MAX)).collect();
    kept.sort();
    println!("seeds 1 to {pools}: {removed} removed; dead ones kept for {:?}, {:?} at most", kept[150], kept[299]);
    assert!(removed <= 3, "{removed} of {pools}");
    assert!(kept[299] <= ms(1000), "{:?} at most", kept[299]);
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
