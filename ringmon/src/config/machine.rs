//! What this machine says about itself, for values that were not given.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::error::Error;
use ringmon_core::row::Address;

/// What a configuration needs to know about a machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// As uname(2) says.
    pub hostname: String,
    /// By name; the loopback is one of them.
    pub interfaces: BTreeMap<String, Interface>,
}

/// A network interface.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Whether it is the loopback.
    pub loopback: bool,
    /// IPv4 and IPv6, the primary ones first.
    pub addresses: Vec<Address>,
}

impl Interface {
    /// Its IPv4 addresses.
    pub(super) fn v4(&self) -> Vec<Address> {
        self.addresses.iter().copied().filter(Address::is_ipv4).collect()
    }
}

impl Machine {
    /// Whether a listener could be at this address: all interfaces, or one that has it. All of 127.0.0.0/8 is the
    /// loopback's.
    pub(super) fn has(&self, at: Option<SocketAddr>) -> Result<(), String> {
        let Some(ip) = at.map(|at| at.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback()) else {
            return Ok(());
        };
        if self.interfaces.values().any(|interface| interface.addresses.contains(&ip)) {
            return Ok(());
        }
        Err(format!("no interface of this machine has the address {ip} now"))
    }

    /// Reads this machine's (in its current network namespace).
    ///
    /// # Errors
    /// [`Error::Interfaces`]
    pub fn this() -> Result<Self, Error> {
        let io = |errno| Error::Interfaces(std::io::Error::from(errno));
        let hostname = nix::sys::utsname::uname().map_err(io)?.nodename().to_string_lossy().into_owned();
        let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
        let mut floating = Vec::new();
        // The kernel lists the addresses of a network in their order: the primary one first.
        for entry in getifaddrs().map_err(io)? {
            let interface = interfaces.entry(entry.interface_name.clone()).or_default();
            interface.loopback |= entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
            let Some(address) = entry.address else { continue };
            let alone = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in()).is_some_and(|mask| {
                // A network of one: as keepalived and cloud agents add floating addresses.
                mask.ip().to_bits() == u32::MAX
            });
            match address.as_sockaddr_in().map(|v4| Address::V4(v4.ip())) {
                Some(v4) if alone => floating.push((entry.interface_name, v4)),
                Some(v4) => interface.addresses.push(v4),
                None => interface.addresses.extend(address.as_sockaddr_in6().map(|v6| Address::V6(v6.ip()))),
            }
        }
        for (name, address) in floating {
            interfaces.entry(name).or_default().addresses.push(address);
        }
        Ok(Self { hostname, interfaces })
    }
}
