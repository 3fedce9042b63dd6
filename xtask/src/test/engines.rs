//! Runs the store's suite engine by engine. Prints a line for each engine and a matrix of all: what ran, what passed,
//! how long it took.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use ringmon_tests::engine::Engine;
use serde::Serialize;

use super::Row;
use super::tally::Tally;
use crate::{build, progress, setup};

/// Engines of an option, in order and once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines(Vec<Engine>);

impl FromStr for Engines {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(Engine::ALL.to_vec()));
        }
        let mut engines = text.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<Engine>, _>>()?;
        engines.sort_unstable();
        engines.dedup();
        Ok(Self(engines))
    }
}

/// Every run has these.
const DEFAULT: &[Engine] = &[Engine::Sqlite, Engine::MariaDb];

impl Engines {
    pub fn list(&self) -> &[Engine] {
        &self.0
    }

    /// SQLite is in the binary, and other tests need MariaDB too.
    pub fn purposes(&self) -> Vec<setup::For> {
        let purpose = |engine: &Engine| match engine {
            Engine::Sqlite => None,
            Engine::MariaDb => Some(setup::For::MariaDb),
            Engine::MySql => Some(setup::For::MySql),
            Engine::Galera => Some(setup::For::Galera),
        };
        self.0.iter().filter_map(purpose).collect()
    }
}

/// The names of an engine's tests contain this, and no other test's name does.
fn module(engine: Engine) -> String {
    format!("::on_{engine}::")
}

/// Arguments that keep these tests out of a run of everything else.
pub fn left_out() -> Vec<String> {
    Engine::ALL.into_iter().flat_map(|engine| ["--skip".to_owned(), module(engine)]).collect()
}

#[derive(Debug, Serialize)]
struct Line {
    engine: &'static str,
    version: String,
    tests: usize,
    passed: usize,
    failed: usize,
    seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    each: Vec<One>,
}

#[derive(Clone, Debug, Serialize)]
struct One {
    /// Without the engine.
    test: String,
    passed: bool,
    seconds: f64,
}

impl Line {
    /// How it counts in the summary: an engine without tests is a failure.
    fn tally(&self) -> Tally {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        if self.tests == 0 {
            Tally::check(false)
        } else {
            Tally { passed: count(self.passed), failed: count(self.failed), ignored: 0 }
        }
    }
}

/// Runs all engines in turn. Prints a JSON line for each, and the matrix. A file gets a JSON line with every test as
/// well.
///
/// # Errors
/// The tests cannot be found, or the file cannot be written.
pub(super) fn run(
    root: &Path,
    asked: Option<&Engines>,
    filter: Option<&str>,
    run: (&str, &str),
) -> anyhow::Result<Vec<Row>> {
    let binary = binary(root)?;
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for engine in asked.map_or(DEFAULT, |engines| engines.0.as_slice()) {
        let line = one(root, &binary, *engine, filter, run);
        let line = line.with_context(|| format!("the suite on {engine}"))?;
        // If you ask for one test, not every engine needs to have it.
        if line.tests > 0 || asked.is_some() || filter.is_none() {
            let took = Duration::from_secs_f64(line.seconds);
            rows.push(Row { stage: format!("store on {engine}"), tally: line.tally(), took });
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return Ok(rows);
    }
    let file = root.join("target/logs/engines.jsonl");
    let json: Vec<String> = lines.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    std::fs::create_dir_all(root.join("target/logs"))?;
    std::fs::write(&file, json.join("\n") + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    progress::print(&matrix(&lines));
    for line in &mut lines {
        line.each.clear();
        progress::print(&serde_json::to_string(line)?);
    }
    progress::say(&format!("every test of every engine, as JSON: {}", file.display()));
    Ok(rows)
}

/// The test binary of ringmon's library.
fn binary(root: &Path) -> anyhow::Result<PathBuf> {
    let mut command = build::cargo(root);
    command.args(["test", "--package", "ringmon", "--lib", "--no-run", "--message-format", "json"]);
    let output = command.stderr(Stdio::null()).output().context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let binary = messages.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    binary.context("cargo names no test binary of ringmon's library")
}

fn one(
    root: &Path,
    binary: &Path,
    engine: Engine,
    filter: Option<&str>,
    (key, run): (&str, &str),
) -> anyhow::Result<Line> {
    let begun = Instant::now();
    let version = engine.version()?;
    let test = || {
        let mut test = Command::new(binary);
        // Where cargo would run it.
        test.current_dir(root.join("ringmon")).env(key, run).env("RUST_LIB_BACKTRACE", "0").stdin(Stdio::null());
        test
    };
    let list = test().args(["--list", "--format", "terse"]).output().context("cannot list the tests")?;
    ensure!(list.status.success(), "cannot list the tests");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let module = module(engine);
    let names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| name.contains(&module) && filter.is_none_or(|filter| name.contains(filter)))
        .collect();
    progress::say(&format!("{} tests of the store on {engine}, {version}", names.len()));
    let mut each = Vec::new();
    if !names.is_empty() {
        // The times are only in the harness's JSON, which it prints only with an option that says that it may change.
        let mut command = test();
        command.env("RUSTC_BOOTSTRAP", "1").args(["-Z", "unstable-options", "--format", "json", "--report-time"]);
        command.args(["--include-ignored", "--exact"]).args(&names).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot run the tests")?;
        for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            let line = line.context("cannot read what the tests say")?;
            match Said::of(&line, &module) {
                Said::Ended(one, stdout) => {
                    let word = if one.passed { "ok" } else { "failed" };
                    progress::print(&format!("{word:>6} {:>7.2} s  {}", one.seconds, one.test));
                    if !one.passed {
                        progress::print(&stdout);
                    }
                    each.push(one);
                }
                Said::Slow(name) => progress::say(&format!("{name} takes its time")),
                Said::Nothing => {}
                Said::Other => progress::print(&line),
            }
        }
        child.wait().context("cannot wait for the tests")?;
    }
    each.sort_by(|a, b| a.test.cmp(&b.test));
    let passed = each.iter().filter(|one| one.passed).count();
    let (tests, seconds) = (names.len(), begun.elapsed().as_secs_f64());
    // A test without a result did not pass.
    Ok(Line { engine: engine.name(), version, tests, passed, failed: tests - passed, seconds, each })
}

