//! What outages teach a pool: whom the next one removes, and for how long a dead server is kept.

use std::time::Duration;

use serde_json::json;

use super::{print, share, spread};
use crate::cli::args::SimArgs;
use crate::cli::out;
use crate::cli::sim::{Bar, ms};
use ringmon_sim::outage::{History, Lesson, lesson};

/// All pools with one history.
pub(super) struct Lessons {
    history: History,
    pools: u32,
    removed: u32,
    /// What was asked for before the next outage, sorted.
    asked: Vec<Duration>,
    /// How long the dead server was kept, sorted.
    kept: Vec<Duration>,
}

/// None, ten with three mean lengths, and one that no wait bridges.
fn histories() -> [History; 5] {
    let ten = |mean| History { outages: 10, length: None, mean: Duration::from_millis(mean) };
    let one = History { outages: 1, length: Some(Duration::from_secs(30)), ..ten(100) };
    [History { outages: 0, ..ten(100) }, ten(50), ten(100), ten(300), one]
}

/// What the pool has been through, in words.
fn words(history: &History) -> String {
    match (history.outages, history.length) {
        (0, _) => "none".to_owned(),
        (many, Some(length)) => format!("{many} of {} s", length.as_secs()),
        (many, None) => format!("{many}, mean {} ms", history.mean.as_millis()),
    }
}

pub(super) fn run(args: &SimArgs, bar: &mut Bar, threads: usize) -> Vec<Lessons> {
    let each = |history: History| {
        bar.say(|| format!("outages before: {}", words(&history)));
        let pools: Vec<Lesson> =
            spread(threads, args.trials.into(), |index| lesson(args.profile, args.seed.wrapping_add(index), &history));
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        let sorted = |of: fn(&Lesson) -> Duration| {
            let mut all: Vec<Duration> = pools.iter().map(of).collect();
            all.sort();
            all
        };
        Lessons {
            history,
            pools: count(pools.len()),
            removed: count(pools.iter().filter(|pool| pool.removed).count()),
            asked: sorted(|pool| pool.asked),
            kept: sorted(|pool| pool.kept.unwrap_or(Duration::MAX)),
        }
    };
    histories().into_iter().map(each).collect()
}

/// The median, the 99th percentile and the most of these, which are sorted.
fn three(all: &[Duration]) -> [Option<Duration>; 3] {
    let last = all.len().saturating_sub(1);
    [last / 2, last * 99 / 100, last].map(|index| all.get(index).copied())
}

fn in_words(all: &[Duration]) -> String {
    let word = |value: Option<Duration>| match value {
        None => "-".to_owned(),
        Some(Duration::MAX) => "stays".to_owned(),
        Some(value) => value.as_millis().to_string(),
    };
    three(all).map(word).join(" / ")
}

pub(super) fn show(args: &SimArgs, all: &[Lessons]) -> anyhow::Result<()> {
    let head =
        ["OUTAGES BEFORE", "NEXT, MEAN", "POOLS", "ASKED p50/p99/max ms", "NEXT REMOVES", "DEAD KEPT p50/p99/max ms"];
    let mut table = out::table(&head);
    for lessons in all {
        table.add_row([
            words(&lessons.history),
            format!("{} ms", lessons.history.mean.as_millis()),
            lessons.pools.to_string(),
            in_words(&lessons.asked),
            share(lessons.removed, lessons.pools),
            in_words(&lessons.kept),
        ]);
    }
    out::line("")?;
    print(args, table)
}

pub(super) fn as_json(args: &SimArgs, all: &[Lessons]) -> anyhow::Result<()> {
    for lessons in all {
        let history = &lessons.history;
        // A server that stays has no number.
        let numbers = |all| three(all).map(|value| value.filter(|v| *v < Duration::MAX).map(ms));
        out::line(
            &json!({
                "outages_before": history.outages, "length_ms": history.length.map(ms),
                "next_mean_ms": ms(history.mean), "profile": args.profile, "seed": args.seed,
                "pools": lessons.pools, "next_removed": lessons.removed,
                "asked_ms": numbers(&lessons.asked), "kept_ms": numbers(&lessons.kept),
            })
            .to_string(),
        )?;
    }
    Ok(())
}
