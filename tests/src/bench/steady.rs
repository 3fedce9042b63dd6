//! Healthy servers under load: every report about them is false.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::case::Case;
use super::hogs::Hogs;
use super::measurement::Blames;
use super::pool::{Counts, Pool};
use crate::clock::now_ns;

/// How long the load is on before it counts. A sudden rise of loss is another matter than loss, and counted separately.
pub const ONSET: Duration = Duration::from_secs(5);

/// How often the reports are read meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The load of a case. The hogs end when this is dropped, the loss at [`Load::off`].
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
        let hogs = case.has_hogs().then(|| Hogs::start(pool.folder())).transpose()?;
        if case.has_loss() {
            pool.lose(true)?;
        }
        Ok(Self { hogs, loss: case.has_loss() })
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
        pool.lose(false)?;
        ensure!(self.hogs.is_none_or(|hogs| hogs.all_run()), "a processor hog ended before its time");
        Ok(())
    }
}

/// Counts for `span` what is said of servers that are all healthy. `tell` learns which share of the span is over.
///
/// # Errors
/// A detector ended, or the load could not be put on or taken off.
pub fn steady(pool: &mut dyn Pool, case: Case, span: Duration, tell: &mut dyn FnMut(f64)) -> anyhow::Result<Blames> {
    let whole = ONSET + span;
    let begin = Instant::now();
    let at_ns = now_ns();
    let before = pool.removals()?;
    let load = Load::on(case, pool)?;
    let mut tell = || tell(begin.elapsed().as_secs_f64() / whole.as_secs_f64());
    hold(pool, ONSET, &mut tell)?;
    let (onset_s, then_ns, then) = (begin.elapsed().as_secs_f64(), now_ns(), pool.removals()?);
    let since = Instant::now();
    hold(pool, span, &mut tell)?;
    let (end_ns, seconds, after) = (now_ns(), since.elapsed().as_secs_f64(), pool.removals()?);
    load.off(pool)?;
    // What was said within the span may be read a little later.
    pool.listen()?;
    let more = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
    let onset = Counts { suspicions: pool.reports().suspicions(at_ns, then_ns), removals: more(then, before) };
    let counted = Counts { suspicions: pool.reports().suspicions(then_ns, end_ns), removals: more(after, then) };
    Ok(Blames::of((onset_s, onset), (seconds, counted)))
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
