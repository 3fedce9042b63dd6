//! `ringmon agent`

use super::exit::Verdict;
use crate::config::{Machine, Typed};
use ringmon_core::engine::Stopped;

/// Runs an agent until it is told to stop, and says how it ended.
pub fn run(typed: &Typed) -> anyhow::Result<Verdict> {
    let config = crate::config::agent(typed, &Machine::this()?)?;
    Ok(match crate::agent::run(config)? {
        Stopped::Left => {
            tracing::info!("left the ring");
            Verdict::Ok
        }
        Stopped::Stayed => {
            tracing::info!("stopped; the row stays on the ring, as asked");
            Verdict::Ok
        }
        Stopped::LeftByOperator => {
            tracing::info!("an operator took this server out of the ring; not coming back by itself");
            Verdict::Ok
        }
        Stopped::RowRemains(why) => {
            eprintln!("ringmon: stopped, but this server's row remains in the table: {why}");
            Verdict::Unavailable
        }
        Stopped::Refused(why) => {
            eprintln!("ringmon: {why}");
            Verdict::Configuration
        }
    })
}
