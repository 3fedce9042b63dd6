//! What is asked for when a datapath is opened.

use ringmon_core::Incarnation;
use ringmon_core::row::{Address, PoolKey};

/// Where the XDP program is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// In the driver where that works, else in the generic receive path, with one warning.
    #[default]
    Auto,
    /// In the driver, or not at all.
    Native,
    /// In the generic receive path, or not at all.
    Generic,
}

/// What [`super::open`] needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The interface towards the other servers.
    pub interface: String,
    /// Own address, on that interface.
    pub address: Address,
    /// Where the XDP program is to run.
    pub choice: Choice,
    /// The pool's keys: probes are tagged with the first, all are accepted.
    pub keys: Vec<PoolKey>,
    /// Own incarnation; 0 before there is one.
    pub incarnation: Incarnation,
    /// How much the BPF programs log; `None`: nothing, at no cost.
    pub bpf_log: Option<tracing::Level>,
    /// Gives this server its phase, so that a pool's servers do not all probe at the same moment.
    pub seed: u64,
    /// Differentiated services code point of the probes (RFC 2474); replies carry that of their probe.
    pub dscp: u8,
    /// Ask for real-time priority for the sender; it goes on without.
    pub realtime: bool,
}

/// CS6, "network control" (RFC 4594, section 3.1): what routing protocols use.
pub const CS6: u8 = 48;
