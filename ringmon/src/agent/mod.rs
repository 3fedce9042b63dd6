//! The one event loop that joins the rooms.

use crate::config::AgentConfig;

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

/// Runs an agent until it is told to stop.
///
/// # Errors
/// What kept it from starting, with the rooms' own errors in the chain.
pub fn run(config: AgentConfig) -> anyhow::Result<Ended> {
    let _ = config;
    anyhow::bail!("the agent is not built yet")
}
