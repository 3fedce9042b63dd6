//! Options of a datapath.

use crate::show::DatapathChoice;
use ringmon_core::row::{Address, PoolKey};

/// What [`super::open`] needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The interface towards the other servers.
    pub interface: String,
    /// This server's address on that interface.
    pub address: Address,
    /// In the driver or not.
    pub choice: DatapathChoice,
    /// The pool's keys: probes are tagged with the first one, all are accepted.
    pub keys: Vec<PoolKey>,
    /// How much the BPF programs log; `None`: nothing, at no cost.
    pub bpf_log: Option<tracing::Level>,
    /// Decides this server's phase, so that the servers of a pool do not all probe at the same moment.
    pub seed: u64,
    /// Differentiated services code point of the probes (RFC 2474). Replies carry that of their probe.
    pub dscp: u8,
    /// Ask for real-time priority for the sender. Without it the sender still works.
    pub realtime: bool,
}

/// CS6, "network control" (RFC 4594, section 3.1): routing protocols use it.
pub const CS6: u8 = 48;
