//! Clients behind HAProxy while servers go down: told by ringmon, and by HAProxy's own checks.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use ringmon_tests::bench::machine::Machine;
use ringmon_tests::bench::routes::{By, Line, Scene, What};
use ringmon_tests::census::Census;
use ringmon_tests::database::Choice;

use super::output::Output;
use super::progress::Progress;
use crate::progress::say;
use crate::{build, setup};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Who tells HAProxy, with commas between: ringmon, haproxy-default, haproxy-fast.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "ringmon,haproxy-default,haproxy-fast")]
    by: Vec<By>,
    /// Only these faults, with commas between: crash, service, agent-kill, shutdown, drain,
    /// service-killed.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    only: Vec<What>,
    /// How many crashes for each of them, and how many killed services that ringmon tells of.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    trials: u16,
    /// How many of each other fault.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    others: u16,
    /// How many web servers there are.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=20))]
    servers: u8,
    /// Where the server table is.
    #[arg(long, default_value = "mariadb", value_enum)]
    database: Table,
    /// Which build of the agents: `debug` is slower, but there already if tests have run. Do not publish its numbers.
    #[arg(long, default_value = "release", value_parser = ["release", "debug"])]
    build: String,
    /// Write a JSON line for each measurement to this file; `-`: to stdout, and the table to stderr.
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Write the table to this file as well.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Table {
    /// In an SQLite file.
    Sqlite,
    /// In a MariaDB on the bridge.
    Mariadb,
}

impl Options {
    pub fn purposes(&self) -> Vec<setup::For> {
        vec![setup::For::Build, setup::For::Lab, setup::For::MariaDb, setup::For::Haproxy]
    }

    fn plan(&self) -> Vec<(By, Vec<(What, usize)>)> {
        let trials = |by: By, what: What| {
            let many = what == What::Crash || (what == What::ServiceKilled && by == By::Ringmon);
            usize::from(if many { self.trials } else { self.others })
        };
        let wanted = |what: &What| self.only.is_empty() || self.only.contains(what);
        let of = |by: By| -> Vec<(What, usize)> {
            let whats = What::ALL.into_iter().filter(|what| wanted(what) && by.suffers(*what));
            whats.map(|what| (what, trials(by, what))).collect()
        };
        self.by.iter().map(|by| (*by, of(*by))).collect()
    }
}

/// About how long one trial takes.
fn estimate(by: By, what: What) -> Duration {
    let ms = match (by, what) {
        (By::HaproxyDefault, _) => 11_000,
        (_, What::AgentKill) => 8_000,
        (_, What::Shutdown | What::ServiceKilled) => 7_000,
        (_, What::Crash | What::Service | What::Drain) => 5_000,
    };
    Duration::from_millis(ms)
}

/// # Errors
/// The build failed, or a file cannot be written. Exit code 1 when something could not be measured or was left behind.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let machine = Machine::look("routes");
    let mut output = Output::open(options.json.as_deref(), options.markdown.as_deref())?;
    say(&machine.to_string());
    if machine.is_busy() {
        say("something else is running here: what is measured now is too slow and not repeatable");
    }
    output.line(&serde_json::to_string(&machine).context("a machine that is no JSON")?)?;
    build::ringmon(root, &options.build)?;
    let before = Census::take()?;
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |at| at.as_secs());
    say(&format!("random moments from seed {seed}"));
    let plan = options.plan();
    let all: Duration = plan
        .iter()
        .flat_map(|(by, whats)| whats.iter().map(|(what, trials)| estimate(*by, *what) * count(*trials)))
        .sum();
    let mut progress = Progress::new(all);
    let mut lines: Vec<Line> = Vec::new();
    for (by, whats) in &plan {
        let mut scene = None;
        for (what, trials) in whats {
            progress.next(&format!("{by}, {what}"), estimate(*by, *what) * count(*trials));
            if *what == What::ServiceKilled {
                // It needs web servers that can be killed.
                scene = None;
            }
            let line = measure(&mut scene, options, *by, (*what, *trials), seed, &mut progress)?;
            progress.done(&summary(&line));
            output.line(&serde_json::to_string(&line).context("a line that is no JSON")?)?;
            if line.problem.is_some() {
                // A scene with a problem must not be measured as part of the next fault.
                scene = None;
            }
            lines.push(line);
        }
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

fn measure(
    scene: &mut Option<Scene>,
    options: &Options,
    by: By,
    (what, trials): (What, usize),
    seed: u64,
    progress: &mut Progress,
) -> anyhow::Result<Line> {
    let scene = match scene {
        Some(scene) => scene,
        slot => {
            let database = match options.database {
                Table::Sqlite => Choice::Sqlite,
                Table::Mariadb => Choice::MariaDb,
            };
            let start = if what == What::ServiceKilled { Scene::with_services } else { Scene::start };
            slot.insert(start(&options.build, by, options.servers, database, seed)?)
        }
    };
    Ok(scene.line(what, trials, &mut |done| {
        #[expect(clippy::cast_precision_loss, reason = "thousands of trials at most")]
        progress.share(done as f64 / trials.max(1) as f64, &format!("trial {done} of {trials}"));
    }))
}

fn count(trials: usize) -> u32 {
    u32::try_from(trials).unwrap_or(u32::MAX)
}

fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

fn times(line: &Line) -> String {
    let p99 = line.p99_ms.map_or(String::new(), |p99| format!("{p99:.0} / "));
    format!("{} / {p99}{}", ms(line.p50_ms), ms(line.max_ms))
}

fn summary(line: &Line) -> String {
    match &line.problem {
        Some(problem) => problem.clone(),
        None => format!("last request after {} ms, {} of {} failed", times(line), line.failed_requests, line.requests),
    }
}

/// One row for each fault, and two columns for each of those that told HAProxy.
fn table(machine: &Machine, lines: &[Line]) -> String {
    let mut by: Vec<By> = Vec::new();
    lines.iter().for_each(|line| {
        if !by.contains(&line.by) {
            by.push(line.by)
        }
    });
    let mut text = format!(
        "{machine}\n\nLast request sent to the server after the fault, in ms: \
        p50 / p99 (of 100 trials at least) / max; failed requests of all, and in the worst trial.\n\n| fault |"
    );
    for one in &by {
        text.push_str(&format!(" {one}: last request | failed |"));
    }
    text.push_str("\n|---|");
    text.push_str(&"---|---|".repeat(by.len()));
    for what in What::ALL {
        if !lines.iter().any(|line| line.fault == what) {
            continue;
        }
        text.push_str(&format!("\n| {what} |"));
        for one in &by {
            match lines.iter().find(|line| line.fault == what && line.by == *one) {
                None => text.push_str(" | |"),
                Some(line) => text.push_str(&format!(
                    " {} ({} trials) | {} of {}, {} |",
                    times(line),
                    line.trials,
                    line.failed_requests,
                    line.requests,
                    line.failed_most
                )),
            }
        }
    }
    for line in lines.iter().filter(|line| line.problem.is_some()) {
        text.push_str(&format!("\n\n{} by {}: {}", line.fault, line.by, line.problem.as_deref().unwrap_or_default()));
    }
    text
}
