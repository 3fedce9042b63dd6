//! What the datapath and the other rooms counted.

use std::collections::BTreeMap;
use std::fmt;

use super::page::{Histogram, Labels, Page, labels};
use super::watches;
use crate::show::{Board, Count, DatapathMode};
use ringmon_common::count::Incident;
use ringmon_core::{WatchId, Word as _};

/// Bounds of the round-trip histogram: ten, each four times the one before, from 2^14 ns (16 us) to 2^32 ns (4.3 s).
/// The datapath's own buckets are finer, and their bounds include these.
const RTT_BITS: [u32; 10] = [14, 16, 18, 20, 22, 24, 26, 28, 30, 32];

pub fn encode(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let mode = board.datapath.mode.map_or("none", DatapathMode::word);
    page.info("datapath", "Where probes are answered", labels([("mode", mode)]))?;
    let help = "Round trips without the time the buddy kept the probe; the sum is estimated from fine buckets";
    page.histograms("rtt", help, round_trips(board))?;
    counts(page, board.datapath.verdicts.iter().filter(|count| !is_routine(count)).chain(&board.counts))
}

/// A probe that left and a timer that fired are no incidents.
fn is_routine(count: &Count) -> bool {
    [Incident::Stamped, Incident::TimerFired].iter().any(|usual| usual.label() == count.label)
}

/// One family for each name.
pub fn counts<'a>(page: &mut Page<'_>, counts: impl IntoIterator<Item = &'a Count>) -> fmt::Result {
    let mut families: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for Count { name, label, value } in counts {
        *families.entry(name).or_default().entry(label).or_default() += value;
    }
    for (name, kinds) in families {
        page.counters(name, help_of(name), kinds.into_iter().map(|(kind, value)| (kind_label(kind), value)))?;
    }
    Ok(())
}

fn kind_label(kind: &str) -> Labels {
    if kind.is_empty() { Labels::new() } else { labels([("kind", kind)]) }
}

/// Help for the families that other rooms name.
fn help_of(name: &str) -> &'static str {
    match name {
        "verdicts" => "Packets by what they were found to be",
        "incidents" => "What went wrong in the programs in the kernel",
        "routes_reads" => "How often the table was read: the whole pool, or the rows that notices named",
        "routes_read_failures" => "Reads that no database answered",
        "routes_notices" => "Notices of agents that named a server",
        "routes_table_went_back" => "How often the table was found to have gone back in time",
        "notices" => "Notices by what became of them",
        "events" => "Lines of the event log",
        "recorder" => "Calls of the core that are in a recording or got lost, and failures of its disk",
        _ => "Counted by kind",
    }
}

/// Only watches that are still there.
fn round_trips(board: &Board) -> impl Iterator<Item = (Labels, Histogram)> {
    let rtt: BTreeMap<WatchId, &Vec<(u64, u64)>> =
        board.datapath.rtt.iter().map(|(id, buckets)| (*id, buckets)).collect();
    let mut watched = BTreeMap::new();
    for watch in &board.engine.watches {
        if let Some(buckets) = rtt.get(&watch.id) {
            watched.insert(labels(watches::of(watch)), histogram(buckets));
        }
    }
    watched.into_iter()
}

/// From upper bounds in nanoseconds (in their order) with counts, to seconds.
fn histogram(fine: &[(u64, u64)]) -> Histogram {
    let bounds: Vec<u64> = RTT_BITS.iter().map(|bit| 1 << bit).collect();
    let mut buckets: Vec<(f64, u64)> = bounds.iter().map(|&ns| (seconds(ns), 0)).collect();
    buckets.push((f64::MAX, 0));
    let (mut sum, mut count) = (0.0, 0);
    let mut below: u64 = 0;
    for &(upper, n) in fine {
        let place = bounds.partition_point(|&bound| bound < upper);
        buckets[place].1 += n;
        // The last bucket has no bound of its own: its contents count as the bound below it.
        let middle = if upper == u64::MAX { below } else { below.midpoint(upper) };
        sum += seconds(middle) * to_f64(n);
        count += n;
        below = upper;
    }
    Histogram { sum, count, buckets }
}

fn seconds(ns: u64) -> f64 {
    to_f64(ns) / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
fn to_f64(number: u64) -> f64 {
    number as f64
}
