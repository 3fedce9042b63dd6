//! Where the programs run: checks the interface, chooses the mode, attaches.

use std::error::Error as StdError;
use std::io;
use std::net::Ipv4Addr;

use aya::Ebpf;
use aya::programs::tc::{self, SchedClassifierLinkId, TcAttachOptions, TcAttachType};
use aya::programs::xdp::XdpLinkId;
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, XdpMode, loaded_programs};
use nix::libc;

use super::netlink::Netlink;
use super::object::{self, errno, refused};
use super::socket;
use crate::datapath::Error;
use crate::show::{DatapathChoice, DatapathMode};
use ringmon_core::row::Address;

/// An interface that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub index: u32,
    /// This server's address on the interface.
    pub address: Ipv4Addr,
    /// Why native mode would not work here; `None`: it is expected to work.
    pub against_native: Option<&'static str>,
    /// Whose program was in the XDP slot before; `None`: nobody's.
    holder: Option<String>,
    /// Its hardware address.
    pub hardware: Vec<u8>,
}

/// What is attached.
#[derive(Debug, Default)]
pub struct Attached(Vec<Link>);

#[derive(Debug)]
enum Link {
    Xdp(XdpLinkId),
    Ingress(SchedClassifierLinkId),
    Egress(SchedClassifierLinkId),
}

impl Interface {
    /// Checks the interface and the address.
    ///
    /// # Errors
    /// One of them does not exist or cannot be used; or this process may not look.
    pub fn examine(name: &str, address: Address, netlink: &mut Netlink) -> Result<Self, Error> {
        let Address::V4(v4) = address else { return Err(Error::Family { address }) };
        let index =
            nix::net::if_::if_nametoindex(name).map_err(|_| Error::NoInterface { interface: name.to_owned() })?;
        let system = |source| Error::System { what: "look at the interface", source };
        let link = netlink.link(index, None).map_err(system)?;
        if !link.ethernet {
            return Err(Error::NotEthernet { interface: name.to_owned() });
        }
        if !netlink.addresses(index).map_err(system)?.contains(&v4) {
            return Err(Error::NoAddress { address, interface: name.to_owned() });
        }
        socket::open(name, v4, 0).map_err(|source| match source.raw_os_error() {
            Some(libc::EADDRNOTAVAIL) => Error::NoAddress { address, interface: name.to_owned() },
            Some(libc::EPERM) => Error::Permission { what: "open a raw socket", source },
            _ => Error::System { what: "open a raw socket", source },
        })?;
        // A veth passes native XDP's answers on only if the far end has a native program too. Otherwise they vanish.
        let against_native = match (link.veth, link.peer) {
            (false, _) => None,
            (true, None) => Some("the far end of this veth cannot be seen from here"),
            (true, Some(peer)) => match netlink.link(peer, link.peer_namespace) {
                Ok(far) if far.native_program => None,
                Ok(_) => Some("the far end of this veth has no XDP program, so answers would vanish"),
                Err(_) => Some("the far end of this veth cannot be seen from here"),
            },
        };
        let holder = link.programs.first().map(|id| program(*id));
        Ok(Self { name: name.to_owned(), index, address: v4, against_native, holder, hardware: link.hardware })
    }

    /// Attaches both programs, and returns the mode.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Permission`], [`Error::Refused`]; nothing stays attached.
    pub fn attach(&self, ebpf: &mut Ebpf, choice: DatapathChoice) -> Result<(DatapathMode, Attached), Error> {
        let mut all = Attached::default();
        match self.attach_all(ebpf, choice, &mut all) {
            Ok(mode) => Ok((mode, all)),
            Err(error) => {
                // The next try must not find what this one has left.
                self.detach(ebpf, &mut all);
                Err(error)
            }
        }
    }

    fn attach_all(&self, ebpf: &mut Ebpf, choice: DatapathChoice, all: &mut Attached) -> Result<DatapathMode, Error> {
        // A kernel closes the files of a killed process from the highest number down, and waits for milliseconds at
        // each link. So the link that answers comes last and is closed first: buddies soon get the kernel's own answer.
        // The classic way has no link, and replaces the program of another agent on this interface, which a busy XDP
        // slot must prevent.
        let linked = has_tcx();
        if linked {
            all.0.push(self.egress(ebpf)?);
        }
        let (mode, link) = match choice {
            DatapathChoice::XdpNative => {
                if let Some(why) = self.against_native {
                    tracing::warn!(interface = self.name, "native XDP, as asked for, but {why}");
                }
                self.xdp(ebpf, XdpMode::Driver)?
            }
            DatapathChoice::XdpGeneric => self.xdp(ebpf, XdpMode::Skb)?,
            DatapathChoice::Tc => self.ingress(ebpf)?,
            DatapathChoice::Auto => match self.best_xdp(ebpf) {
                // Without links, the egress program of an agent that has the slot would be replaced.
                Err(Error::Busy { holder, .. }) if linked => {
                    tracing::warn!(
                        interface = self.name,
                        "traffic control instead of XDP: another XDP program is there ({holder}), and what it drops \
                         or redirects does not arrive here"
                    );
                    self.ingress(ebpf)?
                }
                other => other?,
            },
        };
        all.0.push(link);
        if !linked {
            all.0.push(self.egress(ebpf)?);
        }
        Ok(mode)
    }

