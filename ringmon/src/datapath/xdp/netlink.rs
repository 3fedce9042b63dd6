//! Questions to the kernel about links, routes and neighbours (rtnetlink(7)). Each is sent and answered at once.
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

pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// It carries Ethernet frames.
    pub ethernet: bool,
    /// It is one end of a veth pair.
    pub veth: bool,
    /// Index of the other end, in that end's namespace.
    pub peer: Option<u32>,
    /// This namespace's id for the other end's namespace; `None`: it is the same one.
    pub peer_namespace: Option<i32>,
    /// A program runs in its driver.
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

    /// Asks a question that has one answer.
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

    /// Reads a link, in this namespace or in another one.
    ///
    /// # Errors
    /// ENODEV: it does not exist. EPERM or EINVAL: that namespace cannot be seen.
    pub fn link(&mut self, index: u32, namespace: Option<i32>) -> io::Result<Link> {
        let mut question = LinkMessage::default();
        question.header.index = index;
        question.attributes.extend(namespace.map(LinkAttribute::IfNetnsId));
        let RouteNetlinkMessage::NewLink(answer) = self.ask(RouteNetlinkMessage::GetLink(question))? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(link(&answer))
    }

    /// Where frames for this address go first: to the address itself, or to a gateway.
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

    /// Whether the kernel tries in vain to resolve this address, or the gateway to it, on the link.
    ///
    /// # Errors
    /// There is no route, or the kernel has no entry (ENOENT) because nobody has tried yet.
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
            // When programs run in several modes, only the ids tell. With one program, older kernels only say where it
            // runs.
            let native =
                |part: &LinkXdp| matches!(part, LinkXdp::DrvProgId(_) | LinkXdp::Attached(XdpAttached::Driver));
            link.native_program = parts.iter().any(native);
        }
    }
    link
}
