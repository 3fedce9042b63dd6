//! Questions to the kernel about links, routes and neighbours (rtnetlink(7)): asked and answered in one breath.
//!
//! The socket belongs to the network namespace of the thread that opened it, wherever it is used later.

use std::io;
use std::net::Ipv4Addr;

use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached,
};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// A socket to ask with.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// What is asked of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether it carries Ethernet frames.
    pub ethernet: bool,
    /// Whether it is one end of a veth pair.
    pub veth: bool,
    /// Index of the other end, in its own namespace.
    pub peer: Option<u32>,
    /// Our name for that namespace; `None`: it is ours.
    pub peer_namespace: Option<i32>,
    /// Whether a program runs in its driver.
    pub native_program: bool,
}

impl Netlink {
    /// Opens a socket in this thread's network namespace.
    ///
    /// # Errors
    /// As socket(2).
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// One question that has one answer.
    fn ask(&mut self, question: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(question);
        message.header.flags = NLM_F_REQUEST;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if answer.header.sequence_number != self.sequence {
                continue;
            }
            if let NetlinkPayload::Error(error) = answer.payload {
                return Err(error.to_io());
            }
            let NetlinkPayload::InnerMessage(message) = answer.payload else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            return Ok(message);
        }
    }

    /// Looks at a link, in this namespace or in another one.
    ///
    /// # Errors
    /// ENODEV: there is none. EPERM or EINVAL: nothing is to be seen of that namespace.
    pub fn link(&mut self, index: u32, namespace: Option<i32>) -> io::Result<Link> {
        let mut question = LinkMessage::default();
        question.header.index = index;
        question.attributes.extend(namespace.map(LinkAttribute::IfNetnsId));
        let RouteNetlinkMessage::NewLink(answer) = self.ask(RouteNetlinkMessage::GetLink(question))? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(link(&answer))
    }

    /// Where frames for this address go first: itself, or a gateway.
    fn next_hop(&mut self, index: u32, to: Ipv4Addr) -> io::Result<Ipv4Addr> {
        let mut question = RouteMessage::default();
        question.header.address_family = AddressFamily::Inet;
        question.header.destination_prefix_length = 32;
        question.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(to)), RouteAttribute::Oif(index)];
        let RouteNetlinkMessage::NewRoute(answer) = self.ask(RouteNetlinkMessage::GetRoute(question))? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let gateway = answer.attributes.into_iter().find_map(|attribute| {
            if let RouteAttribute::Gateway(RouteAddress::Inet(gateway)) = attribute { Some(gateway) } else { None }
        });
        Ok(gateway.unwrap_or(to))
    }

    /// Whether the kernel is trying in vain to find out where on the link this address, or the gateway to it, is.
    ///
    /// # Errors
    /// There is no route, or the kernel has no entry (ENOENT): nobody has tried.
    pub fn unresolved(&mut self, index: u32, to: Ipv4Addr) -> io::Result<bool> {
        let next = self.next_hop(index, to)?;
        let mut question = NeighbourMessage::default();
        question.header.family = AddressFamily::Inet;
        question.header.ifindex = index;
        question.attributes = vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(next))];
        let RouteNetlinkMessage::NewNeighbour(answer) = self.ask(RouteNetlinkMessage::GetNeighbour(question))? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(matches!(answer.header.state, NeighbourState::Incomplete | NeighbourState::Failed))
    }
}

fn link(message: &LinkMessage) -> Link {
    let mut link = Link { ethernet: matches!(message.header.link_layer_type, LinkLayerType::Ether), ..Link::default() };
    for attribute in &message.attributes {
        if let LinkAttribute::LinkInfo(infos) = attribute {
            link.veth = infos.contains(&LinkInfo::Kind(InfoKind::Veth));
        } else if let LinkAttribute::Link(index) = attribute {
            link.peer = Some(*index);
        } else if let LinkAttribute::LinkNetNsId(id) = attribute {
            link.peer_namespace = Some(*id);
        } else if let LinkAttribute::Xdp(parts) = attribute {
            // With programs in several modes only the ids tell; with one, older kernels say only where.
            let native =
                |part: &LinkXdp| matches!(part, LinkXdp::DrvProgId(_) | LinkXdp::Attached(XdpAttached::Driver));
            link.native_program = parts.iter().any(native);
        }
    }
    link
}
