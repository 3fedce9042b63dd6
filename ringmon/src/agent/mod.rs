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

use crate::config::AgentConfig;
use ringmon_core::engine::Stopped;

pub use reload::{AT_ONCE, Fresh, Reread};
pub use state_dir::Error as StateError;

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
