//! Metrics, HTTP, event log, agent-checks: reads snapshots, never the engine.

mod agent_check;
mod connected;
mod event_log;
mod http;
mod metrics;
pub mod routes;

#[cfg(test)]
mod tests;

pub use agent_check::{AgentCheck, Askers};
pub use connected::connected;
pub use event_log::{EventLog, EventTarget};
pub use http::{listen, serve};

use std::net::SocketAddr;
use std::path::PathBuf;

/// What could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event log's file could not be opened; nothing was written.
    #[error("cannot open the event log {path}: {source}")]
    OpenEvents {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The HTTP address could not be taken; nothing listens.
    #[error("cannot listen for HTTP on {addr}: {source}")]
    Listen {
        /// Which address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address for agent-checks could not be taken; nothing listens.
    #[error("cannot listen for agent-checks on {addr}: {source}")]
    ListenAgentCheck {
        /// Which address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The HTTP listener failed for good.
    #[error("HTTP ended: {0}")]
    Serve(#[source] std::io::Error),
}
