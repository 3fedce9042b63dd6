//! A board as metrics (OpenMetrics text).
//!
//! Nothing is kept between scrapes: what the board no longer has, such as a watch that ended, is missing from the next
//! page.

mod datapath;
mod page;
pub mod routes;
mod watches;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Registry, Unit};

use crate::show::Board;
use page::{Page, labels};
use ringmon_core::Word as _;
use ringmon_core::row::Mode;

/// The content type of `/metrics`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The phases of [`Snapshot::phase`](ringmon_core::Snapshot::phase).
const PHASES: [&str; 6] = ["starting", "joining", "member", "removed", "leaving", "stopped"];

/// # Errors
/// Only if the page's memory cannot be written to.
pub fn render(board: Arc<Board>) -> Result<String, fmt::Error> {
    text_of(Scrape(board))
}

fn text_of(scrape: impl Collector) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("ringmon");
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Arc<Board>);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        agent(&mut page, &self.0)?;
        decisions(&mut page, &self.0)?;
        database(&mut page, &self.0)?;
        service(&mut page, &self.0)?;
        watches::encode(&mut page, &self.0)?;
        datapath::encode(&mut page, &self.0)
    }
}

fn agent(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let engine = &board.engine;
    let about = labels([("version", env!("CARGO_PKG_VERSION")), ("name", &engine.server)]);
    page.info("agent", "The agent that says all this", about)?;
    let phases = PHASES.map(|phase| (labels([("phase", phase)]), f64::from(u8::from(phase == engine.phase))));
    page.gauges("phase", "1 for the phase the agent is in", None, phases)?;
    page.gauge("incarnation", "Which life of this server; grows at each join", None, to_f64(engine.incarnation.0))?;
    page.gauge(
        "lateness",
        "How often this agent was recently late, from 0 to 8: it asks for this many times more evidence",
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
    page.counters("held", "Removals that were due and not made, by the rule that held them", held)
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
    let p99 = engine.database_p99.as_secs_f64();
    let help = "How long this agent's looks at the table take: the second longest of the last 16";
    page.gauge("database_p99", help, Some(&Unit::Seconds), p99)
}

fn service(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let decided = board.checks.iter().filter_map(|view| Some((view, view.passing?)));
    let passing = decided.clone().map(|(view, passing)| (labels([("check", &view.check)]), flag(passing)));
    page.gauges("check_passing", "1 for a service check that passes, 0 for one that fails", None, passing)?;
    let took = decided.map(|(view, _)| (labels([("check", &view.check)]), view.took.as_secs_f64()));
    page.gauges("check", "What the last result of a service check took", Some(&Unit::Seconds), took)
}

fn flag(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

/// A metric is a floating point number: exact below 2^53, which microseconds reach in the year 2255.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
fn to_f64(number: i64) -> f64 {
    number as f64
}
