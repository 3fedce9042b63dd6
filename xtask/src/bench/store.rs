//! Runs ringmon's bench target `store`, and makes a table from its lines.

mod table;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringmon_tests::bench::machine::Machine;
use ringmon_tests::bench::store::{StoreLine, What};
use ringmon_tests::census::{self, Census};
use ringmon_tests::undo::{self, Undo};

use super::output::Output;
use super::progress::Progress;
use crate::progress::say;
use crate::test::engines::Engines;
use crate::{build, progress, setup};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which databases, with commas between: sqlite, mariadb, mysql, galera; or all.
    #[arg(long, value_name = "LIST|all", default_value = "sqlite,mariadb")]
    engines: Engines,
    /// How many servers the pools have.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "100,10000,1000000",
        value_parser = clap::value_parser!(u32).range(8..=10_000_000))]
    sizes: Vec<u32>,
    /// How many writers there are at once.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    writers: u32,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 10, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Only these, with commas between: splice, removal, vote, pick, poll, idle, connect, connected.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    only: Vec<What>,
    /// The memory of each database server for pages, in MiB. A million servers take about 400.
    #[arg(long, default_value_t = 512, value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..=65_536))]
    buffer_pool: u32,
    /// How far away the database servers are: each answer comes this much later (and up to a millisecond more) than on
    /// loopback, where a lock that is held across round trips costs next to nothing.
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=1000))]
    round_trip: u32,
    /// Write a JSON line for each measurement to this file; `-`: to stdout, and the table to stderr.
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Write the table to this file as well.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
enum Build {
    /// For measuring.
    Optimised,
    /// For seeing whether it works.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test has no three minutes"))]
    Quick,
}

impl Options {
    pub fn purposes(&self) -> Vec<setup::For> {
        self.engines.purposes()
    }

    /// For the bench target.
    fn arguments(&self) -> Vec<String> {
        let list = |words: Vec<String>| words.join(",");
        let mut words = vec![
            "--engines".to_owned(),
            list(self.engines.list().iter().map(ToString::to_string).collect()),
            "--sizes".to_owned(),
            list(self.sizes.iter().map(ToString::to_string).collect()),
        ];
        let numbers = [
            ("--writers", u64::from(self.writers)),
            ("--seconds", self.seconds),
            ("--buffer-pool", self.buffer_pool.into()),
            ("--round-trip", self.round_trip.into()),
        ];
        words.extend(numbers.into_iter().flat_map(|(name, number)| [name.to_owned(), number.to_string()]));
        if !self.only.is_empty() {
            words.extend(["--only".to_owned(), list(self.only.iter().map(ToString::to_string).collect())]);
        }
        words
    }

    /// The measurements in order, and about how long each takes, with the filling before it.
    fn plan(&self) -> Vec<(String, Duration)> {
        let mut plan = Vec::new();
        let wanted = |what: &What| self.only.is_empty() || self.only.contains(what);
        for engine in self.engines.list() {
            for servers in &self.sizes {
                let mut before = Duration::from_millis(500) + Duration::from_micros(60) * *servers;
                for what in What::ALL.into_iter().filter(wanted) {
                    for design in what.designs() {
                        let check = if what.writes() { Duration::from_micros(5) * *servers } else { Duration::ZERO };
                        let span = Duration::from_secs(self.seconds) + Duration::from_millis(500) + check;
                        plan.push((format!("{engine}, {servers} servers, {what}, {}", design.name()), before + span));
                        before = Duration::ZERO;
                    }
                }
            }
        }
        plan
    }
}

/// # Errors
/// The build failed, or a file cannot be written. Exit code 1 when something could not be measured, a ring was broken
/// or something was left behind.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let machine = Machine::look("store");
    let mut output = Output::open(options.json.as_deref(), options.markdown.as_deref())?;
    say(&machine.to_string());
    if machine.is_busy() {
        say("something else is running here: what is measured now is too slow and not repeatable");
    }
    output.line(&serde_json::to_string(&machine).context("a machine that is no JSON")?)?;
    let binary = binary(root, Build::Optimised)?;
    let run = std::process::id().to_string();
    let before = Census::take()?;
    let plan = options.plan();
    let mut progress = Progress::new(plan.iter().map(|(_, estimate)| *estimate).sum());
    let mut all: Vec<StoreLine> = Vec::new();
    let next = |number: usize, progress: &mut Progress| {
        if let Some((what, estimate)) = plan.get(number) {
            progress.next(&format!("[{}/{}] {what}", number + 1, plan.len()), *estimate);
        }
    };
    next(0, &mut progress);
    let mut command = Command::new(binary);
    command.args(options.arguments()).env(census::RUN, &run);
    let ended = lines(command, &mut |text, line| {
        progress.done(&table::summary(&line));
        all.push(line);
        next(all.len(), &mut progress);
        output.line(text)
    })?;
    let left = Census::leftovers(&run, &before)?;
    output.table(&table::text(&machine, &all))?;
    for one in &left {
        say(&format!("left behind: {one}"));
    }
    let measured = all.iter().filter(|line| line.problem.is_none()).count();
    say(&format!("{measured} of {} measurements in {}", plan.len(), progress.took()));
    Ok(if ended && measured == plan.len() && left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the bench target, and returns its path.
fn binary(root: &Path, build: Build) -> anyhow::Result<PathBuf> {
    let command = || {
        let mut command = build::cargo(root);
        match build {
            Build::Optimised => command.arg("bench"),
            Build::Quick => command.args(["test", "--offline"]),
        };
        command.args(["--package", "ringmon", "--bench", "store", "--no-run"]);
        command
    };
    progress::aloud("building the load", &mut command())?;
    let named =
        command().args(["--message-format", "json"]).stderr(Stdio::null()).output().context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&named.stdout).into_owned();
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut store = messages.filter(|message| message["target"]["name"] == "store");
    let binary = store.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    binary.context("cargo names no bench target `store`")
}

/// Runs the bench target and passes on each of its lines; true if it ended well. A signal ends the bench target first,
/// and this waits until it has cleaned up.
fn lines(mut command: Command, each: &mut dyn FnMut(&str, StoreLine) -> anyhow::Result<()>) -> anyhow::Result<bool> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start the load")?;
    let out = child.stdout.take().context("the load has no stdout")?;
    let pid = Pid::from_raw(i32::try_from(child.id()).context("a process id that is none")?);
    let child = Arc::new(Mutex::new(child));
    let wait = |child: &Mutex<Child>| child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    let end = Undo::later({
        let child = Arc::clone(&child);
        move || {
            // A process that has ended has nothing to clean up.
            let _ = kill(pid, Signal::SIGTERM);
            let _ = wait(&child);
        }
    });
    let mut result = Ok(());
    for text in BufReader::new(out).lines() {
        let text = text.context("cannot read what the load says")?;
        let line = serde_json::from_str(&text).with_context(|| format!("the load says {text}"));
        result = line.and_then(|line| each(&text, line));
        if result.is_err() {
            break;
        }
    }
    undo::stand_still_if_ending();
    if result.is_err() {
        drop(end);
        return result.map(|()| false);
    }
    let status = wait(&child).context("cannot wait for the load")?;
    drop(end);
    ensure!(status.code().is_some(), "the load was killed: {status}");
    Ok(status.success())
}

#[cfg(test)]
mod tests;
