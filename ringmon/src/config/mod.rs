//! What was typed, in files, environment and flags, and what it means.
//!
//! Layers: defaults < file (TOML) < `RINGMON_*` < flags. What was typed is [`Typed`]; what it means is
//! [`AgentConfig`] and [`PoolAccess`]. The origin of every value is kept, so that an error can name it.

mod error;
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

use ringmon_core::Profile;
use ringmon_core::row::{Address, Mode};

pub use crate::observe::EventTarget;
pub use crate::store::DatabaseUrl;
pub use error::{Error, Problem};
pub use keys::{Key, Origin, Typed, Word};
pub use layers::{DEFAULT_FILE, Loaded, Sources, load};
pub use machine::{Interface, Machine};
pub use meaning::{agent, database_access, http, pool_access, warnings};
pub use near::nearest;
pub use router::{RouterConfig, SightConfig, TemplateConfig, router, sight};

/// How to reach a pool's tables.
#[derive(Clone, Debug)]
pub struct PoolAccess {
    /// The pool's name.
    pub pool: String,
    /// Where the tables are, password included (and never shown).
    pub database: DatabaseUrl,
}

/// Everything an agent is told; nothing is left open.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The pool's name.
    pub pool: String,
    /// Where the tables are, password included (and never shown).
    pub database: DatabaseUrl,
    /// Own name, unique in the pool.
    pub name: String,
    /// The interface probes leave and arrive on.
    pub interface: String,
    /// Own address, on that interface.
    pub address: Address,
    /// UDP port for notices, at `address`.
    pub notice_port: u16,
    /// Where clients go, if not `address`.
    pub route_address: Option<Address>,
    /// Port for clients.
    pub route_port: Option<u16>,
    /// Where HAProxy's agent-checks are answered; `None`: nowhere.
    pub agent_check: Option<SocketAddr>,
    /// Share of clients, relative to the other servers'.
    pub weight: u16,
    /// How fast to probe.
    pub profile: Profile,
    /// How to probe.
    pub datapath: DatapathChoice,
    /// What this agent itself may do.
    pub mode: Mode,
    /// Where transitions are told; `None`: only in the log.
    pub events: Option<EventTarget>,
    /// Where the flight recorder writes; `None`: it is off.
    pub record: Option<PathBuf>,
    /// How many bytes it keeps.
    pub record_limit: u64,
    /// Where metrics are served; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// Where the buddy list and the boot token are kept.
    pub state_dir: PathBuf,
    /// What a clean shutdown does.
    pub on_stop: OnStop,
    /// How long a clean shutdown that leaves waits for connected clients; `None`: not at all.
    pub drain: Option<Duration>,
    /// The service checks.
    pub service: crate::service::Options,
    /// Debug lines of the BPF programs; `None`: off, and free.
    pub bpf_log: Option<BpfLog>,
    /// Ask for real-time priority.
    pub realtime: bool,
    /// Differentiated services code point of probes, 0 to 63 (RFC 2474).
    pub dscp: u8,
}

/// Which datapath to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatapathChoice {
    /// The best that works.
    #[default]
    Auto,
    /// In the driver, or not at all.
    XdpNative,
    /// In the kernel's generic receive path.
    XdpGeneric,
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

/// The most verbose lines of the BPF programs that reach the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BpfLog {
    /// Errors.
    Error,
    /// And warnings.
    Warn,
    /// And information.
    Info,
    /// And debug lines.
    Debug,
    /// Everything.
    Trace,
}
