//! The one event loop that joins the rooms.
//!
//! Two threads of control: the loop (`turn`) on the calling thread, at real-time priority where that is allowed, and a
//! small worker runtime for everything that may wait (database, HTTP). The sender thread belongs to the datapath.

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

/// How an agent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The row is gone from the table.
    Left,
    /// The row stays, as asked.
    Stayed,
    /// The row stays, because the database did not answer: why.
    RowRemains(String),
    /// It was made to leave by an operator.
    LeftByOperator,
    /// A configuration error: what to say.
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
/// What kept it from starting, with the rooms' own errors in the chain. Nothing was written to the server table then.
pub fn run(config: AgentConfig) -> anyhow::Result<Ended> {
    let worker = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(2)
        .thread_name("ringmon-work")
        .enable_all()
        .build()?;
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = here.block_on(start::start(config, worker.handle().clone()))?;
    // Nobody waits for an operation that is still under way: it is idempotent, and bound in time by the database's clock.
    worker.shutdown_background();
    Ok(stopped.into())
}
