//! When a target gets which list: one at a time, the newest wins, and the last is never lost.
//!
//! ```text
//!   changed --> wait until min_interval is over --> newest list --> apply --ok--> wait for a change
//!                                                        ^            +---error--> back-off, or a change
//!                                                        +------------------------------+
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Error, Status};
use ringmon_core::backoff::Backoff;
use ringmon_core::rng::Rng;
use ringmon_core::route::Routes;

pub(super) trait Target {
    /// Brings the target in step with `routes`; true if there was anything to do.
    ///
    /// # Errors
    /// It is called again, with this list or a newer one.
    async fn apply(&mut self, routes: &Routes) -> Result<bool, Error>;
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From the end of an application that changed something to the start of the next.
    pub min_interval: Duration,
    /// The first pause after a failure.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
}

impl Pace {
    /// Tries failures again after up to 1 s, doubling to 60 s.
    pub(super) const fn every(min_interval: Duration) -> Self {
        Self { min_interval, first: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

/// Passes lists on, until nobody makes them any more.
pub(super) async fn run(
    mut target: impl Target,
    pace: Pace,
    mut routes: watch::Receiver<Arc<Routes>>,
    report: watch::Sender<Status>,
) {
    let mut rng = Rng::new(rand::random());
    let mut backoff = Backoff::new(pace.first, pace.most);
    let mut said = Said::default();
    loop {
        let list = Arc::clone(&routes.borrow_and_update());
        // Nothing was read yet: touch nothing.
        let outcome = if list.servers.is_empty() { None } else { Some(target.apply(&list).await) };
        let mut pause = None;
        let rest = match outcome {
            None => false,
            Some(Ok(changed)) => {
                backoff.reset();
                if said.0.take().is_some() {
                    tracing::info!("{}: in step again", report.borrow().target);
                }
                report.send_modify(|status| {
                    (status.in_step, status.problem) = (true, None);
                    status.applied += u64::from(changed);
                });
                changed
            }
            Some(Err(error)) => {
                let problem = error.to_string();
                if said.is_new(&problem) {
                    tracing::warn!("{}: {problem}; trying again", report.borrow().target);
                }
                report.send_modify(|status| (status.in_step, status.problem) = (false, Some(problem)));
                pause = Some(backoff.next(&mut rng));
                true
            }
        };
        let next = Instant::now() + if rest { pace.min_interval } else { Duration::ZERO };
        let retry = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = routes.changed() => if changed.is_err() { return },
            () = retry => {}
        }
        report.send_if_modified(|status| std::mem::take(&mut status.in_step));
        sleep_until(next).await;
    }
}

/// The kind of problem that was logged last: each kind is logged once.
#[derive(Debug, Default)]
struct Said(Option<String>);

impl Said {
    /// Programs print times and process numbers; these do not make it another problem.
    fn is_new(&mut self, problem: &str) -> bool {
        let kind: String = problem.chars().filter(|c| !c.is_ascii_digit()).collect();
        let new = self.0.as_ref() != Some(&kind);
        self.0 = Some(kind);
        new
    }
}

#[cfg(test)]
mod tests;
