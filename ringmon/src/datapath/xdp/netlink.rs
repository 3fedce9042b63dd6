//! Questions to the kernel about links, routes and neighbours (rtnetlink(7)). Each is sent and answered at once.
//!
//! The socket belongs to the network namespace of the thread that opened it, wherever it is used later.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use nix::libc;
use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached,
};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::neighbour_table::{NeighbourTableAttribute, NeighbourTableMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

pub struct Netlink {
    socket: Socket,
    sequence: u32,
    /// How often a neighbour table had no room, as of the last look.
    table_fulls: Option<u64>,
}

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// It tries in vain to resolve it.
    Unresolved,
    /// Resolved, or nothing is wrong with it so far.
    Known,
    /// It has no entry.
    Missing,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// What it is called.
    pub name: String,
    /// Its hardware address.
    pub hardware: Vec<u8>,
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
    /// The ids of its XDP programs, if this kernel tells.
    pub programs: Vec<u32>,
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
        Ok(Self { socket, sequence: 0, table_fulls: None })
    }

    /// Asks a question that has one answer.
    fn ask(&mut self, question: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        self.request(question, NLM_F_REQUEST)?;
        loop {
            match self.answers()?.pop() {
                Some(NetlinkPayload::InnerMessage(message)) => return Ok(message),
                Some(NetlinkPayload::Error(error)) => return Err(error.to_io()),
                Some(_) => return Err(io::ErrorKind::InvalidData.into()),
                None => {}
            }
        }
    }

    fn request(&mut self, question: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(question);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(())
    }

    /// The next answers to the last request: one datagram may have several. None: they were older.
    fn answers(&mut self) -> io::Result<Vec<NetlinkPayload<RouteNetlinkMessage>>> {
        let (bytes, _) = self.socket.recv_from_full()?;
        let (mut rest, mut answers) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            // Each begins at a multiple of four bytes (netlink(7)).
            let length = usize::try_from(answer.header.length).map_or(rest.len(), |length| length.next_multiple_of(4));
            rest = rest.get(length.max(16)..).unwrap_or_default();
            if answer.header.sequence_number == self.sequence {
                if answer.header.flags & NLM_F_DUMP_INTR != 0 {
                    // What was listed changed meanwhile, so something may be missing.
                    return Err(io::ErrorKind::Interrupted.into());
                }
                answers.push(answer.payload);
            }
        }
        Ok(answers)
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

    /// The IPv4 addresses of a link.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn addresses(&mut self, index: u32) -> io::Result<Vec<Ipv4Addr>> {
        let mut question = AddressMessage::default();
        question.header.family = AddressFamily::Inet;
        let mut found = Vec::new();
        for answer in self.dump(RouteNetlinkMessage::GetAddress(question))? {
            let RouteNetlinkMessage::NewAddress(answer) = answer else { return Err(io::ErrorKind::InvalidData.into()) };
            if answer.header.index != index {
                continue;
            }
            // On a link with two ends, the other attribute is the far end's address (`IFA_ADDRESS`).
            found.extend(answer.attributes.iter().find_map(|attribute| {
                if let AddressAttribute::Local(IpAddr::V4(address)) = attribute { Some(*address) } else { None }
            }));
        }
        Ok(found)
    }

    /// Where frames for this address go first: to the address itself, or to a gateway.
    fn next_hop(&mut self, index: u32, to: Ipv4Addr) -> io::Result<Ipv4Addr> {
        let RouteNetlinkMessage::NewRoute(answer) = self.ask(RouteNetlinkMessage::GetRoute(route_to(index, to)))?
        else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let gateway = answer.attributes.into_iter().find_map(|attribute| {
            if let RouteAttribute::Gateway(RouteAddress::Inet(gateway)) = attribute { Some(gateway) } else { None }
        });
        Ok(gateway.unwrap_or(to))
    }

    /// Whether a route leads to this address through the link. True also if the kernel cannot say.
    #[must_use]
    pub fn has_route(&mut self, index: u32, to: Ipv4Addr) -> bool {
        let mut question = route_to(index, to);
        // Asks for what is written, and not for what the kernel would do without it.
        question.header.flags = RouteFlags::FibMatch;
        let none = [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::ESRCH].map(Some);
        !self.ask(RouteNetlinkMessage::GetRoute(question)).is_err_and(|error| none.contains(&error.raw_os_error()))
    }

    /// Whether a neighbour table had no room since the last look, which may be the first.
    #[must_use]
    pub fn table_filled(&mut self) -> bool {
        let Ok(now) = self.table_fulls() else { return false };
        self.table_fulls.replace(now).is_some_and(|before| now > before)
    }

    fn table_fulls(&mut self) -> io::Result<u64> {
        let question = RouteNetlinkMessage::GetNeighbourTable(NeighbourTableMessage::default());
        let mut fulls = 0;
        for answer in self.dump(question)? {
            let RouteNetlinkMessage::NewNeighbourTable(table) = answer else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            if table.header.family == AddressFamily::Inet {
                let stats = table.attributes.iter().filter_map(|attribute| {
                    if let NeighbourTableAttribute::Stats(stats) = attribute { Some(stats.table_fulls) } else { None }
                });
                fulls += stats.sum::<u64>();
            }
        }
        Ok(fulls)
    }

    /// Asks a question that has many answers.
    fn dump(&mut self, question: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.request(question, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut all = Vec::new();
        loop {
            for answer in self.answers()? {
                match answer {
                    NetlinkPayload::Done(_) => return Ok(all),
                    NetlinkPayload::InnerMessage(message) => all.push(message),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::Noop | NetlinkPayload::Overrun(_) | _ => {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
            }
        }
    }

    /// What the kernel knows of this address, or of the gateway to it, on the link.
    ///
    /// # Errors
    /// There is no way there.
    pub fn neighbour(&mut self, index: u32, to: Ipv4Addr) -> io::Result<Neighbour> {
        let next = self.next_hop(index, to)?;
        let mut question = NeighbourMessage::default();
        question.header.family = AddressFamily::Inet;
        question.header.ifindex = index;
        question.attributes = vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(next))];
        let answer = match self.ask(RouteNetlinkMessage::GetNeighbour(question)) {
            Ok(RouteNetlinkMessage::NewNeighbour(answer)) => answer,
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Neighbour::Missing),
            Err(error) => return Err(error),
        };
        let fails = matches!(answer.header.state, NeighbourState::Incomplete | NeighbourState::Failed);
        Ok(if fails { Neighbour::Unresolved } else { Neighbour::Known })
    }
}

fn route_to(index: u32, to: Ipv4Addr) -> RouteMessage {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    question.header.destination_prefix_length = 32;
    question.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(to)), RouteAttribute::Oif(index)];
    question
}

/// The id of a program, where the attribute is about one of the modes.
fn program(part: &LinkXdp) -> Option<u32> {
    let (LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::SkbProgId(id) | LinkXdp::HwProgId(id)) = part else {
        return None;
    };
    Some(*id)
}

fn link(message: &LinkMessage) -> Link {
    let mut link = Link { ethernet: matches!(message.header.link_layer_type, LinkLayerType::Ether), ..Link::default() };
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            link.name.clone_from(name);
        } else if let LinkAttribute::Address(address) = attribute {
            link.hardware.clone_from(address);
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
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
            link.programs = parts.iter().filter_map(program).collect();
        }
    }
    link
}
