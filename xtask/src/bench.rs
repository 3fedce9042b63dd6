//! Measurements that anybody can repeat.

mod outages;
mod output;
mod plan;
mod progress;
mod routes;
mod runner;
mod sick;
mod store;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use ringmon_tests::bench::case::{Asked, Case};
use ringmon_tests::bench::machine::Machine;
use ringmon_tests::bench::measurement::Measurement;
use ringmon_tests::bench::peers::Peer;
use ringmon_tests::bench::profile::Profile;
use ringmon_tests::census::Census;

use crate::progress::say;
use crate::{build, setup};
use output::Output;
use plan::{Plan, Tables};
use progress::Progress;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub enum Bench {
    /// How fast failures are seen, how often healthy servers are blamed, and what that costs.
    ///
    /// Makes pools of agents in network namespaces (an optimised build), breaks them again and again, and prints one
    /// table: silent crashes, agents killed and frozen, crashes under 20 % loss each way and under 16 processor hogs;
    /// the time from crash to committed removal; false suspicions and false removals of healthy servers under hogs,
    /// loss and both; processor time and memory of a quiet pool. A p99 is called so only from 100 trials on. With
    /// --peers the BFD of BIRD 2, of FRRouting and of keepalived, and keepalived's VRRP (Debian's bird2, frr and
    /// keepalived, installed if missing, their services not started) run in the same namespaces, suffer the same faults
    /// and are in the same table; and BIRD is as quick as each profile once more, to see what it costs.
    ///
    /// With --sick it also measures hosts that are not well, and prints a second table. For each condition there are
    /// crashes, and healthy servers that are watched: `young`: 0.7 s after all detectors started again; `fifo`: two
    /// hogs a processor at SCHED_FIFO 50 take 6 ms of each 10; `timers`: two threads a processor at SCHED_FIFO 50 sleep
    /// 100 us at a time; `quota`: each detector and a hog share 10 ms of processor time in 100 ms, without real-time
    /// priority; `memory`: each detector and a writer of files share less memory than they use; `loss-arp`: 20 % loss
    /// each way of all frames, those that resolve addresses too.
    ///
    /// Beside each measurement stands how late the machine woke a thread meanwhile, at the priority of an agent's
    /// sender. Trials that took more than twice the median are listed, with what the agents said of them.
    ///
    /// With the defaults and --peers it takes about an hour, with --sick too about four. Progress goes to stderr, the
    /// table to stdout. It also measures what else the machine does: let it do nothing else. Exit code 0: everything
    /// was measured and nothing was left behind, whether or not a target was met.
    ///
    /// For example: `cargo xtask bench detect --profiles fast --only crash,quiet,fifo --trials 20 --peers=bird`
    Detect(Detect),
    /// How many operations a second the server table takes, and how that grows with the pool, beside the naive design.
    ///
    /// Starts database servers of its own (and SQLite files), fills pools of 100, 10,000 and 1,000,000 servers, and
    /// lets 64 writers do what agents do, with the store's own operations: leave and join, remove after two votes, vote
    /// and withdraw, choose a random server, look at their rows; the last also at the pace of 10,000 idle agents, each
    /// over a new connection. In the same database, in turns, the naive design does the same: each change locks the
    /// pool's row first; a random server is ORDER BY RAND(). After everything that writes, the ring must be whole.
    /// Prints one table: ratios to the naive design, and growth from 10,000 servers to a million.
    ///
    /// With the defaults it takes about 20 minutes (not counting the build, which takes three). The writers share the
    /// machine with the database, so let it do nothing else. Exit code 0: everything was measured, every ring is whole,
    /// nothing was left behind, however fast it was.
    ///
    /// For example: `cargo xtask bench store --engines mariadb --sizes 100,10000 --seconds 3 --only splice,vote`
    Store(store::Options),
    /// How long clients are still sent to a server that is down, and how many of their requests fail.
    ///
    /// Five web servers in network namespaces run behind a HAProxy (Debian's, installed if missing), and eight clients
    /// ask it a hundred times a second each. Servers crash, fail, are drained and shut down, and the processes
    /// of their web servers are killed (there the agents check as often as they do by default). First ringmon's router
    /// tells HAProxy, which checks no server itself. Then, with the same faults, HAProxy uses its own checks alone, as
    /// they are by default and as fast as is sensible. Prints one table: the time from the fault to the last request
    /// that was sent to the server, and the requests that failed.
    ///
    /// With the defaults it takes about 65 minutes.
    ///
    /// For example: `cargo xtask bench routes --by ringmon,haproxy-fast --only crash --trials 20`
    Routes(routes::Options),
    /// What becomes of whole pools that lose their power, their switch, or the way between their halves.
    ///
    /// Makes a new pool of agents on a MariaDB in network namespaces for each trial. Power cut: all agents are killed
    /// and all ports cut, and each server is back at a random moment within 30 s, but for one. Switch: nobody hears
    /// anybody for a while, with the database in reach or not, with the carrier or without, and one server dies
    /// meanwhile. Halves: they do not hear each other for three seconds, and one is farther from the database. Prints
    /// one table: living servers that were removed, the time until the pool was whole, until the one that never came
    /// back was removed, and until a later crash was: the pool is not frozen. Nobody has to raise the brake.
    ///
    /// With the defaults it takes about 90 minutes.
    ///
    /// For example: `cargo xtask bench outages --only power-cut,halves-10 --trials 2`
    Outages(outages::Options),
}

