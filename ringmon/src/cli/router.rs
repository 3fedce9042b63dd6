//! `ringmon router`

use super::database;
use super::exit::Verdict;
use crate::config::{self, Typed};
use crate::router;

/// Runs a router until it is told to stop.
pub fn run(typed: &Typed) -> anyhow::Result<Verdict> {
    let config = config::router(typed)?;
    database::wait(router::run(config))?;
    tracing::info!("stopped; routing servers keep what they have");
    Ok(Verdict::Ok)
}
