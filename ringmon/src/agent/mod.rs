//! The only event loop, which joins the rooms.
//!
//! There are two threads of control: the loop (`turn`) on the calling thread, at real-time priority where that is
//! allowed, and a small worker runtime for everything that may wait (database, HTTP). The sender thread belongs to the
//! datapath.

mod alarm;
mod clock;
mod draining;
mod recorded;
mod signals;
mod start;
mod state_dir;
mod table;
mod turn;

use crate::config::AgentConfig;
use ringmon_core::engine::Stopped;

pub use state_dir::Error as StateError;

/// How an agent ended, for the last log line and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its row is gone from the table.
    Left,
    /// Its row stays, as configured.
    Stayed,
    /// Its row stays, because the database did not answer: this is why.
    RowRemains(String),
    /// An operator made it leave.
    LeftByOperator,
    /// The configuration is wrong: this is what to say.
    Refused(String),
}

impl From<Stopped> for Ended {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Left => Self::Left,
            Stopped::Stayed => Self::Stayed,
            Stopped::RowRemains(why) => Self::RowRemains(why),
            Stopped::LeftByOperator => Self::LeftByOperator,
            Stopped::Refused(why) => Self::Refused(why),
        }
    }
}

/// Runs an agent until it is told to stop.
///
/// # Errors
/// What kept it from starting, with the rooms' own errors in the chain. Then nothing was written to the server table.
pub fn run(config: AgentConfig) -> anyhow::Result<Ended> {
    let worker = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(2)
        .thread_name("ringmon-work")
        .enable_all()
        .build()?;
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = here.block_on(start::start(config, worker.handle().clone()))?;
    // An operation that is still under way is not waited for: it is idempotent, and the database's clock limits its
    // time.
    worker.shutdown_background();
    Ok(stopped.into())
}
