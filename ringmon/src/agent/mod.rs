//! The only event loop, which joins the rooms.
//!
//! There are two threads of control: the loop (`turn`) on the calling thread, at real-time priority where that is
//! allowed, and a small worker runtime for everything that may wait (database, HTTP). The sender thread belongs to the
//! datapath.

mod alarm;
mod draining;
mod recorded;
mod reload;
mod removals;
mod signals;
mod sleep;
mod start;
mod state_dir;
mod table;
mod turn;

use std::time::{Duration, Instant};

use crate::config::AgentConfig;
use crate::show::in_units;
use crate::supervisor;
use ringmon_core::engine::Stopped;

pub use reload::{AT_ONCE, Fresh, Reread};
pub use state_dir::Error as StateError;

/// What the rest of a start may take: a database may be slow.
const START: Duration = Duration::from_secs(30);
/// How often an agent looks whether what it waits for has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Looks until `look` finds what an agent needs, or finds that it will not come (`may_come`), or `limit` is over.
/// `None`: a signal asked for a stop first.
///
/// # Errors
/// What is missing.
pub fn wait_for<T>(limit: Duration, look: impl Fn() -> Result<T, crate::config::Error>) -> anyhow::Result<Option<T>> {
    let began = Instant::now();
    let missing = match look() {
        Err(missing) if missing.may_come() && !limit.is_zero() => missing,
        found => return Ok(Some(found?)),
    };
    tracing::warn!("{missing}; waiting for it for up to {} (wait_address)", in_units(limit));
    supervisor::waits(&format!("waiting: {missing}"), limit + START);
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    here.block_on(async {
        let mut signals = signals::Signals::new()?;
        loop {
            tokio::select! {
                () = signals.stop() => return Ok(None),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match look() {
                Err(missing) if missing.may_come() && began.elapsed() < limit => {}
                found => return Ok(Some(found?)),
            }
        }
    })
}

/// Runs an agent until it is told to stop. `reread` reads the configuration again when that is asked for.
///
/// # Errors
/// What kept it from starting, with the rooms' own errors in the chain. Then nothing was written to the server table.
pub fn run(config: AgentConfig, reread: Reread) -> anyhow::Result<Stopped> {
    let worker = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(2)
        .thread_name("ringmon-work")
        .enable_all()
        .build()?;
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = here.block_on(start::start(config, reread, worker.handle().clone()))?;
    // An operation that is still under way is not waited for: it is idempotent, and the database's clock limits its
    // time.
    worker.shutdown_background();
    Ok(stopped)
}
