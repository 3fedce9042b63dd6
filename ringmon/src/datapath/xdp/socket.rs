//! Raw ICMP sockets: the kernel writes the IPv4 header, resolves the neighbour, and calls the egress program.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

/// `ICMP_FILTER` of raw(7), for which libc has no name: one bit for each unwanted ICMP type.
const ICMP_FILTER: libc::c_int = 1;
/// The level of that option, for which libc has no name either.
const SOL_RAW: libc::c_int = 255;
/// The highest priority that needs no privilege; queueing disciplines send it first.
const PRIORITY: u32 = 6;

/// A socket that sends from this address through this interface, and receives nothing.
///
/// # Errors
/// EADDRNOTAVAIL: the address is not this machine's. EPERM: CAP_NET_RAW is missing. ENODEV: the interface does not
/// exist.
pub fn open(interface: &str, own: Ipv4Addr, dscp: u8) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    receive_nothing(&socket)?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddrV4::new(own, 0).into())?;
    socket.set_tos_v4(u32::from(dscp) << 2)?;
    // After the type of service, because that sets a priority of its own.
    socket.set_priority(PRIORITY)?;
    socket.set_ttl_v4(64)?;
    Ok(socket)
}

/// A raw socket gets a copy of every ICMP packet of the machine. None of them is wanted.
fn receive_nothing(socket: &Socket) -> io::Result<()> {
    let none = u32::MAX;
    let size = size_of_val(&none) as libc::socklen_t;
    // SAFETY: the option takes a u32, and gets one.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), SOL_RAW, ICMP_FILTER, (&raw const none).cast(), size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
