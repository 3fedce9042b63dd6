//! Whether the service of this server works: the agent checks it.
//!
//! ```text
//!   a `lookout` a check: its process or socket is gone
//!                     |
//!                     v at once
//!   one task a check: tcp | http | exec | systemd  --result-->  one task that judges  --Health, if changed-->  loop
//!                     every `interval`, one at a time       (a pure `verdict`)       --CheckView, if asked-->  board
//! ```
//!
//! All of it runs on the worker thread. The loop hears only of changes, so it does not matter how much a check costs or
//! how long it hangs.

mod check;
mod diag;
mod exec;
mod http;
mod lookout;
mod owner;
mod run;
mod systemd;
mod tcp;
mod verdict;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::show::CheckView;
use ringmon_core::Time;
use ringmon_core::row::Health;

pub use check::{Check, Unfit};
pub use verdict::{Need, Steps};

/// Which checks to make, how often, and what they mean together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Empty: the health stays unknown.
    pub checks: Vec<Check>,
    /// From the start of a check to its next start.
    pub interval: Duration,
    /// A check without a result this long after its start fails. At most `interval`.
    pub timeout: Duration,
    /// How many results in a row change a check.
    pub steps: Steps,
    /// How many checks must pass.
    pub need: Need,
}

/// The running checks. Dropping them ends them.
#[derive(Debug)]
pub struct Service {
    /// `None`: no health will come any more.
    health: Option<watch::Receiver<Health>>,
    shown: watch::Receiver<Arc<Vec<CheckView>>>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Service {
    /// How long the tasks may take to end: programs are killed, not asked.
    const END_WITHIN: Duration = Duration::from_millis(200);

    /// Starts the checks on `worker`, with this clock. Without checks nothing runs.
    #[must_use]
    pub fn start(options: Options, worker: &Handle, clock: fn() -> Time) -> Self {
        Self::begin(options, &[], worker, clock)
    }

    /// Starts other checks in place of these. A check that was made before goes on as it was, so that a single result
    /// decides nothing that needs several.
    #[must_use]
    pub fn changed_to(&self, options: Options, worker: &Handle, clock: fn() -> Time) -> Self {
        Self::begin(options, &self.shown(), worker, clock)
    }

    fn begin(options: Options, known: &[CheckView], worker: &Handle, clock: fn() -> Time) -> Self {
        let (health, heard) = watch::channel(Health::Unknown);
        let (show, shown) = watch::channel(Arc::default());
        if options.checks.is_empty() {
            return Self { health: None, shown, running: None };
        }
        let (end, ended) = oneshot::channel();
        let task = worker.spawn(run::run(options, known.to_vec(), clock, run::Told { health, show }, ended));
        Self { health: Some(heard), shown, running: Some((end, task)) }
    }

    /// Waits until the health is known, for at most `limit`. [`Self::changed`] still returns that health.
    pub async fn known(&self, limit: Duration) {
        let Some(mut health) = self.health.clone() else { return };
        // If it comes late or never, the service starts as unknown.
        let _ = tokio::time::timeout(limit, health.wait_for(|health| *health != Health::Unknown)).await;
    }

    /// Waits until the health changes. Cancel-safe. If the checks end by themselves, this is logged, and no health
    /// comes any more: the last one stays, because nothing is known against it.
    pub async fn changed(&mut self) -> Health {
        if let Some(health) = &mut self.health {
            if health.changed().await.is_ok() {
                return *health.borrow_and_update();
            }
            tracing::error!(
                "the service checks have ended: what they said last stands until this agent is started again"
            );
            self.health = None;
        }
        std::future::pending().await
    }

    /// The state of every check, for the board.
    #[must_use]
    pub fn shown(&self) -> Vec<CheckView> {
        self.shown.borrow().to_vec()
    }

    /// A failing check, and its reason.
    #[must_use]
    pub fn failing(&self) -> Option<(String, String)> {
        let shown = self.shown.borrow();
        let failing = shown.iter().find(|view| view.passing == Some(false))?;
        Some((failing.check.clone(), failing.why.clone().unwrap_or_default()))
    }

    /// Ends all checks, and kills the programs that `exec` checks have started.
    pub async fn stop(self) {
        let Some((end, task)) = self.running else { return };
        // A task that ended by itself does not hear it.
        let _ = end.send(());
        let _ = tokio::time::timeout(Self::END_WITHIN, task).await;
    }
}
