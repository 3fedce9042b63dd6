//! What keeps a probe from leaving this machine: as the kernel said when it was sent, or as routes and neighbours show
//! afterwards.

use std::net::{Ipv4Addr, UdpSocket};

use nix::libc;

use super::netlink::{Neighbour, Netlink};
use ringmon_core::blindness::Blindness;

/// What this error of sendto(2) says.
pub fn of(errno: Option<i32>, own: Ipv4Addr) -> Blindness {
    match errno {
        // Netfilter's answer to whoever sends what it drops (`nf_hook_slow`).
        Some(libc::EPERM) => Blindness::Filtered,
        Some(libc::EADDRNOTAVAIL) => Blindness::NoAddress,
        // A source address that is gone looks like a route that is not there.
        Some(libc::EINVAL | libc::ENETUNREACH) if UdpSocket::bind((own, 0)).is_err() => Blindness::NoAddress,
        // Routes of the types `blackhole`, `unreachable` and `prohibit`, and none at all (ip-route(8)).
        Some(libc::EINVAL | libc::EHOSTUNREACH | libc::EACCES | libc::ENETUNREACH) => Blindness::NoRoute,
        Some(libc::ENODEV | libc::ENXIO) => Blindness::NoDevice,
        Some(libc::ENETDOWN) => Blindness::LinkDown,
        Some(_) | None => Blindness::Unstamped,
    }
}

/// What keeps probes to this address from leaving that the kernel took; `None`: the neighbour does not resolve.
///
/// Without a route the kernel takes a socket's own interface for the way, and looks there for the address. That may
/// be how the network is meant. So it is an obstacle only where there was a route before (`routed`).
pub fn ask(netlink: &mut Netlink, index: u32, to: Ipv4Addr, routed: bool) -> Option<Blindness> {
    match netlink.neighbour(index, to) {
        Ok(Neighbour::Unresolved) => (routed && !netlink.has_route(index, to)).then_some(Blindness::NoRoute),
        // The kernel makes an entry for whomever it sends to, unless there is no room.
        Ok(Neighbour::Missing) if netlink.table_filled() => Some(Blindness::NeighboursFull),
        Ok(Neighbour::Missing | Neighbour::Known) => Some(Blindness::Unstamped),
        Err(error) => Some(match error.raw_os_error() {
            Some(libc::EINVAL | libc::EHOSTUNREACH | libc::EACCES | libc::ENETUNREACH) => Blindness::NoRoute,
            Some(libc::ENODEV | libc::ENXIO) => Blindness::NoDevice,
            Some(_) | None => Blindness::Unstamped,
        }),
    }
}
