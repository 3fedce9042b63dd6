//! Whether the service of this server works: checks that it makes of itself.
//!
//! ```text
//!   one task a check:  tcp | http | exec | systemd  --result-->  one task that judges  --Health, when it changes-->  the loop
//!                      every `interval`, one at a time           (verdict: pure)       --CheckView, when asked-->  the board
//! ```
//!
//! All of it runs on the worker; the loop hears only of changes, and what a check costs or how long it hangs is nothing to it.

mod check;
mod exec;
mod http;
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

/// What is checked, and what comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What; nothing: the health stays unknown.
    pub checks: Vec<Check>,
    /// From one begin of a check to the next.
    pub interval: Duration,
    /// A check that has no result so long after its begin fails. At most `interval`.
    pub timeout: Duration,
    /// How many results in a row turn a check.
    pub steps: Steps,
    /// How many checks must pass.
    pub need: Need,
}

/// The checks, running.
#[derive(Debug)]
pub struct Service {
    /// `None`: nothing will come any more.
    health: Option<watch::Receiver<Health>>,
    shown: watch::Receiver<Arc<Vec<CheckView>>>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Service {
    /// What runs has this long to end: it is killed, not asked.
    const END_WITHIN: Duration = Duration::from_millis(200);

    /// Begins to check, on `worker`, by this clock. Without checks nothing runs.
    #[must_use]
    pub fn start(options: Options, worker: &Handle, clock: fn() -> Time) -> Self {
        let (health, heard) = watch::channel(Health::Unknown);
        let (show, shown) = watch::channel(Arc::default());
        if options.checks.is_empty() {
            return Self { health: None, shown, running: None };
        }
        let (end, ended) = oneshot::channel();
        let task = worker.spawn(run::run(options, clock, run::Told { health, show }, ended));
        Self { health: Some(heard), shown, running: Some((end, task)) }
    }

    /// Waits until there is a health, but no longer than this. [`Self::changed`] still tells it.
    pub async fn known(&self, limit: Duration) {
        let Some(mut health) = self.health.clone() else { return };
        // Late, or never: then it starts as unknown.
        let _ = tokio::time::timeout(limit, health.wait_for(|health| *health != Health::Unknown)).await;
    }

    /// Waits until the health changes. Cancel-safe. Should the checks end by themselves, this is said, and nothing comes any more: the
    /// last health stands, because nothing is known against it.
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

    /// Every check as it stands.
    #[must_use]
    pub fn shown(&self) -> Vec<CheckView> {
        self.shown.borrow().to_vec()
    }

    /// A check that fails, and why.
    #[must_use]
    pub fn failing(&self) -> Option<(String, String)> {
        let shown = self.shown.borrow();
        let failing = shown.iter().find(|view| view.passing == Some(false))?;
        Some((failing.check.clone(), failing.why.clone().unwrap_or_default()))
    }

    /// Ends all of it, and kills what an `exec` check has started.
    pub async fn stop(self) {
        let Some((end, task)) = self.running else { return };
        // One that ended by itself does not hear it.
        let _ = end.send(());
        let _ = tokio::time::timeout(Self::END_WITHIN, task).await;
    }
}
