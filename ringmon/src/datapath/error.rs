//! What can go wrong with a datapath.

use std::io;

use crate::show::{ErrorKind, HasKind};
use ringmon_core::row::Address;

/// Why a datapath cannot run, or cannot watch. Nothing that it began is left behind, unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Built without `cargo xtask build`.
    #[error("this binary was built without its BPF programs: build it with cargo xtask build")]
    NoObject,
    /// This network namespace has no such interface.
    #[error("there is no interface {interface} (`ip link` lists what there is)")]
    NoInterface {
        /// As configured.
        interface: String,
    },
    /// The interface carries no Ethernet frames.
    #[error("interface {interface} is no Ethernet interface: probes are Ethernet frames")]
    NotEthernet {
        /// As configured.
        interface: String,
    },
    /// The address is not one of this machine's.
    #[error("this machine has no address {address} (interface {interface}; `ip address` lists what there is)")]
    NoAddress {
        /// As configured.
        address: Address,
        /// As configured.
        interface: String,
    },
    /// IPv6 is not supported yet.
    #[error("{address}: only IPv4 addresses can be probed")]
    Family {
        /// As configured.
        address: Address,
    },
    /// The pool has no key.
    #[error("the pool has no key: probes cannot be told from forgeries (`ringmon init` makes one)")]
    NoKey,
    /// Another XDP program is attached there.
    #[error(
        "interface {interface} already has an XDP program ({holder}), so ours cannot be attached in {mode} mode: end \
         the program it belongs to (another ringmon agent?), or take it off with \
         `ip link set dev {interface} xdp off`, or answer behind it with --datapath tc"
    )]
    Busy {
        /// As configured.
        interface: String,
        /// Whose it is, as far as can be seen.
        holder: String,
        /// `native` or `generic`.
        mode: &'static str,
        /// EBUSY or EEXIST.
        #[source]
        source: io::Error,
    },
    /// Another agent answers for the address.
    #[error(
        "another ringmon agent (process {pid}) answers for {address} here: two would take each other's replies. Stop \
         that one, or say another --address"
    )]
    Claimed {
        /// As configured.
        address: Address,
        /// The other one's.
        pid: i32,
    },
    /// A privilege is missing.
    #[error(
        "not permitted to {what}: run as root, or with the capabilities \
         CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and CAP_PERFMON"
    )]
    Permission {
        /// What was being done.
        what: &'static str,
        /// EPERM or EACCES.
        #[source]
        source: io::Error,
    },
    /// The kernel is older than the programs need.
    #[error("kernel {release} is too old: the BPF programs need Linux 5.15 or later (bpf_timer)")]
    OldKernel {
        /// As uname(2) says.
        release: String,
    },
    /// The kernel refused a BPF operation.
    #[error("the kernel refused to {what}: {cause}")]
    Refused {
        /// What was being done.
        what: &'static str,
        /// The whole chain of causes, because the text of each link leaves out the next one.
        cause: String,
    },
    /// A system call failed.
    #[error("cannot {what}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A slot outside the arrays, or generation 0.
    #[error("there is no watch {slot}.{generation}: slots go up to 63, generations count from 1")]
    NoWatch {
        /// As requested.
        slot: u16,
        /// As requested.
        generation: u16,
    },
}

impl Error {
    /// Whether the interface or the address is not there, which may change.
    #[must_use]
    pub const fn may_come(&self) -> bool {
        matches!(self, Self::NoInterface { .. } | Self::NoAddress { .. })
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Permission { .. } => ErrorKind::Permission,
            Self::NoObject
            | Self::Busy { .. }
            | Self::Claimed { .. }
            | Self::OldKernel { .. }
            | Self::Refused { .. }
            | Self::System { .. }
            | Self::NoWatch { .. } => ErrorKind::Unavailable,
            Self::NoInterface { .. }
            | Self::NotEthernet { .. }
            | Self::NoAddress { .. }
            | Self::Family { .. }
            | Self::NoKey => ErrorKind::Configuration,
        }
    }
}
