//! Metrics of each watch.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::registry::Unit;

use super::page::{Labels, Page, labels};
use crate::show::Board;
use ringmon_core::detector::State;
use ringmon_core::engine::WatchView;
use ringmon_core::{WatchReading, Word as _};

/// A counter of a watch: its name, its help, and where it is read.
type Counted = (&'static str, &'static str, fn(&WatchReading) -> u64);

const COUNTERS: [Counted; 6] = [
    ("probes_sent", "Probes that left this machine", |r| r.sent),
    ("probes_unsent", "Probes that did not leave through this machine's own fault: no misses", |r| r.unsent),
    ("probes_unresolved", "Probes that could not leave because the neighbour does not resolve: misses", |r| {
        r.unresolved
    }),
    ("replies", "Authenticated replies, late ones included", |r| r.replies),
    ("replies_late", "Authenticated replies after their deadline", |r| r.late),
    ("misses", "Probes unanswered at their deadline, unresolved ones included", |r| r.misses),
];

/// The labels of a watch: which server, and why it is watched. Each has its own set of samples.
pub fn of(watch: &WatchView) -> [(&'static str, &str); 2] {
    [("server", &watch.name), ("purpose", watch.purpose.word())]
}

fn label(watch: &WatchView) -> Labels {
    labels(of(watch))
}

fn and(base: &Labels, name: &'static str, value: &str) -> Labels {
    let mut labels = base.clone();
    labels.push((name, value.to_owned()));
    labels
}

pub fn encode(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    // A slot may just be changing from one watch to the next. Samples must not repeat, so of two watches with the same
    // labels the later one counts.
    let watches: BTreeMap<Labels, &WatchView> =
        board.engine.watches.iter().map(|watch| (label(watch), watch)).collect();
    for (name, help, read) in COUNTERS {
        page.counters(name, help, watches.iter().map(|(labels, watch)| (labels.clone(), read(&watch.reading))))?;
    }
    let consecutive = watches.iter().map(|(labels, watch)| (labels.clone(), f64::from(watch.reading.consecutive)));
    page.gauges("consecutive_misses", "Misses since the last reply of any kind", None, consecutive)?;
    let ways = |watch: &WatchView| [("out", watch.lost.out), ("back", watch.lost.back)];
    let lost = watches
        .iter()
        .flat_map(|(base, watch)| ways(watch).map(|(direction, lost)| (and(base, "direction", direction), lost)));
    page.counters("probes_lost", "Probes lost on the way out, and replies lost on the way back", lost)?;
    let gauge = |read: fn(&WatchView) -> f64| watches.iter().map(move |(labels, watch)| (labels.clone(), read(watch)));
    page.gauges(
        "loss_ratio",
        "The share of probes that a watch loses by itself, as it is counted upon",
        None,
        gauge(|w| w.loss),
    )?;
    let help = "Consecutive misses that make a suspicion now";
    page.gauges("misses_needed", help, None, gauge(|w| f64::from(w.needed)))?;
    let help = "Silence that a removal asks for now (R6), by what was seen of outages";
    page.gauges("silence_asked", help, Some(&Unit::Seconds), gauge(|w| w.silence_asked.as_secs_f64()))?;
    let help = "How long a probe may take before it is a miss";
    page.gauges("probe_deadline", help, Some(&Unit::Seconds), gauge(|w| w.reading.patience.as_secs_f64()))?;
    let silences = watches
        .iter()
        .map(|(labels, watch)| (labels.clone(), board.engine.at.since(watch.reading.silent_since()).as_secs_f64()));
    page.gauges("silence", "Time since the last proof of life", Some(&Unit::Seconds), silences)?;
    let states = watches.iter().flat_map(|(base, watch)| {
        let states = State::ALL.iter().map(|state| state.word()).chain([WatchView::UNKNOWN]);
        states.map(|state| (and(base, "state", state), f64::from(u8::from(state == watch.state))))
    });
    page.gauges("watch_state", "1 for the state a watch is in", None, states)
}
