//! Load on the store, beside the naive design in the same database: what `cargo xtask bench store` runs.
//!
//! ```text
//!   main -> Target (servers, one database a size) -> fill -> cases: ours | naive -> meter -> a JSON line -> ring
//! ```
//!
//! Each line of stdout is a [`StoreLine`]; progress goes to stderr. Everything is on loopback and in a temporary
//! folder, and is removed afterwards, also after Ctrl-C.

mod cases;
mod distance;
mod fill;
mod meter;
mod naive;
mod ours;
mod place;
mod ring;
mod target;
mod writer;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use ringmon_tests::bench::store::{Design, StoreLine, What};
use ringmon_tests::engine::Engine;
use ringmon_tests::undo;

use target::Target;

/// What to measure; `cargo xtask bench store` explains it.
#[derive(Debug, Parser)]
#[command(name = "store")]
pub struct Options {
    /// Which databases.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,mariadb")]
    engines: Vec<Engine>,
    /// How many servers the pools have.
    #[arg(long, value_delimiter = ',', default_value = "100,10000,1000000",
        value_parser = clap::value_parser!(u32).range(8..=10_000_000))]
    sizes: Vec<u32>,
    /// How many writers there are at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=500))]
    writers: u32,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Only these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<What>,
    /// The memory of each server for pages, in MiB.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(16..=65_536))]
    buffer_pool: u32,
    /// How far away the servers are, in ms.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    round_trip: u32,
    /// Cargo adds this when it runs a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn span(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn wants(&self, what: What) -> bool {
        self.only.is_empty() || self.only.contains(&what)
    }

    /// One line, still without numbers, for everything that is measured at a size.
    fn lines<'o>(&'o self, target: &'o Target, servers: u32) -> impl Iterator<Item = StoreLine> + 'o {
        let designs = |what: What| what.designs().iter().map(move |design| (what, *design));
        let wanted = What::ALL.into_iter().filter(|what| self.wants(*what)).flat_map(designs);
        wanted.map(move |(what, design)| self.line(target, servers, what, design))
    }

    fn line(&self, target: &Target, servers: u32, what: What, design: Design) -> StoreLine {
        StoreLine {
            bench: "store".to_owned(),
            engine: target.engine.name().to_owned(),
            version: target.version.clone(),
            buffer_pool_mib: (target.engine != Engine::Sqlite).then_some(self.buffer_pool),
            round_trip_ms: (target.engine != Engine::Sqlite).then_some(self.round_trip),
            servers,
            what,
            design,
            writers: cases::at_once(what, self.writers, servers),
            numbers: None,
            ring_ok: None,
            problem: None,
        }
    }
}

fn main() -> ExitCode {
    // Ctrl-C also removes the temporary folder. The servers end with this process.
    undo::end_by_signal(130);
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if everything could be measured and every ring was whole.
fn run(options: &Options) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let mut whole = true;
    for engine in &options.engines {
        eprintln!("starting {engine}");
        let round_trip = Duration::from_millis(options.round_trip.into());
        let target = runtime.block_on(Target::start(*engine, options.buffer_pool, round_trip))?;
        for servers in &options.sizes {
            whole &= runtime.block_on(of_size(options, &target, *servers))?;
        }
    }
    Ok(whole)
}

/// Everything at one size. What fails becomes a line with a problem, and the next measurement starts fresh.
async fn of_size(options: &Options, target: &Target, servers: u32) -> anyhow::Result<bool> {
    eprintln!("filling a pool of {servers} servers on {}", target.engine);
    let database = match target.database(servers).await {
        Ok(database) => database,
        Err(error) => {
            for line in options.lines(target, servers) {
                say(&StoreLine { problem: Some(format!("cannot fill the pool: {error:#}")), ..line })?;
            }
            return Ok(false);
        }
    };
    let mut whole = true;
    for mut line in options.lines(target, servers) {
        match cases::measure(options, target, &database, &line).await {
            Ok(numbers) => line.numbers = Some(numbers),
            Err(error) => line.problem = Some(format!("{error:#}")),
        }
        if line.what.writes() {
            let damage = ring::check(&database, servers).await.unwrap_or_else(|error| Some(format!("{error:#}")));
            line.ring_ok = Some(damage.is_none());
            line.problem = line.problem.or(damage);
        }
        undo::stand_still_if_ending();
        whole &= line.problem.is_none();
        say(&line)?;
    }
    target.drop_database(&database).await?;
    Ok(whole)
}

fn say(line: &StoreLine) -> anyhow::Result<()> {
    let text = serde_json::to_string(line).context("a measurement that is no JSON")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("nobody reads the results")
}
