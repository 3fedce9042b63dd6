//! All checks and tests in one command.

pub mod engines;
mod tally;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ringmon_tests::census::{self, Census};

use crate::{bpf, build, progress, setup};
use engines::Engines;
use tally::Tally;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Run only tests whose name contains this, without format, lints, documentation and the core without std.
    filter: Option<String>,
    /// Which databases the store's suite runs on, with commas between: sqlite, mariadb, mysql, galera; or all [default:
    /// sqlite,mariadb].
    ///
    /// Each engine gets a line of JSON with the tests run, passed and failed; all together get a table with the time of
    /// every test. An engine that cannot be had is a failure, and so is one on which nothing ran. mysql is Oracle's,
    /// from Debian's unstable suite, unpacked into target/tools; galera is three MariaDB nodes, all of them written to.
    /// For example, the store alone on all of them: `cargo xtask test store::tests --engines all`
    #[arg(long, value_name = "LIST|all")]
    engines: Option<Engines>,
}

impl Options {
    pub fn purposes(&self) -> Vec<setup::For> {
        let mut purposes = setup::TESTS.to_vec();
        purposes.extend(self.engines.iter().flat_map(Engines::purposes));
        purposes
    }
}

struct Row {
    stage: String,
    tally: Tally,
    took: Duration,
}

/// Runs everything, whatever fails, and ends with one line: `N passed, N failed`.
///
/// # Errors
/// The build failed, or leftovers cannot be looked for. Failing tests are exit code 1.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    let run = std::process::id().to_string();
    let before = Census::take()?;
    let netns = is_mount(NETNS);
    build::all_for_tests(root)?;
    let mut rows = vec![Row { stage: "build".to_owned(), tally: Tally::check(true), took: begin.elapsed() }];
    if options.filter.is_none() {
        for (stage, commands) in checks(root) {
            rows.push(timed(stage, || check(stage, commands)));
        }
    }
    let filter = options.filter.as_deref();
    let mut suite = suite(root, filter);
    rows.push(timed("tests", || tally::count("running all tests", suite.env(census::RUN, &run))));
    rows.extend(engines::run(root, options.engines.as_ref(), filter, (census::RUN, &run))?);
    if !netns {
        put_back_netns();
    }
    rows.push(timed("leftovers", || leftovers(&run, &before)));
    Ok(summary(&rows, begin.elapsed()))
}

fn timed(stage: &str, work: impl FnOnce() -> Tally) -> Row {
    let begin = Instant::now();
    let tally = work();
    Row { stage: stage.to_owned(), tally, took: begin.elapsed() }
}

/// Format, lints, documentation, and what the core needs: each passes or fails as one.
fn checks(root: &Path) -> Vec<(&'static str, Vec<Command>)> {
    let cargo = |args: &[&str]| {
        let mut command = build::cargo(root);
        command.args(args);
        command
    };
    let mut format = vec![cargo(&["fmt", "--all", "--check"])];
    if root.join("ringmon-ebpf/Cargo.toml").exists() {
        format.push(cargo(&["fmt", "--manifest-path", "ringmon-ebpf/Cargo.toml", "--check"]));
    }
    let bpf_lints = bpf::clippy(root, &setup::linker(root));
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        ("format", format),
        ("lints", vec![cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), bpf_lints]),
        ("documentation", vec![doc]),
        ("core without std", vec![core_alone(root)]),
    ]
}

/// Builds the core for a target that has no standard library, so that neither it nor a crate below it can use one.
///
/// For this machine's target all members of the workspace are built together, and what one of them asks of a crate
/// (serde's `std`) all of them get; then even `f64::ln` is there, which is std's.
fn core_alone(root: &Path) -> Command {
    let mut command = build::cargo(root);
    command.args(["build", "--locked", "--package", "ringmon-core"]);
    // `core` and `alloc` are compiled along, and `RUSTC_BOOTSTRAP` lets the stable compiler do that: see bpf.rs.
    command.args(["-Z", "build-std=core,alloc", "--target", "x86_64-unknown-none"]).env("RUSTC_BOOTSTRAP", "1");
    command.arg("--target-dir").arg(root.join("target/no-std"));
    command
}

fn check(stage: &str, commands: Vec<Command>) -> Tally {
    let mut tally = Tally::default();
    for mut command in commands {
        let result = progress::aloud(stage, &mut command);
        if let Err(error) = &result {
            progress::say(&format!("{error:#}"));
        }
        tally += Tally::check(result.is_ok());
    }
    tally
}

/// All tests but those that run engine by engine, with one command, so that nothing is compiled twice. Labs wait for
/// each other by themselves.
fn suite(root: &Path, filter: Option<&str>) -> Command {
    let mut command = build::cargo(root);
    command.args(["test", "--workspace", "--no-fail-fast", "--"]).args(filter).args(engines::left_out());
    // A failure of the lab says by itself where it was.
    command.env("RUST_LIB_BACKTRACE", "0");
    command
}

/// Where ip(8) keeps named namespaces. The first `ip netns add` on a machine mounts it onto itself, for good.
const NETNS: &str = "/run/netns";

fn is_mount(place: &str) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(place))
}

/// Takes that mount off again if nobody uses it.
fn put_back_netns() {
    let empty = std::fs::read_dir(NETNS).is_ok_and(|mut entries| entries.next().is_none());
    while empty && is_mount(NETNS) {
        if let Err(error) = nix::mount::umount(NETNS) {
            progress::say(&format!("cannot unmount {NETNS}: {error}"));
            return;
        }
    }
}

/// Namespaces, mounts, interfaces, programs and processes must be the same as before.
fn leftovers(run: &str, before: &Census) -> Tally {
    match Census::leftovers(run, before) {
        Ok(left) => {
            for one in &left {
                progress::say(&format!("left behind: {one}"));
            }
            Tally::check(left.is_empty())
        }
        Err(error) => {
            progress::say(&format!("{error:#}"));
            Tally::check(false)
        }
    }
}

fn summary(rows: &[Row], took: Duration) -> ExitCode {
    let mut all = Tally::default();
    progress::print("");
    for row in rows {
        let Tally { passed, failed, ignored } = row.tally;
        let skipped = if ignored > 0 { format!(", {ignored} skipped: nothing may be skipped") } else { String::new() };
        let line = format!("{:<28} {passed:>5} passed {failed:>4} failed {:>7.1} s", row.stage, row.took.as_secs_f32());
        progress::print(&format!("{line}{skipped}"));
        all += row.tally;
    }
    progress::print(&format!("wall time {} min {} s", took.as_secs() / 60, took.as_secs() % 60));
    let failed = all.failed + all.ignored;
    progress::print(&format!("{} passed, {failed} failed", all.passed));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
