//! `ringmon sim outages`: what outages and loss can do to a living server.

use std::num::NonZero;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Bar, ms};
use crate::cli::args::SimArgs;
use crate::cli::exit::Verdict;
use crate::cli::out;
use ringmon_core::{Profile, Word as _};
use ringmon_sim::outage::{Chance, Reach, Trial, by_chance, suspects, trial, wilson};

mod lessons;

/// 20 ms is one of them because by default some of those are seen and some are not: that is where the model can be
/// wrong.
const LENGTHS_MS: [u64; 6] = [10, 20, 50, 100, 200, 500];
/// The share of round trips that get lost.
const LOSSES: [f64; 4] = [0.001, 0.01, 0.1, 0.36];

/// All outages of one length and reach.
struct Cell {
    length: Duration,
    reach: Reach,
    model: f64,
    trials: u32,
    suspected: u32,
    unrouted: u32,
    removed: u32,
    /// Second outages after a removal, and how many of them removed again.
    again: (u32, u32),
}

/// Simulates all of them.
pub fn run(args: &SimArgs) -> anyhow::Result<Verdict> {
    let profile = args.profile;
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = args.threads.map_or(processors, usize::from);
    let began = Instant::now();
    let mut bar = Bar::default();
    let mut cells = Vec::new();
    for &reach in Reach::ALL {
        for length in LENGTHS_MS.map(Duration::from_millis) {
            bar.say(|| format!("{} outages of {} ms", reach.word(), length.as_millis()));
            cells.push(cell(args, profile, length, reach, threads));
        }
    }
    let lessons = lessons::run(args, &mut bar, threads);
    let mut chances = Vec::new();
    for share in LOSSES {
        bar.say(|| format!("{} % of round trips lost", share * 100.0));
        chances.push((share, chance(args, profile, share, threads)));
    }
    bar.clear();
    if args.json {
        lessons::as_json(args, &lessons)?;
        return as_json(args, profile, &cells, &chances);
    }
    show_outages(args, &cells)?;
    lessons::show(args, &lessons)?;
    show_chances(args, &chances)?;
    out::line(&format!("\nprofile {}, seed {}; {:.0} s", profile.word(), args.seed, began.elapsed().as_secs_f64()))?;
    Ok(Verdict::Ok)
}

/// Runs `many` pieces of work on `threads` threads, and returns all results.
fn spread<T: Send>(threads: usize, many: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (threads, work) = (threads.max(1) as u64, &work);
    std::thread::scope(|scope| {
        let each = |first| scope.spawn(move || (first..many).step_by(threads as usize).map(work).collect::<Vec<T>>());
        let all: Vec<_> = (0..threads).map(each).collect();
        // A thread that panicked has printed why. Its share is missing from the count of trials.
        all.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn cell(args: &SimArgs, profile: Profile, length: Duration, reach: Reach, threads: usize) -> Cell {
    let all: Vec<Trial> =
        spread(threads, args.trials.into(), |index| trial(profile, args.seed.wrapping_add(index), length, reach));
    let count = |so: fn(&Trial) -> bool| u32::try_from(all.iter().filter(|t| so(t)).count()).unwrap_or(u32::MAX);
    let one = suspects(&profile.tuning(), length);
    Cell {
        length,
        reach,
        model: if reach == Reach::Shared { 1.0 - (1.0 - one).powi(2) } else { one },
        trials: count(|_| true),
        suspected: count(|t| t.suspected),
        unrouted: count(|t| t.unrouted),
        removed: count(|t| t.removed),
        again: (count(|t| t.again.is_some()), count(|t| t.again == Some(true))),
    }
}

/// The probes are shared by this many watches, whatever the number of processors is: so one seed has one result.
const WATCHES: u64 = 16;

fn chance(args: &SimArgs, profile: Profile, share: f64, threads: usize) -> Chance {
    let each = args.probes.div_ceil(WATCHES);
    let all = spread(threads, WATCHES, |index| {
        by_chance(profile, args.seed.wrapping_mul(0x9e37).wrapping_add(index), share, each)
    });
    all.into_iter().fold(Chance::default(), Chance::and)
}

/// A share in per cent, and its bounds.
fn share(times: u32, of: u32) -> String {
    let (low, high) = wilson(times, of);
    if of == 0 {
        return "-".to_owned();
    }
    let percent = f64::from(times) / f64::from(of) * 100.0;
    format!("{percent:.1} % ({:.1} to {:.1})", low * 100.0, high * 100.0)
}

fn print(args: &SimArgs, mut table: comfy_table::Table) -> anyhow::Result<()> {
    if args.markdown {
        table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    }
    out::line(&table.to_string())
}

fn show_outages(args: &SimArgs, cells: &[Cell]) -> anyhow::Result<()> {
    let head = ["OUTAGE", "OF", "TRIALS", "SUSPECTED", "MODEL", "OUT OF ROUTES", "REMOVED", "BY A SECOND ONE"];
    let mut table = out::table(&head);
    for cell in cells {
        table.add_row([
            format!("{} ms", cell.length.as_millis()),
            cell.reach.word().to_owned(),
            cell.trials.to_string(),
            share(cell.suspected, cell.trials),
            format!("{:.1} %", cell.model * 100.0),
            share(cell.unrouted, cell.trials),
            share(cell.removed, cell.trials),
            share(cell.again.1, cell.again.0),
        ]);
    }
    print(args, table)
}

fn show_chances(args: &SimArgs, chances: &[(f64, Chance)]) -> anyhow::Result<()> {
    let mut table = out::table(&[
        "LOSS",
        "PROBES",
        "WATCH-HOURS",
        "n MEAN (LEAST)",
        "SUSPICIONS",
        "EXPECTED/h",
        "AT ALPHA/h",
        "REMOVALS/SERVER-YEAR",
    ]);
    for (share, chance) in chances {
        table.add_row([
            format!("{:.1} %", share * 100.0),
            chance.probes.to_string(),
            format!("{:.0}", chance.hours),
            format!("{:.1} ({})", chance.needed.0, chance.needed.1),
            chance.suspicions.to_string(),
            format!("{:.1e}", chance.hourly()),
            format!("{:.1e}", at_alpha(chance)),
            format!("{:.1e}", chance.removals_a_year()),
        ]);
    }
    out::line("")?;
    print(args, table)
}

/// What the model allows in an hour.
fn at_alpha(chance: &Chance) -> f64 {
    ringmon_core::loss::ALPHA * chance.probes as f64 / chance.hours
}

fn as_json(args: &SimArgs, profile: Profile, cells: &[Cell], chances: &[(f64, Chance)]) -> anyhow::Result<Verdict> {
    for cell in cells {
        out::line(
            &json!({
                "outage_ms": ms(cell.length), "reach": cell.reach.word(), "profile": profile, "seed": args.seed,
                "trials": cell.trials, "suspected": cell.suspected, "suspected_model": cell.model,
                "out_of_routes": cell.unrouted, "removed": cell.removed,
                "second_trials": cell.again.0, "second_removed": cell.again.1,
            })
            .to_string(),
        )?;
    }
    for (share, chance) in chances {
        out::line(
            &json!({
                "loss": share, "profile": profile, "seed": args.seed, "probes": chance.probes,
                "watch_hours": chance.hours, "needed_mean": chance.needed.0, "needed_least": chance.needed.1,
            "suspicions": chance.suspicions, "expected_an_hour": chance.hourly(),
                "at_alpha_an_hour": at_alpha(chance),
                "removals_a_server_year": chance.removals_a_year(),
            })
            .to_string(),
        )?;
    }
    Ok(Verdict::Ok)
}
