use core::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::rng::Rng;

const NOW: Time = Time::from_ns(3_600_000_000_000);

fn at(number: u32) -> Address {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What this server asks for now, in milliseconds.
fn asked(outages: &Outages) -> u128 {
    outages.asked(at(1), NOW).as_millis()
}

fn after(lengths: &[u64]) -> Outages {
    let mut outages = Outages::default();
    lengths.iter().for_each(|length| outages.healed(at(1), ms(*length), NOW));
    outages
}

/// The cost of this wait, by the formula of the module: what [`Memory::cheapest`] makes least.
fn cost(memory: &Memory, wait: f64) -> f64 {
    let used = libm::exp2(-memory.removals / HALF_USES);
    let (weight, sum) = (memory.weight * used, memory.sum * used);
    let (all, length) = (PRIOR + weight, PRIOR * PRIOR_MEAN.as_secs_f64() + sum);
    let longer = libm::pow(length / (length + wait), all);
    (memory.removals + 1.0) * wait + PRICE.as_secs_f64() * weight * longer
}

#[test]
fn nothing_is_asked_for_where_nothing_was_seen() {
    let outages = after(&[300]);
    assert_eq!(Outages::default().asked(at(1), NOW), Duration::ZERO);
    assert_eq!(outages.asked(at(2), NOW), Duration::ZERO, "another server");
}

#[test]
fn no_other_wait_costs_less() {
    for lengths in [&[60][..], &[300], &[40, 900], &[100; 10], &[20; 40], &[1900, 30]] {
        let mut outages = after(lengths);
        outages.removed(at(1), NOW);
        let memory = outages.0[&at(1)];
        let best = memory.cheapest();
        for other in 1..2000 {
            let other = f64::from(other) / 1e3;
            assert!(cost(&memory, best) <= cost(&memory, other), "{lengths:?}: {best} costs more than {other}");
        }
    }
}

#[test]
fn what_no_wait_bridges_changes_nothing() {
    for before in [&[][..], &[60, 300]] {
        let mut outages = after(before);
        let (was, servers) = (asked(&outages), outages.0.len());
        outages.healed(at(1), ms(30_000), NOW);
        outages.lived(at(1), ms(2_001), NOW);
        outages.healed(at(2), ms(30_000), NOW);
        assert_eq!((asked(&outages), outages.0.len()), (was, servers), "after {before:?}");
    }
    assert!(asked(&after(&[2_000])) > 0, "the longest that a wait bridges");
}

/// It was removed, and says that it lived.
#[test]
fn a_long_outage_of_a_living_server_leaves_the_next_removal_where_it_was() {
    for before in [&[][..], &[500], &[100; 10]] {
        let mut outages = after(before);
        let was = asked(&outages);
        for _ in 0..5 {
            outages.removed(at(1), NOW);
            outages.lived(at(1), ms(30_000), NOW);
        }
        assert_eq!(asked(&outages), was, "after {before:?}");
    }
}

#[test]
fn one_outage_is_expected_again_and_a_longer_one_once_it_was_seen_twice() {
    for length in [60, 100, 200, 300] {
        assert!(asked(&after(&[length])) > u128::from(length), "{length} ms");
    }
    assert!(asked(&after(&[134])) < 350, "one blip is not much");
    assert!(asked(&after(&[500])) < 500 && asked(&after(&[500, 500])) > 600);
}

/// Ten lengths drawn from an exponential distribution: the next one is longer than the wait in less than 1 %, and the
/// wait leaves time to remove a dead server within a second.
#[test]
fn after_ten_outages_the_next_one_is_rarely_longer_and_the_wait_is_below_a_second() {
    let mut rng = Rng::new(7);
    let mut drawn = || {
        let share = ((rng.word() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-0.1 * libm::log(share))
    };
    let (mut longer, mut late) = (0, 0);
    for _ in 0..10_000 {
        let mut outages = Outages::default();
        (0..10).for_each(|_| outages.healed(at(1), drawn(), NOW));
        let wait = outages.asked(at(1), NOW);
        longer += u32::from(drawn() > wait);
        late += u32::from(wait > ms(950));
    }
    assert!(longer <= 100 && late <= 100, "seed 7: {longer} longer, {late} late, of 10000");
}

#[test]
fn shorter_ones_and_removals_make_a_long_one_count_less() {
    let mut outages = after(&[1_500, 1_500]);
    let mut before = asked(&outages);
    for _ in 0..8 {
        outages.removed(at(1), NOW);
        assert!(asked(&outages) < before || before == 0, "a removal: {} after {before}", asked(&outages));
        before = asked(&outages);
    }
    assert!(before < 100, "eight of them: {before}");
    let (first, mut outages) = (asked(&after(&[1_500])), after(&[1_500]));
    (0..64).for_each(|_| outages.healed(at(1), ms(40), NOW));
    assert!(asked(&outages) < first, "{} after {first}", asked(&outages));
    assert!(outages.0[&at(1)].weight < 24.0, "what was long ago is hardly left");
}

#[test]
fn one_that_was_removed_and_lived_was_no_death() {
    let mut outages = after(&[300]);
    outages.removed(at(1), NOW);
    outages.lived(at(1), ms(400), NOW);
    assert!(outages.0[&at(1)].removals.abs() < 0.05, "{outages:?}");
    outages.removed(at(1), NOW);
    outages.lived(at(1), ms(30_000), NOW);
    assert!(outages.0[&at(1)].removals.abs() < 0.05, "however long it was: {outages:?}");
    let mut unknown = Outages::default();
    unknown.removed(at(1), NOW);
    assert!(unknown.0.is_empty());
    unknown.lived(at(1), ms(300), NOW);
    assert_eq!(asked(&unknown), asked(&after(&[300])));
}

#[test]
fn the_memory_fades_to_nothing() {
    let outages = after(&[80]);
    let days = |days: u32| outages.asked(at(1), NOW + HALF_LIFE * days).as_millis();
    assert!(days(0) > days(1) && days(1) > days(2) && days(2) > days(4), "{} {} {}", days(0), days(1), days(2));
    assert!(days(6) < law::REMOVAL_SILENCE.as_millis(), "{}", days(6));
    let mut again = outages.clone();
    again.healed(at(1), ms(80), NOW + HALF_LIFE * 10);
    assert!(again.asked(at(1), NOW + HALF_LIFE * 10).as_millis() >= days(0), "refreshed");
}

#[test]
fn a_bounded_number_of_servers_is_remembered_the_latest_ones() {
    let mut outages = Outages::default();
    for number in 0..1000 {
        outages.healed(at(number), ms(50), NOW + ms(u64::from(number)));
    }
    let now = NOW + ms(1000);
    assert_eq!(outages.0.len(), MOST);
    assert!(outages.asked(at(999), now) > Duration::ZERO);
    assert_eq!(outages.asked(at(0), now), Duration::ZERO);
}
