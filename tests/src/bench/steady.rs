//! Healthy servers under load: every report about them is false.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::case::Case;
use super::condition::Condition;
use super::hogs::Hogs;
use super::measurement::Blames;
use super::pool::{Counts, LOSS_PERCENT, Pool};
use crate::clock::now_ns;

/// How long the load is on before it counts. A sudden rise of loss is another matter than loss, and counted separately.
pub const ONSET: Duration = Duration::from_secs(5);

/// How often the reports are read meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a pool may take to start again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The load of a case. The hogs end when this is dropped, loss and limits at [`Load::off`].
#[derive(Debug)]
pub struct Load {
    hogs: Option<Hogs>,
    loss: bool,
}

impl Load {
    /// Puts the load on.
    ///
    /// # Errors
    /// A hog did not start, or nftables refused.
    pub fn on(case: Case, pool: &mut dyn Pool) -> anyhow::Result<Self> {
        if let Case::Sick(condition) | Case::CrashSick(condition) = case {
            return Self::sick(case, condition, pool);
        }
        let hogs = case.has_hogs().then(|| Hogs::start(pool.folder())).transpose()?;
        if case.has_loss() {
            pool.lose(true)?;
        }
        Ok(Self { hogs, loss: case.has_loss() })
    }

    fn sick(case: Case, condition: Condition, pool: &mut dyn Pool) -> anyhow::Result<Self> {
        let hogs = match condition {
            Condition::Fifo => Some(Hogs::fifo()?),
            Condition::Timers => Some(Hogs::timers()?),
            Condition::Quota => Some(Hogs::in_cells(pool.cells(), pool.folder())?),
            Condition::Memory => Some(Hogs::writers(pool.cells(), pool.folder())?),
            Condition::LossArp => None,
            Condition::Young => {
                // Before a crash it starts again each time.
                if case == Case::Sick(condition) {
                    pool.renew(PATIENCE)?;
                }
                None
            }
        };
        pool.cells().limit()?;
        let loss = condition == Condition::LossArp;
        if loss {
            pool.network().change(|faults| faults.one_way_loss_of_all = LOSS_PERCENT)?;
        }
        Ok(Self { hogs, loss })
    }

    /// The share of each processor that real-time hogs had so far.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.hogs.as_ref().and_then(Hogs::share)
    }

    /// Whether there is any load at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.hogs.is_some() || self.loss
    }

    /// Takes the load off, and checks that it lasted to the end.
    ///
    /// # Errors
    /// nftables refused, or a hog had ended.
    pub fn off(self, pool: &mut dyn Pool) -> anyhow::Result<()> {
        pool.cells().free()?;
        pool.network().change(|faults| (faults.one_way_loss, faults.one_way_loss_of_all) = (0, 0))?;
        ensure!(self.hogs.is_none_or(|hogs| hogs.all_run()), "a processor hog ended before its time");
        Ok(())
    }
}

/// Counts for `span` what is said of servers that are all healthy, and measures the share of real-time hogs.
/// `tell` learns which share of the span is over.
///
/// # Errors
/// A detector ended, or the load could not be put on or taken off.
pub fn steady(
    pool: &mut dyn Pool,
    case: Case,
    span: Duration,
    tell: &mut dyn FnMut(f64),
) -> anyhow::Result<(Blames, Option<f64>)> {
    let whole = ONSET + span;
    let mut begin = Instant::now();
    let mut at_ns = now_ns();
    let mut before = gone(pool)?;
    let load = Load::on(case, pool)?;
    if case == Case::Sick(Condition::Young) {
        // While they start again, servers rightly miss each other.
        (begin, at_ns, before) = (Instant::now(), now_ns(), gone(pool)?);
    }
    let mut tell = || tell(begin.elapsed().as_secs_f64() / whole.as_secs_f64());
    hold(pool, ONSET, &mut tell)?;
    let (onset_s, then_ns, then) = (begin.elapsed().as_secs_f64(), now_ns(), gone(pool)?);
    let since = Instant::now();
    hold(pool, span, &mut tell)?;
    let (end_ns, seconds, after) = (now_ns(), since.elapsed().as_secs_f64(), gone(pool)?);
    let share = load.share();
    load.off(pool)?;
    // What was said within the span may be read a little later.
    pool.listen()?;
    let counts = |from_ns: u64, to_ns: u64, now: Gone, then: Gone| {
        let more = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        let suspicions = pool.reports().suspicions(from_ns, to_ns);
        Counts { suspicions, removals: more(now.0, then.0), route_outs: more(now.1, then.1) }
    };
    let onset = counts(at_ns, then_ns, then, before);
    let counted = counts(then_ns, end_ns, after, then);
    Ok((Blames::of((onset_s, onset), (seconds, counted)), share))
}

/// Removals, and servers that clients were no longer sent to, so far.
type Gone = (Option<u64>, Option<u64>);

fn gone(pool: &dyn Pool) -> anyhow::Result<Gone> {
    Ok((pool.removals()?, pool.route_outs()?))
}

/// Listens for this long, and calls `tell` again and again.
///
/// # Errors
/// A detector ended.
pub fn hold(pool: &mut dyn Pool, span: Duration, tell: &mut dyn FnMut()) -> anyhow::Result<()> {
    let end = Instant::now() + span;
    while Instant::now() < end {
        pool.listen()?;
        tell();
        std::thread::sleep(LOOK_EVERY.min(end.saturating_duration_since(Instant::now())));
    }
    Ok(())
}