/// What to measure of detection.
#[derive(Debug, clap::Args)]
pub struct Detect {
    /// Which profiles, with commas between: default, fast, turbo, gentle.
    /// (gentle probes once a second: 10 trials, of about 40 s each.)
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "default,fast,turbo")]
    profiles: Vec<Profile>,
    /// Only these, with commas between: quiet, crash, agent-kill, agent-stop, crash-loss, crash-hogs, hogs, loss,
    /// both, crash-commit; a condition of --sick, which is both its crashes and its healthy servers (crash-fifo: only
    /// the crashes); sick: all of these.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    only: Vec<Asked>,
    /// Also measure hosts that are not well: young, fifo, timers, quota, memory, loss-arp.
    #[arg(long)]
    sick: bool,
    /// Crashes in each measurement of crashes. For killed and frozen agents it is at most 20, unless --only names them
    /// or --sick is given.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    trials: u16,
    /// How long healthy servers are watched under each load, in seconds.
    #[arg(long, default_value_t = 60, value_name = "S", value_parser = clap::value_parser!(u16).range(1..=3_600))]
    seconds: u16,
    /// How many servers a pool has.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=50))]
    servers: u8,
    /// Where the server table is for crash-commit. For everything else it is in an SQLite file.
    #[arg(long, default_value = "sqlite", value_enum)]
    database: Tables,
    /// Also measure others: quiet, crash, hogs, loss, both. Without a list all four: bird, frr, keepalived-bfd (all
    /// three speak BFD), keepalived-vrrp. With commas between: only these.
    #[arg(long, value_delimiter = ',', num_args = 0..=1, require_equals = true, value_name = "LIST",
        default_missing_value = "bird,frr,keepalived-bfd,keepalived-vrrp")]
    peers: Vec<Peer>,
    /// Which build of the agents: `dist` is what packages ship, and takes twelve minutes to build; `debug` is slower,
    /// but there already if tests have run. Do not publish its numbers.
    #[arg(long, default_value = "release", value_parser = ["release", "dist", "debug"])]
    build: String,
    /// Write a JSON line for each measurement to this file; `-`: to stdout, and the table to stderr.
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Write the table to this file as well.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

impl Bench {
    /// What has to be installed.
    pub fn purposes(&self) -> Vec<setup::For> {
        match self {
            Self::Detect(detect) => detect.purposes(),
            Self::Store(options) => options.purposes(),
            Self::Routes(options) => options.purposes(),
            Self::Outages(_) => outages::Options::purposes(),
        }
    }
}

impl Detect {
    fn purposes(&self) -> Vec<setup::For> {
        let mut purposes = vec![setup::For::Build, setup::For::Lab];
        let plan = self.plan();
        if plan.needs_mariadb() {
            purposes.push(setup::For::MariaDb);
        }
        if plan.needs_peers() {
            purposes.push(setup::For::Peers);
        }
        purposes
    }

    /// Which cases `--only` names; none: it was not given.
    fn only(&self) -> Vec<Case> {
        self.only.iter().flat_map(|asked| asked.0.clone()).collect()
    }

    fn plan(&self) -> Plan {
        Plan::new(self)
    }
}

/// # Errors
/// The build failed, or a file cannot be written. Exit code 1 when something could not be measured or was left behind.
pub fn run(root: &Path, bench: &Bench) -> anyhow::Result<ExitCode> {
    match bench {
        Bench::Detect(options) => detect(root, options),
        Bench::Store(options) => store::run(root, options),
        Bench::Routes(options) => routes::run(root, options),
        Bench::Outages(options) => outages::run(root, options),
    }
}

fn detect(root: &Path, detect: &Detect) -> anyhow::Result<ExitCode> {
    let machine = Machine::look("detect");
    let mut lines = Output::open(detect.json.as_deref(), detect.markdown.as_deref())?;
    say(&machine.to_string());
    if machine.is_busy() {
        say("something else is running here: what is measured now is too slow and not repeatable");
    }
    lines.line(&serde_json::to_string(&machine).context("a machine that is no JSON")?)?;
    build::ringmon(root, &detect.build)?;
    let before = Census::take()?;
    let plan = detect.plan();
    let mut progress = Progress::new(plan.estimate());
    let mut all: Vec<Measurement> = Vec::new();
    runner::run(&plan, &mut progress, &mut |measurement| {
        lines.line(&serde_json::to_string(&measurement).context("a measurement that is no JSON")?)?;
        all.push(measurement);
        Ok(())
    })?;
    let left = Census::leftovers(&std::process::id().to_string(), &before)?;
    let text = table::text(&machine, &plan, &all);
    lines.table(&text)?;
    for one in &left {
        say(&format!("left behind: {one}"));
    }
    let failed = all.iter().filter(|one| one.problem.is_some()).count();
    say(&format!("{} of {} measurements in {}", all.len() - failed, all.len(), progress.took()));
    Ok(if failed == 0 && left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
