//! Whole pools that lose their power, their switch, or the way between their halves.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use ringmon_tests::bench::machine::Machine;
use ringmon_tests::bench::outages::{Line, Trial, What, measure};
use ringmon_tests::census::Census;

use super::output::Output;
use super::progress::Progress;
use crate::progress::say;
use crate::{build, setup};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only these, with commas between: power-cut; switch-S, a switch that is away for S seconds; halves-MS, a cut
    /// between halves of which one is MS milliseconds farther from the database; lossy-PERCENT, the same where so many
    /// of a hundred packets between one half and the database are lost, each way. Without it: power-cut, switch-3,
    /// switch-30, switch-120, halves-0, -4, -10, -40, -100, lossy-5, -20.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    only: Vec<What>,
    /// How many pools for each of them.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    trials: u16,
    /// How many servers a pool has.
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=50))]
    servers: u8,
    /// Write a JSON line for each kind to this file; `-`: to stdout, and the table to stderr.
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Write the table to this file as well.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The seed of the random moments; without it, one from the clock, which is printed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl Options {
    pub fn purposes() -> Vec<setup::For> {
        vec![setup::For::Build, setup::For::Lab, setup::For::MariaDb]
    }
}

/// # Errors
/// The build failed, or a file cannot be written. Exit code 1 when something could not be measured or was left behind.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let machine = Machine::look("outages");
    let mut output = Output::open(options.json.as_deref(), options.markdown.as_deref())?;
    say(&machine.to_string());
    output.line(&serde_json::to_string(&machine).context("a machine that is no JSON")?)?;
    build::ringmon(root, "release")?;
    let before = Census::take()?;
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |at| at.as_secs());
    let seed = options.seed.unwrap_or_else(clock);
    say(&format!("random moments from seed {seed}"));
    let whats = if options.only.is_empty() { What::all() } else { options.only.clone() };
    let estimate = |what: &What| what.estimate() * options.trials.into();
    let mut progress = Progress::new(whats.iter().map(estimate).sum::<Duration>());
    let mut lines = Vec::new();
    for what in &whats {
        progress.next(&what.to_string(), estimate(what));
        let trials = usize::from(options.trials);
        let line = measure(*what, options.servers, trials, seed, &mut |done| {
            #[expect(clippy::cast_precision_loss, reason = "thousands of trials at most")]
            progress.share(done as f64 / trials as f64, &format!("trial {} of {trials}", done + 1));
        });
        progress.done(&line.problem.clone().unwrap_or_else(|| row(&line)));
        output.line(&serde_json::to_string(&line).context("a line that is no JSON")?)?;
        lines.push(line);
    }
    let left = Census::leftovers(&std::process::id().to_string(), &before)?;
    output.table(&table(&machine, &lines))?;
    for one in &left {
        say(&format!("left behind: {one}"));
    }
    let failed = lines.iter().filter(|line| line.problem.is_some()).count();
    say(&format!("{} of {} measurements in {}", lines.len() - failed, lines.len(), progress.took()));
    Ok(if failed == 0 && left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The median and the largest, in seconds.
fn seconds(line: &Line, of: impl Fn(&Trial) -> Option<f64>) -> String {
    let mut all: Vec<f64> = line.trials.iter().filter_map(of).collect();
    all.sort_by(f64::total_cmp);
    match (all.get(all.len().saturating_sub(1) / 2), all.last()) {
        (Some(median), Some(most)) => format!("{median:.2} / {most:.2}"),
        _ => "-".to_owned(),
    }
}

fn row(line: &Line) -> String {
    let removed: usize = line.trials.iter().map(|trial| trial.falsely.len()).sum();
    let pools = line.trials.iter().filter(|trial| !trial.falsely.is_empty()).count();
    format!(
        "{} | {} x {} | {removed} in {pools} pools | {} | {} | {}",
        line.what,
        line.trials.len(),
        line.servers,
        seconds(line, |trial| trial.whole_s),
        seconds(line, |trial| trial.absent_s),
        seconds(line, |trial| trial.crash_s),
    )
}

fn table(machine: &Machine, lines: &[Line]) -> String {
    let mut text = format!(
        "{machine}\n\nTimes in seconds, median / largest. Whole: from the last return until all that run hear their \
         buddies. Absent: from the beginning until the server that never came back was removed. Later crash: until \
         it was removed.\n\n\
         | what | pools x servers | living servers removed | whole | absent one removed | later crash removed |\n\
         |---|---|---|---|---|---|"
    );
    for line in lines {
        text.push_str(&format!("\n| {} |", row(line)));
    }
    for line in lines.iter().filter(|line| line.problem.is_some()) {
        text.push_str(&format!("\n\n{}: {}", line.what, line.problem.as_deref().unwrap_or_default()));
    }
    text
}
