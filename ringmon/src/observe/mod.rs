//! Metrics, HTTP, the event log and agent-checks. They read published boards, never the engine.

mod agent_check;
mod connected;
mod event_log;
mod http;
mod machine;
mod metrics;
pub mod routes;

#[cfg(test)]
mod tests;

pub use agent_check::{AgentCheck, Askers};
pub use connected::connected;
pub use event_log::{EventLog, EventTarget};
pub use http::{listen, serve};
use http::{machine, page};
pub use metrics::Origin;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::show::{ErrorKind, HasKind};

/// Why something cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written.
    #[error("cannot open the event log {path}: {source}")]
    OpenEvents {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Nothing listens.
    #[error("cannot listen for HTTP on {addr}: {source}")]
    Listen {
        /// As it was asked for.
        addr: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Nothing listens.
    #[error("cannot listen for agent-checks on {addr}: {source}")]
    ListenAgentCheck {
        /// As it was asked for.
        addr: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The listener failed for good.
    #[error("HTTP ended: {0}")]
    Serve(#[source] std::io::Error),
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::OpenEvents { source, .. }
            | Self::Listen { source, .. }
            | Self::ListenAgentCheck { source, .. }
            | Self::Serve(source) => ErrorKind::of_named(source),
        }
    }
}
