//! Keeps one backend of HAProxy in step with the routes, through its Runtime API (the stats socket).
//!
//! ```text
//!   routes change ----> plan against what was last seen ----> one round trip         a server is taken out
//!   every second -----> show servers state ----> plan ------> set what differs       puts a reload or a hand right
//! ```
//!
//! `plan` is pure: it takes what HAProxy has and what the routes say, and returns a list of commands. `socket` talks,
//! `state` reads `show servers state`, `keeper` joins them. HAProxy's `management.txt`, section 9.3, describes the
//! Runtime API.

mod command;
mod error;
mod keeper;
mod plan;
mod socket;
mod state;
mod voice;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Status;
use keeper::Keeper;
use ringmon_core::route::Routes;

/// Where HAProxy listens for commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAt {
    /// A UNIX socket: `stats socket PATH level admin`.
    Path(PathBuf),
    /// `host:port`: `stats socket ipv4@127.0.0.1:9999 level admin`. Anyone who can reach the port controls HAProxy.
    Tcp(String),
}

impl fmt::Display for SocketAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Tcp(at) => at.fmt(f),
        }
    }
}

/// One backend of one HAProxy. Its text is `SOCKET:BACKEND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The stats socket.
    pub socket: SocketAt,
    /// The backend whose servers ringmon keeps.
    pub backend: String,
    /// How it keeps them.
    pub options: Options,
}

/// How a backend is kept in step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// ringmon adds a server when a route has none, and deletes it when its route is gone. Without this, `haproxy.cfg`
    /// names all servers.
    pub dynamic: bool,
    /// Shut down the sessions of a server that was found dead, so that clients do not wait for it.
    pub kill_sessions: bool,
    /// More words for `add server`, such as `check inter 1s`.
    pub add_options: String,
    /// The port for routes without one.
    pub default_port: Option<u16>,
    /// How often HAProxy is asked what it has, to put right what a reload, a restart or a hand has changed.
    pub every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dynamic: false,
            kill_sessions: false,
            add_options: String::new(),
            default_port: None,
            every: Duration::from_secs(1),
        }
    }
}

/// Keeps the target in step with the routes until it is dropped. It touches nothing while the routes are empty.
pub async fn run(target: Target, routes: watch::Receiver<Arc<Routes>>, report: watch::Sender<Status>) {
    Keeper::new(target, report).run(routes).await;
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// It has no colon, or nothing on one side of the last colon.
    #[error("`{0}` is not SOCKET:BACKEND, as in /run/haproxy/admin.sock:web or 127.0.0.1:9999:web")]
    Shape(String),
    /// The part before the last colon is no socket.
    #[error(
        "`{0}` is no socket of HAProxy: it is a path that begins with `/`, or host:port; \
         the backend follows after one more colon"
    )]
    Socket(String),
    /// The part after the last colon is no backend's name.
    #[error("`{0}` cannot be a backend of HAProxy: names have letters, digits, and - _ . only")]
    Backend(String),
}

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(word: &str) -> Result<Self, NoTarget> {
        let (socket, backend) = word
            .rsplit_once(':')
            .filter(|(socket, backend)| !socket.is_empty() && !backend.is_empty())
            .ok_or_else(|| NoTarget::Shape(word.to_owned()))?;
        if !command::is_name(backend) {
            return Err(NoTarget::Backend(backend.to_owned()));
        }
        let socket = if socket.starts_with('/') {
            SocketAt::Path(PathBuf::from(socket))
        } else {
            let plain = socket.rsplit_once(':').is_some_and(|(host, port)| {
                let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
                !host.is_empty() && !bare_v6 && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            if !plain {
                return Err(NoTarget::Socket(socket.to_owned()));
            }
            SocketAt::Tcp(socket.to_owned())
        };
        Ok(Self { socket, backend: backend.to_owned(), options: Options::default() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.socket, self.backend)
    }
}
