//! `ringmon agent`

use super::exit::Verdict;
use crate::agent::Ended;
use crate::config::{Machine, Typed};

/// Runs an agent until it is told to stop, and says how it ended.
pub fn run(typed: &Typed) -> anyhow::Result<Verdict> {
    let config = crate::config::agent(typed, &Machine::this()?)?;
    let ended = crate::agent::run(config)?;
    Ok(match ended {
        Ended::Left => {
            tracing::info!("left the ring");
            Verdict::Ok
        }
        Ended::Stayed => {
            tracing::info!("stopped; the row stays on the ring, as asked");
            Verdict::Ok
        }
        Ended::LeftByOperator => {
            tracing::info!("an operator took this server out of the ring; not coming back by itself");
            Verdict::Ok
        }
        Ended::RowRemains(why) => {
            eprintln!("ringmon: stopped, but this server's row remains in the table: {why}");
            Verdict::Unavailable
        }
        Ended::Refused(why) => {
            eprintln!("ringmon: {why}");
            Verdict::Configuration
        }
    })
}
