//! What a datapath could not do.

use std::io;

use ringmon_core::row::Address;

/// What kind of trouble it is: the command line has an exit code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// This process may not do it (77).
    Permission,
    /// This machine or kernel cannot do it, or something is in the way (69).
    Unavailable,
    /// What was asked for makes no sense here (78).
    Configuration,
}

/// What a datapath could not do. Nothing it began is left behind, unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Built without `cargo xtask build`.
    #[error("this binary was built without its BPF programs: build it with cargo xtask build")]
    NoObject,
    /// No such interface in this network namespace.
    #[error("there is no interface {interface} (`ip link` lists what there is)")]
    NoInterface {
        /// As given.
        interface: String,
    },
    /// The interface carries no Ethernet.
    #[error("interface {interface} is no Ethernet interface: probes are Ethernet frames")]
    NotEthernet {
        /// As given.
        interface: String,
    },
    /// The address is not one of this machine's.
    #[error("this machine has no address {address} (interface {interface}; `ip address` lists what there is)")]
    NoAddress {
        /// As given.
        address: Address,
        /// As given.
        interface: String,
    },
    /// IPv6, for now.
    #[error("{address}: only IPv4 addresses can be probed")]
    Family {
        /// As given.
        address: Address,
    },
    /// No pool key at all.
    #[error("the pool has no key: probes cannot be told from forgeries (`ringmon init` makes one)")]
    NoKey,
    /// Another XDP program is there.
    #[error(
        "interface {interface} already has an XDP program, so ours cannot be attached in {mode} mode: `ip -d link show \
         {interface}` tells which; end the program it belongs to (another ringmon agent?), or take it off with `ip link \
         set dev {interface} xdp off`"
    )]
    Busy {
        /// Where.
        interface: String,
        /// `native` or `generic`.
        mode: &'static str,
        /// EBUSY or EEXIST.
        #[source]
        source: io::Error,
    },
    /// A privilege is missing.
    #[error(
        "not permitted to {what}: run as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and CAP_PERFMON"
    )]
    Permission {
        /// What was tried.
        what: &'static str,
        /// EPERM or EACCES.
        #[source]
        source: io::Error,
    },
    /// The kernel is older than what the programs need.
    #[error("kernel {release} is too old: the BPF programs need Linux 5.15 or later (bpf_timer)")]
    OldKernel {
        /// As uname(2) says.
        release: String,
    },
    /// The kernel refused something of BPF.
    #[error("the kernel refused to {what}: {cause}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The whole chain of causes: each link's own text leaves out the next.
        cause: String,
    },
    /// A system call failed.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A slot outside the arrays, or generation 0.
    #[error("there is no watch {slot}.{generation}: slots go up to 63, generations count from 1")]
    NoWatch {
        /// As given.
        slot: u16,
        /// As given.
        generation: u16,
    },
}

impl Error {
    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Permission { .. } => ErrorKind::Permission,
            Self::NoObject
            | Self::Busy { .. }
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