    /// The id of our XDP program, if that is what answers.
    pub fn program(ebpf: &mut Ebpf, attached: &Attached) -> Option<u32> {
        let by_xdp = attached.0.iter().any(|link| matches!(link, Link::Xdp(_)));
        object::xdp(ebpf).ok()?.info().ok().filter(|_| by_xdp).map(|info| info.id())
    }

    /// Takes everything off. What went with its interface is gone already.
    pub fn detach(&self, ebpf: &mut Ebpf, attached: &mut Attached) {
        for link in attached.0.drain(..) {
            let gone = match link {
                Link::Xdp(id) => object::xdp(ebpf).map(|program| program.detach(id).is_ok()),
                Link::Ingress(id) => object::ingress(ebpf).map(|program| program.detach(id).is_ok()),
                Link::Egress(id) => object::egress(ebpf).map(|program| program.detach(id).is_ok()),
            };
            tracing::debug!(interface = self.name, ?gone, "a program was taken off");
        }
    }

    fn best_xdp(&self, ebpf: &mut Ebpf) -> Result<(DatapathMode, Link), Error> {
        if let Some(why) = self.against_native {
            let attached = self.xdp(ebpf, XdpMode::Skb)?;
            tracing::warn!(interface = self.name, "generic XDP instead of native: {why}");
            return Ok(attached);
        }
        match self.xdp(ebpf, XdpMode::Driver) {
            Err(Error::Refused { cause, .. }) => {
                tracing::warn!(interface = self.name, "generic XDP instead of native: the driver refused ({cause})");
                self.xdp(ebpf, XdpMode::Skb)
            }
            other => other,
        }
    }

    fn xdp(&self, ebpf: &mut Ebpf, mode: XdpMode) -> Result<(DatapathMode, Link), Error> {
        let (name, found) = match mode {
            XdpMode::Skb => ("generic", DatapathMode::XdpGeneric),
            XdpMode::Driver | XdpMode::Default | XdpMode::Hardware => ("native", DatapathMode::XdpNative),
        };
        let attached = object::xdp(ebpf)?.attach_to_if_index(self.index, mode);
        attached.map(|id| (found, Link::Xdp(id))).map_err(|error| match errno(&error) {
            Some(code @ (libc::EBUSY | libc::EEXIST)) => Error::Busy {
                interface: self.name.clone(),
                holder: self.holder.clone().unwrap_or_else(|| "it cannot be seen whose".to_owned()),
                mode: name,
                source: io::Error::from_raw_os_error(code),
            },
            _ => refused("attach the XDP program", &error),
        })
    }

    fn ingress(&self, ebpf: &mut Ebpf) -> Result<(DatapathMode, Link), Error> {
        let refuse = |error: &(dyn StdError + 'static)| refused("attach the ingress program", error);
        let id = classify(object::ingress(ebpf)?, &self.name, TcAttachType::Ingress).map_err(|error| refuse(&error))?;
        Ok((DatapathMode::Tc, Link::Ingress(id)))
    }

    fn egress(&self, ebpf: &mut Ebpf) -> Result<Link, Error> {
        let refuse = |error: &(dyn StdError + 'static)| refused("attach the egress program", error);
        let id = classify(object::egress(ebpf)?, &self.name, TcAttachType::Egress).map_err(|error| refuse(&error))?;
        Ok(Link::Egress(id))
    }
}

/// The name of a loaded program, if this process may see it (CAP_SYS_ADMIN), and its id.
fn program(id: u32) -> String {
    let name = loaded_programs().flatten().find(|info| info.id() == id);
    match name.as_ref().and_then(|info| info.name_as_str()) {
        Some(name) => format!("{name}, program {id}"),
        None => format!("program {id}; `bpftool prog show id {id}` says which"),
    }
}

/// Whether this kernel attaches programs of traffic control by links.
fn has_tcx() -> bool {
    object::kernel().is_none_or(|(_, version)| version >= (6, 6))
}

/// Uses tcx where the kernel has it (6.6). At ingress ours goes before all others', which could take its replies; at
/// egress behind them: what they drop does not leave. Older kernels have the classic way, where others may go first.
fn classify(
    program: &mut SchedClassifier,
    interface: &str,
    at: TcAttachType,
) -> Result<SchedClassifierLinkId, ProgramError> {
    if has_tcx() {
        let order = if matches!(at, TcAttachType::Ingress) { LinkOrder::first() } else { LinkOrder::last() };
        return program.attach_with_options(interface, at, TcAttachOptions::TcxOrder(order));
    }
    classic(program, interface, at)
}

/// The program outlives a killed agent there: so one that is still there is taken off first.
pub fn classic(
    program: &mut SchedClassifier,
    interface: &str,
    at: TcAttachType,
) -> Result<SchedClassifierLinkId, ProgramError> {
    let name = if matches!(at, TcAttachType::Ingress) { "ringmon_ingress" } else { "ringmon_egress" };
    // Usually it exists already. If something is really wrong, attaching finds out.
    let _ = tc::qdisc_add_clsact(interface);
    let _ = tc::qdisc_detach_program(interface, at, name);
    program.attach_with_options(interface, at, TcAttachOptions::Netlink(tc::NlOptions::default()))
}
