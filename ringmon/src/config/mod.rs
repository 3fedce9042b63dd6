//! What was typed, in files, environment and flags, and what it means.
//!
//! Layers: defaults < file (TOML) < `RINGMON_*` < flags. What was typed is [`Typed`]; what it means is
//! [`AgentConfig`] and [`PoolAccess`]. The origin of every value is kept, so that an error can name it.

mod error;
mod files;
mod keys;
mod layers;
mod machine;
mod meaning;
mod near;
pub mod parse;
mod router;
mod service;
mod url;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ringmon_core::row::{Address, Mode};
use ringmon_core::{Profile, words};

pub use crate::observe::EventTarget;
pub use crate::show::DatapathChoice;
pub use crate::store::DatabaseUrl;
pub use error::{Error, Problem};
pub use files::Findings;
pub use keys::{Entry, Key, Origin, Typed};
pub use layers::{DEFAULT_FILE, Loaded, Sources, load};
pub use machine::{Interface, Machine};
pub use meaning::{agent, database_access, http, pool_access, wait_address, warnings};
pub use near::nearest;
pub use router::{RouterConfig, SightConfig, TemplateConfig, router, sight};

/// How to reach a pool's tables.
#[derive(Clone, Debug)]
pub struct PoolAccess {
    /// The name of the pool.
    pub pool: String,
    /// The database, with its password (which is never shown).
    pub database: DatabaseUrl,
}

/// The configuration of an agent; nothing is left open.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The name of the pool.
    pub pool: String,
    /// The database, with its password (which is never shown).
    pub database: DatabaseUrl,
    /// This server's name, unique in the pool.
    pub name: String,
    /// The interface for probes.
    pub interface: String,
    /// This server's address on that interface.
    pub address: Address,
    /// Whether somebody said which address. Otherwise it may be another one of the interface.
    pub address_said: bool,
    /// Then these too: the server may have had one of them before.
    pub others: Vec<Address>,
    /// How long a start waits for the interface and the address.
    pub wait_address: Duration,
    /// UDP port for notices, at `address`.
    pub notice_port: u16,
    /// Where clients go, if not to `address`.
    pub route_address: Option<Address>,
    /// The port for clients; `None`: unknown.
    pub route_port: Option<u16>,
    /// The address for HAProxy's agent-checks; `None`: they are not answered.
    pub agent_check: Option<SocketAddr>,
    /// Share of clients, relative to the other servers.
    pub weight: u16,
    /// The pace of the probes.
    pub profile: Profile,
    /// Where probes are answered.
    pub datapath: DatapathChoice,
    /// Whether this agent may remove servers; the pool's rules can only forbid it.
    pub mode: Mode,
    /// The event log; `None`: transitions are only in the log.
    pub events: Option<EventTarget>,
    /// The folder of the flight recorder; `None`: it is off.
    pub record: Option<PathBuf>,
    /// How many bytes the flight recorder keeps.
    pub record_limit: u64,
    /// The address of `/status` and `/metrics`; `None`: they are not served.
    pub http: Option<SocketAddr>,
    /// The folder for the buddy list and the boot token.
    pub state_dir: PathBuf,
    /// Whether a clean shutdown leaves the ring.
    pub on_stop: OnStop,
    /// Whether it starts without clients.
    pub start_drained: bool,
    /// How long a clean shutdown that leaves waits for connected clients; `None`: it does not wait.
    pub drain: Option<Duration>,
    /// The checks of this server's service.
    pub service: crate::service::Options,
    /// Debug lines of the BPF programs; off, they cost nothing.
    pub bpf_log: LogLevel,
    /// Whether to ask for real-time priority.
    pub realtime: bool,
    /// Differentiated services code point of probes, 0 to 63 (RFC 2474).
    pub dscp: u8,
}

impl AgentConfig {
    /// The same at this address, which is final.
    pub fn settle(&mut self, address: Address) {
        let old = std::mem::replace(&mut self.address, address);
        self.others.clear();
        if let Some(at) = self.agent_check.as_mut().filter(|at| at.ip() == old) {
            at.set_ip(address);
        }
    }
}

/// What a clean shutdown does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStop {
    /// Leave the ring.
    #[default]
    Leave,
    /// Keep the row, for a restart within `agent_timeout`.
    Stay,
}

words!(OnStop: Leave = "leave", Stay = "stay");

/// The most verbose lines that reach the log. The words are those of `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// No lines at all.
    Off,
    /// Only errors.
    Error,
    /// Errors and warnings.
    Warn,
    /// Also information.
    Info,
    /// Also debug lines.
    Debug,
    /// Everything.
    Trace,
}

words! { LogLevel:
    Off = "off",
    Error = "error",
    Warn = "warn",
    Info = "info",
    Debug = "debug",
    Trace = "trace",
}
