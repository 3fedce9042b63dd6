//! What this machine says about itself where nobody said otherwise.

use std::collections::BTreeMap;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::error::Error;
use ringmon_core::row::Address;

/// What a configuration needs to know of a machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Its host name.
    pub hostname: String,
    /// Its interfaces by name, the loopback included.
    pub interfaces: BTreeMap<String, Interface>,
}

/// One interface.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Whether it is the loopback.
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

impl Interface {
    /// Its IPv4 addresses.
    pub(super) fn v4(&self) -> Vec<Address> {
        self.addresses.iter().copied().filter(Address::is_ipv4).collect()
    }
}

impl Machine {
    /// Asks this machine (its current network namespace).
    ///
    /// # Errors
    /// [`Error::Interfaces`]
    pub fn this() -> Result<Self, Error> {
        let io = |errno| Error::Interfaces(std::io::Error::from(errno));
        let hostname = nix::sys::utsname::uname().map_err(io)?.nodename().to_string_lossy().into_owned();
        let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
        for entry in getifaddrs().map_err(io)? {
            let interface = interfaces.entry(entry.interface_name).or_default();
            interface.loopback |= entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
            if let Some(address) = entry.address {
                interface.addresses.extend(address.as_sockaddr_in().map(|v4| Address::V4(v4.ip())));
                interface.addresses.extend(address.as_sockaddr_in6().map(|v6| Address::V6(v6.ip())));
            }
        }
        Ok(Self { hostname, interfaces })
    }
}
