//! Many pools with many random faults. `RINGMON_SEED=n` runs only that one, `RINGMON_SEEDS=n` runs the first n.

use super::kit::loud;
use crate::random::{Options, live};

#[test]
fn pools_live_through_random_faults() {
    let number = |name| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = match number("RINGMON_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGMON_SEEDS").unwrap_or(250),
    };
    let options = Options { loud: loud(), ..Options::default() };
    let lives = seeds.clone().map(|seed| (seed, live(seed, &options)));
    let failed: Vec<(u64, Vec<String>)> =
        lives.filter(|(_, life)| !life.wrong.is_empty()).map(|(seed, life)| (seed, life.wrong)).collect();
    for (seed, wrong) in &failed {
        println!("RINGMON_SEED={seed}: {}", wrong.join("; "));
    }
    assert!(failed.is_empty(), "{} of {} pools failed", failed.len(), seeds.end - seeds.start);
}

#[test]
fn one_seed_is_one_life() {
    for seed in [3, 4] {
        assert_eq!(live(seed, &Options::default()), live(seed, &Options::default()));
    }
}
