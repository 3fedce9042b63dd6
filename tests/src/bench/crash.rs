//! Crashes one server after the other, and measures how long it takes until a neighbour reports it.

use std::time::Duration;

use super::pace::Pace;
use super::pool::{Pool, Struck, ms, must, wait};
use super::reports::Kind;
use super::samples::Samples;
use super::slow::{Mind, Told, Trial, look_at, tell};
use crate::clock::now_ns;

/// How trials are spaced.
#[derive(Clone, Copy, Debug)]
pub struct Trials {
    /// The number of trials.
    pub count: usize,
    /// How long a watch rests before its server is struck again.
    pub calm: Duration,
    /// A blow comes at a random moment within this time, so that it meets probes at every phase.
    pub spread: Duration,
    /// A crash that was not seen after this time counts as not seen.
    pub limit: Duration,
    /// For the random moments.
    pub seed: u64,
}

/// The least time between the end of a trial and the next blow: neighbours may still react to the last one.
const GAP: Duration = Duration::from_millis(250);
/// How long the next victim may take to be calm and heard, in addition to its calm time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Times of trials, and the longest that a blow took.
#[derive(Clone, Debug, Default)]
pub struct Trialled {
    /// From the blow to the first report of it.
    pub samples: Samples,
    /// From the blow to the report of the last neighbour, where all neighbours are waited for.
    pub all: Samples,
    /// The longest that the blow itself took.
    pub blow_max_ms: f64,
    /// The share of each processor that real-time hogs had.
    pub hogs_share: Option<f64>,
    /// What the watchers said of each trial.
    pub told: Vec<Told>,
}

impl Trialled {
    /// Adds a blow, and when it was first reported.
    pub fn push(&mut self, struck: Struck, seen_ns: Option<u64>) {
        self.blow_max_ms = self.blow_max_ms.max(ms(struck.at_ns, struck.done_ns));
        self.samples.push_at(struck.at_ns, seen_ns);
    }

    /// Adds a blow, and when each neighbour reported it.
    pub fn push_each(&mut self, struck: Struck, seen_ns: &[Option<u64>]) {
        self.push(struck, seen_ns.iter().flatten().min().copied());
        let all: Option<Vec<u64>> = seen_ns.iter().copied().collect();
        self.all.push_at(struck.at_ns, all.and_then(|all| all.into_iter().max()));
    }
}

/// Crashes servers in turn. `done` hears after each trial how many there were. Fills `trialled` as it goes.
///
/// # Errors
/// The pool did not recover from one of them. What was measured until then stays.
pub fn crash(
    pool: &mut dyn Pool,
    trials: &Trials,
    trialled: &mut Trialled,
    done: &mut dyn FnMut(usize),
) -> anyhow::Result<()> {
    let calm_ns = u64::try_from(trials.calm.as_nanos()).unwrap_or(u64::MAX);
    let mut pace = Pace::new(pool.order(), calm_ns, now_ns());
    let mut moments = Moments(trials.seed);
    for trial in 1..=trials.count {
        let patience = PATIENCE + trials.calm * 2;
        let (victim, before) = next(pool, &mut pace, patience, moments.next(trials.spread))?;
        strike(pool, (trial, &victim), trials.limit, &before, trialled)?;
        pool.rise(&victim)?;
        pace.struck(&victim);
        all_back(pool, &mut pace, patience)?;
        std::thread::sleep(GAP);
        done(trial);
    }
    Ok(())
}

fn all_back(pool: &mut dyn Pool, pace: &mut Pace, patience: Duration) -> anyhow::Result<()> {
    must(pool, "the last victim is back", patience, |pool| {
        pace.look(pool, now_ns());
        pace.all_back().then_some(())
    })
}

/// Waits for the moment, and returns the next victim, and what its watchers think of their hosts.
fn next(
    pool: &mut dyn Pool,
    pace: &mut Pace,
    patience: Duration,
    moment: Duration,
) -> anyhow::Result<(String, Vec<Option<Mind>>)> {
    let end = now_ns() + u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
    loop {
        let victim =
            must(pool, "a server is calm and heard by its neighbours", patience, |pool| pace.next(pool, now_ns()))?;
        let before = look_at(pool, &pool.neighbours(&victim));
        // Answering took the watchers some time. It must not be that of the blow.
        std::thread::sleep(GAP / 10 + moment);
        pool.listen()?;
        // Under loss it may have been suspected meanwhile, and a second suspicion of a suspect is not reported.
        if pool.is_heard(&victim) || now_ns() > end {
            return Ok((victim, before));
        }
    }
}

/// One crash, and what its watchers say of it. Fills `trialled`.
///
/// # Errors
/// It could not be struck.
pub fn strike(
    pool: &mut dyn Pool,
    (trial, victim): (usize, &str),
    limit: Duration,
    before: &[Option<Mind>],
    trialled: &mut Trialled,
) -> anyhow::Result<()> {
    let watchers = pool.neighbours(victim);
    let (struck, seen) = one(pool, victim, limit)?;
    trialled.push_each(struck, &seen);
    let said = Trial { trial, victim: victim.to_owned(), struck_ns: struck.at_ns, seen_ns: seen };
    trialled.told.push(tell(pool, said, &watchers, before));
    Ok(())
}

/// One crash. Returns when each neighbour reported it, after both have or never will.
fn one(pool: &mut dyn Pool, victim: &str, limit: Duration) -> anyhow::Result<(Struck, Vec<Option<u64>>)> {
    let from = pool.reports().len();
    let watchers = pool.neighbours(victim);
    let struck = pool.fall(victim)?;
    let said = |pool: &dyn Pool, by: &String| pool.reports().first(from, struck.at_ns, Kind::Silent, by, victim);
    wait(pool, limit, |pool| watchers.iter().all(|by| said(pool, by).is_some()).then_some(()))?;
    Ok((struck, watchers.iter().map(|by| said(pool, by)).collect()))
}

/// Random moments (SplitMix64: reproducible, and far better than needed here).
#[derive(Debug)]
pub struct Moments(pub u64);

impl Moments {
    /// A time between zero and `spread`.
    pub fn next(&mut self, spread: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let span = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(mixed.checked_rem(span).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
