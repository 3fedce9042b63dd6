//! `ringmon sim search`: every interleaving of small worlds.

use std::time::Duration;

use serde_json::json;

use super::Bar;
use crate::cli::args::SimArgs;
use crate::cli::exit::Verdict;
use crate::cli::out;
use ringmon_sim::search::{Case, End, Limits, Report, search};

/// More states than this do not fit into the memory of a small machine.
const STATES: usize = 20_000_000;
/// It is checked from one state of this many that everything ends well.
const EVERY: u64 = 20;

/// What became of one world.
enum Result {
    Right,
    Wrong,
    Unfinished,
}

/// Searches the worlds that were asked for.
pub fn run(args: &SimArgs) -> anyhow::Result<Verdict> {
    let limits = Limits { states: STATES, time: Duration::from_secs(60 * args.minutes.unwrap_or(1)), every: EVERY };
    let chosen = |case: &Case| match args.world.as_deref() {
        Some(name) => case.name == name,
        None => case.quick || args.minutes.is_some(),
    };
    let cases: Vec<Case> = Case::all().into_iter().filter(chosen).collect();
    if cases.is_empty() {
        let names: Vec<&str> = Case::all().iter().map(|case| case.name).collect();
        anyhow::bail!("there is no such world; they are {}", names.join(", "));
    }
    let mut table = out::table(&["WORLD", "WHAT HAPPENS", "STATES", "STEPS", "DEPTH", "SECONDS", "OUTCOME"]);
    let mut results = Vec::new();
    let mut stories = Vec::new();
    for case in cases {
        let mut bar = Bar::default();
        let report = search(&case.world, limits, &mut |report, waiting| {
            bar.say(|| format!("{}: {} states, depth {}, {waiting} wait", case.name, report.states, report.depth));
        });
        bar.clear();
        let (result, word) = judge(&case, &report);
        if args.json {
            out::line(&as_json(&case, &report, word).to_string())?;
        }
        let Report { states, steps, depth, took, .. } = &report;
        let seconds = format!("{:.1}", took.as_secs_f64());
        let numbers = [states.to_string(), steps.to_string(), depth.to_string(), seconds];
        let [states, steps, depth, seconds] = numbers;
        table.add_row([case.name, case.about, &states, &steps, &depth, &seconds, word]);
        if let End::Found { wrong, story, servers } = report.end
            && !case.breaks | args.loud
        {
            stories.push(format!("{}: {wrong}\n  {}\n    {}", case.name, story.join("\n  "), servers.join("\n    ")));
        }
        results.push(result);
    }
    if !args.json {
        out::line(&table.to_string())?;
        stories.iter().try_for_each(|story| out::line(&format!("\n{story}")))?;
    }
    let wrong = results.iter().filter(|result| matches!(result, Result::Wrong)).count();
    let unfinished = results.iter().filter(|result| matches!(result, Result::Unfinished)).count();
    if !args.json && wrong + unfinished > 0 {
        out::line(&format!(
            "\n{wrong} worlds went wrong, {unfinished} searches did not end (--minutes gives them more time)"
        ))?;
    }
    // Something wrong counts more than a search that did not end.
    Ok(match (wrong, unfinished) {
        (0, 0) => Verdict::Ok,
        (0, _) => Verdict::Unavailable,
        (_, _) => Verdict::NotHealthy,
    })
}

fn judge(case: &Case, report: &Report) -> (Result, &'static str) {
    match (&report.end, case.breaks) {
        (End::Complete, false) => (Result::Right, "every state seen, all promises hold"),
        (End::Complete, true) => (Result::Wrong, "NOTHING FOUND, and something must be"),
        (End::Found { .. }, true) => (Result::Right, "found what it must find"),
        (End::Found { .. }, false) => (Result::Wrong, "BROKEN, see below"),
        (End::Unfinished, _) => (Result::Unfinished, "not ended: nothing found up to this depth"),
    }
}

fn as_json(case: &Case, report: &Report, word: &str) -> serde_json::Value {
    let (wrong, story) = match &report.end {
        End::Found { wrong, story, .. } => (Some(wrong), Some(story)),
        End::Complete | End::Unfinished => (None, None),
    };
    json!({
        "world": case.name, "about": case.about, "searched": case.world.to_string(), "breaks": case.breaks,
        "states": report.states, "steps": report.steps, "depth": report.depth, "ended_well": report.ended_well,
        "complete": report.end == End::Complete, "wrong": wrong, "story": story, "outcome": word,
        "wall_s": report.took.as_secs_f64(),
    })
}
