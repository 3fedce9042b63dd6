//! Listening sockets: which there are, and the kernel's word when one is gone (sock_diag(7)).
//!
//! A socket of this kind belongs to the network namespace of the thread that opened it.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{AsyncSocket as _, AsyncSocketExt as _, Socket, SocketAddr as Kernel, TokioSocket};
use socket2::{SockFilter, SockRef};

/// The groups that hear of every TCP socket that is destroyed: `enum sknetlink_groups` in `linux/sock_diag.h`.
const TCP_DESTROYED: [u32; 2] = [1, 3];

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listener {
    pub at: SocketAddr,
    /// As `IPV6_V6ONLY` (ipv6(7)).
    pub only_v6: bool,
    pub inode: u32,
}

impl Listener {
    /// Whether connections to this address reach it.
    pub fn takes(&self, to: SocketAddr) -> bool {
        let here = match (self.at.ip(), to.ip()) {
            (IpAddr::V6(own), IpAddr::V4(_)) if own.is_unspecified() => !self.only_v6,
            (own, to) if own.is_unspecified() => own.is_ipv4() == to.is_ipv4(),
            (own, to) => own.to_canonical() == to.to_canonical(),
        };
        here && self.at.port() == to.port()
    }
}

/// All sockets that listen on this TCP port, of both families; on any port, if it is 0.
///
/// # Errors
/// As socket(2); or the kernel cannot be asked this.
pub(super) fn listeners(port: u16) -> io::Result<BTreeSet<Listener>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&Kernel::new(0, 0))?;
    // The kernel answers while it is asked. Nothing is waited for here.
    socket.set_non_blocking(true)?;
    let mut found = BTreeSet::new();
    for (family, mut socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        socket_id.source_port = port;
        match listening(&socket, family, socket_id, &mut found) {
            // This kernel has no IPv6.
            Err(error) if family == AF_INET6 && error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    found.retain(|listener| port == 0 || listener.at.port() == port);
    Ok(found)
}

fn listening(socket: &Socket, family: u8, socket_id: SocketId, found: &mut BTreeSet<Listener>) -> io::Result<()> {
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::LISTEN,
        socket_id,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if let NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(socket)) = message.payload {
                found.insert(listener(&socket));
            } else if let NetlinkPayload::Done(_) = message.payload {
                return Ok(());
            } else if let NetlinkPayload::Error(error) = message.payload {
                return Err(error.to_io());
            } else {
                return Err(io::ErrorKind::InvalidData.into());
            }
            // Each begins at a multiple of 4 (netlink(7)).
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn listener(InetResponse { header, nlas }: &InetResponse) -> Listener {
    Listener {
        at: SocketAddr::new(header.socket_id.source_address, header.socket_id.source_port),
        only_v6: nlas.contains(&Nla::SkV6Only(true)),
        inode: header.inode,
    }
}

/// Hears when sockets that listen on some ports are gone.
pub(super) struct Destroyed(TokioSocket);

impl Destroyed {
    /// As many ports as the filter can have.
    const PORTS: usize = 64;

    /// # Errors
    /// As socket(2), or these are too many ports.
    pub fn of(ports: &BTreeSet<u16>) -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_SOCK_DIAG)?;
        socket.socket_mut().bind_auto()?;
        // First the filter: else it would hear of every connection that ends.
        SockRef::from(socket.socket_ref()).attach_filter(&filter(ports)?)?;
        TCP_DESTROYED.iter().try_for_each(|group| socket.socket_mut().add_membership(*group))?;
        Ok(Self(socket))
    }

    /// Waits until one is gone; or until messages were lost (ENOBUFS), which may have been of one. Cancel-safe.
    pub async fn one(&self) {
        // What a message says is known from the filter.
        let _ = self.0.recv(&mut &mut [0_u8; 16][..]).await;
        // Several at a time are one event.
        while self.0.socket_ref().recv(&mut &mut [0_u8; 16][..], 0).is_ok() {}
    }
}

/// Lets through what has one of these ports as its own, and nobody's as the other's: of a listening socket.
///
/// Offsets are those of `struct inet_diag_msg` in `linux/inet_diag.h` behind a `struct nlmsghdr` of 16 bytes.
fn filter(ports: &BTreeSet<u16>) -> io::Result<Vec<SockFilter>> {
    const LOAD_HALF: u16 = 0x28;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const OWN_PORT: u32 = 16 + 4;
    const OTHER_PORT: u32 = 16 + 6;
    let count = u8::try_from(ports.len()).ok().filter(|count| usize::from(*count) <= Destroyed::PORTS);
    let count = count.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too many ports"))?;
    let mut code = vec![
        SockFilter::new(LOAD_HALF, 0, 0, OTHER_PORT),
        SockFilter::new(IF_EQUAL, 0, count + 1, 0),
        SockFilter::new(LOAD_HALF, 0, 0, OWN_PORT),
    ];
    let matches = ports.iter().zip((1..=count).rev());
    code.extend(matches.map(|(port, past)| SockFilter::new(IF_EQUAL, past, 0, u32::from(*port))));
    code.extend([SockFilter::new(RETURN, 0, 0, 0), SockFilter::new(RETURN, 0, 0, u32::MAX)]);
    Ok(code)
}
