//! `ringmon sim random`: many small pools, as many at a time as there are processors.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Bar, forget_peak, peak_mb};
use crate::cli::args::SimArgs;
use crate::cli::exit::Verdict;
use crate::cli::out;
use ringmon_core::{Rule, Word as _};
use ringmon_sim::random::{Kind, Life, Options, live};

/// The results of all pools together.
#[derive(Debug, Default)]
struct Sum {
    pools: u64,
    servers: usize,
    faults: BTreeMap<Kind, u64>,
    removals: u64,
    rejoins: u64,
    span: Duration,
    failed: Vec<(u64, Vec<String>)>,
}

impl Sum {
    fn add(&mut self, seed: u64, life: Life) {
        self.pools += 1;
        self.servers += life.servers;
        for (kind, many) in life.faults {
            *self.faults.entry(kind).or_default() += many;
        }
        self.removals += life.removals;
        self.rejoins += life.rejoins;
        self.span += life.span;
        if !life.wrong.is_empty() {
            self.failed.push((seed, life.wrong));
        }
    }
}

/// How many failures are printed one by one.
const TOLD: usize = 20;

/// Simulates all pools.
pub fn run(args: &SimArgs) -> anyhow::Result<Verdict> {
    let many = args.seeds.unwrap_or(if args.loud { 1 } else { 1000 });
    let options = Options { without: args.without.clone(), loud: args.loud };
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = args.threads.map_or(processors, usize::from);
    forget_peak();
    let began = Instant::now();
    let sum = all(args.seed, many, threads, &options);
    let wall = began.elapsed();
    if args.json {
        out::line(&as_json(args, &sum, wall).to_string())?;
    } else {
        show(args, &sum, wall)?;
    }
    Ok(if sum.failed.is_empty() { Verdict::Ok } else { Verdict::NotHealthy })
}

fn all(first: u64, many: u64, threads: usize, options: &Options) -> Sum {
    let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let mut sum = Sum::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (tell, next, over) = (tell.clone(), &next, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let seed = first.wrapping_add(index);
                    if index >= many || tell.send((seed, live(seed, options))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(tell);
        let mut bar = Bar::default();
        for (seed, life) in told {
            sum.add(seed, life);
            bar.say(|| format!("{} of {many} pools, {} wrong", sum.pools, sum.failed.len()));
        }
        bar.clear();
        over.store(true, Ordering::Relaxed);
    });
    sum.failed.sort_unstable();
    sum
}

/// The command that simulates one pool again, in full.
fn again(args: &SimArgs, seed: u64) -> String {
    let words: Vec<String> = args.without.iter().map(Rule::to_string).collect();
    let without = if words.is_empty() { String::new() } else { format!(" --without {}", words.join(",")) };
    format!("ringmon sim random --seed {seed}{without} --loud")
}

fn show(args: &SimArgs, sum: &Sum, wall: Duration) -> anyhow::Result<()> {
    for (seed, wrong) in sum.failed.iter().take(TOLD) {
        out::line(&format!("seed {seed}: {}\n    {}", wrong.join("; "), again(args, *seed)))?;
    }
    if sum.failed.len() > TOLD {
        out::line(&format!("and {} more seeds, which --json tells", sum.failed.len() - TOLD))?;
    }
    let mut table = out::table(&["FAULT", "TIMES"]);
    for (kind, many) in &sum.faults {
        table.add_row([kind.word(), &many.to_string()]);
    }
    out::line(&table.to_string())?;
    let peak = peak_mb().map_or_else(String::new, |mb| format!(", {mb} MB"));
    let seeds = format!("seeds {} to {}", args.seed, args.seed.wrapping_add(sum.pools.saturating_sub(1)));
    out::line(&format!(
        "\n{} pools ({seeds}), {} servers: {} removed, {} joined again, {} pools went wrong\n\
         {:.0} s simulated in {:.1} s{peak}",
        sum.pools,
        sum.servers,
        sum.removals,
        sum.rejoins,
        sum.failed.len(),
        sum.span.as_secs_f64(),
        wall.as_secs_f64(),
    ))
}

fn as_json(args: &SimArgs, sum: &Sum, wall: Duration) -> serde_json::Value {
    let faults: serde_json::Map<String, serde_json::Value> =
        sum.faults.iter().map(|(kind, many)| (kind.word().to_owned(), json!(many))).collect();
    let failed: Vec<serde_json::Value> = sum
        .failed
        .iter()
        .map(|(seed, wrong)| json!({ "seed": seed, "wrong": wrong, "again": again(args, *seed) }))
        .collect();
    let without: Vec<String> = args.without.iter().map(Rule::to_string).collect();
    json!({
        "pools": sum.pools, "first_seed": args.seed, "without": without, "servers": sum.servers, "faults": faults,
        "removals": sum.removals, "rejoins": sum.rejoins, "wrong": sum.failed.len(), "failed": failed,
        "simulated_s": sum.span.as_secs_f64(), "wall_s": wall.as_secs_f64(), "peak_rss_mb": peak_mb(),
    })
}