/// One line of the harness.
enum Said {
    /// A test is over; its output comes with it.
    Ended(One, String),
    /// It has been running for over a minute.
    Slow(String),
    /// Other events: a test began, or the number of tests.
    Nothing,
    /// No JSON: another program's output.
    Other,
}

impl Said {
    fn of(line: &str, module: &str) -> Self {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { return Self::Other };
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        let test = text("name").replacen(module, "::", 1).trim_start_matches("store::tests::").to_owned();
        let seconds = (event["exec_time"].as_f64().unwrap_or_default() * 1000.0).round() / 1000.0;
        match (text("type"), text("event")) {
            ("test", what @ ("ok" | "failed")) => {
                Self::Ended(One { test, passed: what == "ok", seconds }, text("stdout").to_owned())
            }
            ("test", "timeout") => Self::Slow(test),
            _ => Self::Nothing,
        }
    }
}

/// Test by engine, in seconds.
fn matrix(lines: &[Line]) -> String {
    let mut names: Vec<&str> = lines.iter().flat_map(|line| &line.each).map(|one| one.test.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut text = String::from("\n| test |");
    for line in lines {
        let _ = write!(text, " {} {} |", line.engine, line.version);
    }
    let _ = write!(text, "\n|---|{}", "---|".repeat(lines.len()));
    for name in names {
        let _ = write!(text, "\n| {name} |");
        for line in lines {
            let _ = match line.each.iter().find(|one| one.test == name) {
                Some(one) if one.passed => write!(text, " {:.2} s |", one.seconds),
                Some(_) => write!(text, " FAILED |"),
                None => write!(text, " - |"),
            };
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Engine, Engines, Said, module};

    #[test]
    fn engines_are_read_once_each_and_unknown_ones_refused() {
        let read = |text: &str| text.parse::<Engines>();
        assert_eq!(read("galera,sqlite,galera"), Ok(Engines(vec![Engine::Sqlite, Engine::Galera])));
        assert_eq!(read("all").unwrap().0.len(), 4);
        assert!(read("oracle").unwrap_err().contains("sqlite, mariadb, mysql, galera"));
        assert!(read("").is_err());
    }

    #[test]
    fn the_end_of_a_test_is_read_from_the_harness() {
        let line = |event: &str| {
            format!(r#"{{"type":"test","event":"{event}","name":"store::tests::crowd::on_mysql::x","exec_time":1.5}}"#)
        };
        let said = |line: &str| Said::of(line, &module(Engine::MySql));
        let Said::Ended(one, _) = said(&line("ok")) else { panic!("it ended") };
        assert_eq!((one.test.as_str(), one.passed, one.seconds), ("crowd::x", true, 1.5));
        assert!(matches!(said(&line("failed")), Said::Ended(one, _) if !one.passed));
        assert!(matches!(said(&line("timeout")), Said::Slow(name) if name == "crowd::x"));
        assert!(matches!(said(&line("started")), Said::Nothing));
        assert!(matches!(said(r#"{"type":"suite","event":"ok","passed":1}"#), Said::Nothing));
        assert!(matches!(said("thread panicked"), Said::Other));
    }

    /// Only the store's tests run engine by engine. Any other test with such a name would run nowhere, and nobody would
    /// notice.
    #[test]
    fn nobody_else_has_a_module_that_is_left_out_everywhere_else() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut folders: Vec<_> = ["ringmon", "ringmon-common", "tests", "xtask"].map(|name| root.join(name)).into();
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs")
                    && !path.to_string_lossy().contains("store/tests")
                {
                    read += 1;
                    let text = std::fs::read_to_string(&path).unwrap();
                    let found = Engine::ALL
                        .into_iter()
                        .find(|engine| text.contains(&format!("mod {} {{", module(*engine).trim_matches(':'))));
                    assert_eq!(found, None, "{}", path.display());
                }
            }
        }
        assert!(read > 100, "{read} files");
    }
}
