//! `ringmon sim`: scenarios on simulated pools, and their results.

mod outages;
mod plot;
mod random;
mod rules;
mod search;

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::{Play, SimArgs};
use super::exit::Verdict;
use super::out;
use ringmon_core::Word as _;
use ringmon_sim::scenario::{self, Report, Scenario, Setup};

/// One run, with the time and memory that it took on this machine.
pub(super) struct Run {
    setup: Setup,
    report: Report,
    wall: Duration,
    peak_mb: Option<u64>,
}

/// Runs what was asked for.
pub fn run(args: &SimArgs) -> anyhow::Result<Verdict> {
    match args.play {
        Play::List => list(),
        Play::All => scenarios(args, Scenario::ALL),
        Play::One(scenario) => scenarios(args, &[scenario]),
        Play::Random => random::run(args),
        Play::Rules => rules::run(args),
        Play::Outages => outages::run(args),
        Play::Search => search::run(args),
    }
}

fn scenarios(args: &SimArgs, scenarios: &[Scenario]) -> anyhow::Result<Verdict> {
    let mut runs = Vec::new();
    for setup in scenarios.iter().flat_map(|scenario| setups(args, *scenario)) {
        let done = live(setup);
        if args.json {
            out::line(&as_json(&done).to_string())?;
        }
        runs.push(done);
    }
    if !args.json {
        show(&runs, args.markdown)?;
    }
    if let Some(folder) = &args.svg {
        plot::draw(folder, &runs)?;
    }
    let well = runs.iter().all(|r| r.report.wrong.is_empty());
    Ok(if well { Verdict::Ok } else { Verdict::NotHealthy })
}

fn list() -> anyhow::Result<Verdict> {
    let mut table = out::table(&["SCENARIO", "WHAT HAPPENS, AND WHAT IS RIGHT"]);
    for &scenario in Scenario::ALL {
        table.add_row([scenario.word(), scenario.about()]);
    }
    out::line(&table.to_string())?;
    Ok(Verdict::Ok)
}

fn setups(args: &SimArgs, scenario: Scenario) -> impl Iterator<Item = Setup> {
    let us = Duration::from_micros;
    let (least, most) = args.statement_us;
    args.servers.iter().map(move |servers| Setup {
        scenario,
        servers: usize::try_from(*servers).unwrap_or(usize::MAX),
        seed: args.seed,
        profile: args.profile,
        loss_permille: args.loss.into(),
        latency: (us(args.delay_us), us(args.delay_us.saturating_add(args.jitter_us))),
        statement: (us(least), us(most)),
    })
}

fn live(setup: Setup) -> Run {
    forget_peak();
    let began = Instant::now();
    let mut bar = Bar::default();
    let name = format!("{} {}", setup.scenario.word(), setup.servers);
    let report = scenario::run(&setup, &mut |word, at, ring| {
        bar.say(|| format!("{name}: {word}, {:.2} s simulated, ring of {ring}", at.as_secs_f64()));
    });
    bar.clear();
    Run { setup, report, wall: began.elapsed(), peak_mb: peak_mb() }
}

/// Shows on a terminal how far it is.
#[derive(Default)]
pub(super) struct Bar {
    shown: Option<Instant>,
}

impl Bar {
    fn say(&mut self, words: impl FnOnce() -> String) {
        let due = self.shown.is_none_or(|last| last.elapsed() > Duration::from_millis(100));
        if due && std::io::stderr().is_terminal() {
            self.shown = Some(Instant::now());
            eprint!("\r\x1b[K{}", words());
            let _ = std::io::stderr().flush();
        }
    }

    fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Starts the count of the peak again, where the kernel allows it: see `clear_refs` in proc(5).
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kb| kb / 1024)
}

fn ms(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e4).round() / 10.0
}

/// For each server and second.
fn rate(many: u64, run: &Run) -> f64 {
    let servers = u32::try_from(run.setup.servers).map_or(f64::MAX, f64::from);
    let many = u32::try_from(many / 1000).map_or(f64::MAX, f64::from) * 1000.0
        + f64::from(u16::try_from(many % 1000).unwrap_or(0));
    (many / servers / run.report.span.as_secs_f64() * 100.0).round() / 100.0
}

