//! Reading the configuration again while the agent runs (SIGHUP).

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::config::{AgentConfig, Key};
use crate::observe::EventLog;
use crate::show::ReloadView;

/// A configuration that was read again.
#[derive(Debug)]
pub struct Fresh {
    /// The whole of it.
    pub config: AgentConfig,
    /// The event log at its place, open.
    pub events: Option<EventLog>,
    /// What is new in it since the last time, and can be obeyed at once.
    pub changed: Vec<Key>,
    /// What differs from the start, and needs another start.
    pub restart: Vec<Key>,
}

/// What an agent obeys without another start. (The database's password and CA are read again at each login anyway.)
pub const AT_ONCE: [Key; 11] = [
    Key::Log,
    Key::Events,
    Key::OnStop,
    Key::Drain,
    Key::Weight,
    Key::Check,
    Key::CheckInterval,
    Key::CheckTimeout,
    Key::CheckRise,
    Key::CheckFall,
    Key::CheckNeed,
];

/// Reads the configuration again. It obeys the level of the log itself.
pub type Reread = Arc<dyn Fn() -> anyhow::Result<Fresh> + Send + Sync>;

/// Reads it off the loop, which waits for no disk; one at a time, so that the last one that was asked for counts.
pub struct Reloads {
    reread: Reread,
    worker: Handle,
    done: mpsc::UnboundedSender<Result<Fresh, String>>,
    results: mpsc::UnboundedReceiver<Result<Fresh, String>>,
    runs: bool,
    again: bool,
}

impl Reloads {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(reread: Reread, worker: Handle) -> Self {
        let (done, results) = mpsc::unbounded_channel();
        Self { reread, worker, done, results, runs: false, again: false }
    }

    /// Begins to read, or will begin once more when the one that runs is done.
    pub fn begin(&mut self) {
        if std::mem::replace(&mut self.runs, true) {
            self.again = true;
            return;
        }
        let (reread, done) = (Arc::clone(&self.reread), self.done.clone());
        let read = self.worker.spawn_blocking(move || reread().map_err(|error| format!("{error:#}")));
        self.worker.spawn(async move {
            // One that broke off would keep all later ones waiting.
            let result = read.await.unwrap_or_else(|broke_off| Err(broke_off.to_string()));
            // The receiver is gone only when the agent ends.
            let _ = done.send(result);
        });
    }

    /// The next configuration, or why there is none. Cancel-safe.
    pub async fn next(&mut self) -> Result<Fresh, String> {
        let Some(result) = self.results.recv().await else {
            // `done` is ours, so this is never the end.
            return std::future::pending().await;
        };
        self.runs = false;
        if std::mem::take(&mut self.again) {
            self.begin();
        }
        result
    }
}

/// Says in the log what came of it, and returns it for the board.
pub fn told(before: &ReloadView, result: Result<&Fresh, &str>) -> ReloadView {
    let names = |keys: &[Key]| keys.iter().map(|key| key.name().to_owned()).collect::<Vec<_>>();
    let count = before.count + 1;
    match result {
        Ok(fresh) => {
            let (applied, restart) = (names(&fresh.changed), names(&fresh.restart));
            let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            tracing::info!("the configuration was read again; obeyed from now on: {}", list(&applied));
            if !restart.is_empty() {
                tracing::warn!("changed in the configuration, and obeyed after another start: {}", list(&restart));
            }
            ReloadView { count, applied, restart, problem: None }
        }
        Err(why) => {
            tracing::error!("the configuration cannot be obeyed, and the old one stays: {why}");
            ReloadView { count, problem: Some(why.to_owned()), ..ReloadView::default() }
        }
    }
}
