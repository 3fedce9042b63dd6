//! What an agent says of itself, of what it decided, of the database and of its service.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::registry::Unit;

use super::page::{Histogram, Labels, Page, labels};
use super::{flag, to_f64};
use crate::show::{Board, Durations, RemovalSeen};
use ringmon_core::row::Mode;
use ringmon_core::{EventKind, VoteKind, Word as _};

/// The phases of [`Snapshot::phase`](ringmon_core::Snapshot::phase).
const PHASES: [&str; 6] = ["starting", "joining", "member", "removed", "leaving", "stopped"];

pub fn encode(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    state(page, board)?;
    decisions(page, board)?;
    database(page, board)?;
    service(page, board)
}

/// A counter that begins with 1 shows no increase, so this is a time.
pub fn removals(page: &mut Page<'_>, removals: &BTreeMap<String, RemovalSeen>) -> fmt::Result {
    let help = "When this server was removed, since 1970; an agent says it until it hears that server again";
    let samples = removals.iter().map(|(server, RemovalSeen { kind, at, .. })| {
        let kind = match kind {
            VoteKind::Host => EventKind::Down,
            VoteKind::Agent => EventKind::AgentLost,
        };
        (labels([("server", server), ("kind", kind.word())]), *at)
    });
    page.gauges("server_removed_timestamp", help, Some(&Unit::Seconds), samples)
}

fn state(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let engine = &board.engine;
    let about = &board.about;
    let about = labels([("name", &engine.server), ("address", &about.address), ("interface", &about.interface)]);
    page.info("agent", "The agent that says all this", about)?;
    page.gauge("link_up", "1 while the interface for probes has its link", None, flag(board.link_up))?;
    page.gauge("draining", "1 while the row says that no new clients should come", None, flag(engine.draining))?;
    let phases = PHASES.map(|phase| (labels([("phase", phase)]), f64::from(u8::from(phase == engine.phase))));
    page.gauges("phase", "1 for the phase the agent is in", None, phases)?;
    page.gauge("incarnation", "Which life of this server; grows at each join", None, to_f64(engine.incarnation.0))?;
    page.gauge(
        "lateness",
        "How often this agent was late lately, from 0 to 8. Where it hears nobody else, it asks for more by that",
        None,
        f64::from(engine.lateness),
    )?;
    let broken = engine.broken_links.iter().map(|l| (labels([("server", &l.server), ("direction", l.way)]), 1.0));
    page.gauges(
        "broken_link",
        "1 for a server that this one does not hear and others do, by the way that is broken",
        None,
        broken,
    )?;
    let blind = engine.watches.iter().filter_map(|watch| {
        let reason = watch.blind?.word();
        Some((labels([("server", &watch.name), ("reason", reason)]), 1.0))
    });
    page.gauges("blind", "1 for a server that this one cannot see because of itself, by the reason", None, blind)?;
    page.gauge("frozen", "1 while the pool is frozen and nobody is removed", None, flag(engine.frozen.is_some()))?;
    page.gauge("braked", "1 while the brake holds back a removal by this agent", None, flag(engine.braked))?;
    page.gauge("alone", "1 while this server's row says that it hears nobody", None, flag(engine.alone.is_some()))?;
    page.gauge("observing", "1 while this agent removes nobody", None, flag(engine.mode == Mode::Observe))
}

fn decisions(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let engine = &board.engine;
    page.counter("votes", "Votes written", engine.votes)?;
    page.counter("removals", "Removals made by this agent", engine.removals)?;
    page.counter("rejoins", "Joins after a removal", engine.rejoins)?;
    let voids = engine.voids.iter().map(|(reason, &n)| (labels([("reason", reason.word())]), n));
    page.counters("voids", "Suspicions that did not count, by the local fault", voids)?;
    let held = engine.held.iter().map(|(rule, &n)| (labels([("rule", rule.word())]), n));
    page.counters("held", "Removals that were due and not made, by the rule that held them", held)?;
    removals(page, &board.removals)?;
    let help = "Notices that this peer never acknowledged";
    let undelivered = board.undelivered.iter().map(|(peer, &n)| (labels([("peer", &peer.to_string())]), n));
    page.counters("notices_undelivered", help, undelivered)
}

fn database(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let engine = &board.engine;
    let away = engine.database_away.as_ref().map(|(since, _)| engine.at.since(*since));
    page.gauge("database_up", "1 while the database answers", None, flag(away.is_none()))?;
    let seconds = away.unwrap_or_default().as_secs_f64();
    page.gauge(
        "database_away",
        "For how long the database has not answered, or has refused to write",
        Some(&Unit::Seconds),
        seconds,
    )?;
    page.counter("table_went_back", "How often the table was found to have gone back in time", engine.went_back)?;
    let wait = engine.answer_wait.as_secs_f64();
    page.gauge(
        "answer_wait",
        "How long this server needs to answer a vote; others wait 2 s at most",
        Some(&Unit::Seconds),
        wait,
    )?;
    let help = "How long operations on the table took, failed ones too";
    page.histograms("database_operation", help, [(Labels::new(), operations(board))])
}

fn operations(board: &Board) -> Histogram {
    let Durations { counts, sum } = board.table;
    let bounds = Durations::BOUNDS_MS.iter().map(|&ms| Duration::from_millis(ms).as_secs_f64()).chain([f64::MAX]);
    Histogram { sum: sum.as_secs_f64(), count: counts.iter().sum(), buckets: bounds.zip(counts).collect() }
}

fn service(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let decided = board.checks.iter().filter_map(|view| Some((view, view.passing?)));
    let passing = decided.clone().map(|(view, passing)| (labels([("check", &view.check)]), flag(passing)));
    page.gauges("check_passing", "1 for a service check that passes, 0 for one that fails", None, passing)?;
    let took = decided.map(|(view, _)| (labels([("check", &view.check)]), view.took.as_secs_f64()));
    page.gauges("check", "What the last result of a service check took", Some(&Unit::Seconds), took)
}