/// Committed transactions for each removed server.
fn per_removal(report: &Report) -> Option<f64> {
    let all = u32::try_from(report.commits).ok().map(f64::from)?;
    let removals = u32::try_from(report.removals).ok().filter(|n| *n > 0).map(f64::from)?;
    Some((all / removals * 100.0).round() / 100.0)
}

fn as_json(run: &Run) -> Value {
    let Run { setup, report, .. } = run;
    let at = |percent| report.detected(percent).map(ms);
    json!({
        "scenario": setup.scenario.word(), "servers": setup.servers, "seed": setup.seed, "profile": setup.profile,
        "loss_permille": setup.loss_permille,
        "latency_us": [setup.latency.0.as_micros(), setup.latency.1.as_micros()],
        "statement_us": [setup.statement.0.as_micros(), setup.statement.1.as_micros()],
        "ok": report.wrong.is_empty(), "wrong": report.wrong,
        "dead": report.dead, "detected": report.detection.len(),
        "detect_p50_ms": at(50), "detect_p99_ms": at(99), "detect_max_ms": at(100),
        "dead_removed_max_ms": report.removal.last().copied().map(ms), "frozen": report.frozen,
        "healed_ms": report.healed.map(ms), "removals": report.removals, "false_removals": report.false_removals.len(),
        "transactions": report.commits, "transactions_per_removal": per_removal(report),
        "probes_per_server_s": rate(report.traffic.probes, run),
        "notices_per_server_s": rate(report.traffic.notices, run),
        "simulated_s": report.span.as_secs_f64(), "wall_s": run.wall.as_secs_f64(), "peak_rss_mb": run.peak_mb,
    })
}

fn show(runs: &[Run], markdown: bool) -> anyhow::Result<()> {
    let mut table = out::table(&[
        "SCENARIO",
        "SERVERS",
        "DEAD",
        "SEEN p50/p99/max ms",
        "DEAD GONE max ms",
        "HEALED ms",
        "REMOVED",
        "FALSELY",
        "TX/REMOVAL",
        "PROBES/s",
        "NOTICES/s",
        "MB",
        "WALL s",
        "OUTCOME",
    ]);
    let or_dash = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| v.to_string());
    for run in runs {
        let report = &run.report;
        let seen = [50, 99, 100].map(|p| or_dash(report.detected(p).map(ms)));
        table.add_row([
            run.setup.scenario.word().to_owned(),
            run.setup.servers.to_string(),
            report.dead.to_string(),
            seen.join(" / "),
            or_dash(report.removal.last().copied().map(ms)),
            or_dash(report.healed.map(ms)),
            report.removals.to_string(),
            report.false_removals.len().to_string(),
            or_dash(per_removal(report)),
            rate(report.traffic.probes, run).to_string(),
            rate(report.traffic.notices, run).to_string(),
            run.peak_mb.map_or_else(|| "-".to_owned(), |mb| mb.to_string()),
            format!("{:.1}", run.wall.as_secs_f64()),
            if report.wrong.is_empty() { "right" } else { "WRONG" }.to_owned(),
        ]);
    }
    if markdown {
        table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    }
    out::line(&table.to_string())?;
    if let Some(Run { setup, .. }) = runs.first() {
        let us = |(least, most): (Duration, Duration)| format!("{} to {} us", least.as_micros(), most.as_micros());
        let (frame, statement) = (us(setup.latency), us(setup.statement));
        let loss = setup.loss_permille;
        out::line(&format!(
            "\nseed {}; latency: a frame takes {frame}; loss: {loss} in 1000 frames; \
             statement: {statement} (a transaction counts as one)",
            setup.seed
        ))?;
    }
    for run in runs {
        for wrong in &run.report.wrong {
            out::line(&format!("{} {}: {wrong}", run.setup.scenario.word(), run.setup.servers))?;
        }
    }
    Ok(())
}
