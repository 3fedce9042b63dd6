//! A crash in a pool that has just started again, as after each change of a configuration.

use std::time::Duration;

use super::crash::{Moments, Trialled, Trials, strike};
use super::pool::{Pool, must};
use super::slow::look_at;
use crate::clock::now_ns;

/// From the moment when the last server was heard again to the crash, at least.
pub const AGE: Duration = Duration::from_millis(700);
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts all detectors again before each crash. Fills `trialled` as it goes.
///
/// # Errors
/// The pool did not come back. What was measured until then stays.
pub fn young(
    pool: &mut dyn Pool,
    trials: &Trials,
    trialled: &mut Trialled,
    done: &mut dyn FnMut(usize),
) -> anyhow::Result<()> {
    let mut moments = Moments(trials.seed);
    for trial in 1..=trials.count {
        let heard_ns = pool.renew(PATIENCE)?;
        pool.listen()?;
        let victim = pool.order()[trial % pool.order().len()].clone();
        let before = look_at(pool, &pool.neighbours(&victim));
        let age = AGE + moments.next(trials.spread);
        let at_ns = heard_ns + u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_nanos(at_ns.saturating_sub(now_ns())));
        // A second report of a server that is silent already would not come.
        let heard = "the victim is heard";
        must(pool, heard, PATIENCE, |pool| pool.is_heard(&victim).then_some(()))?;
        strike(pool, (trial, &victim), trials.limit, &before, trialled)?;
        // The next start ends its detector.
        let port = pool.port(&victim)?;
        pool.ports().pass(port, true)?;
        done(trial);
    }
    pool.renew(PATIENCE).map(drop)
}
