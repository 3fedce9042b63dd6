//! Where the programs run: checks the interface, chooses the mode, attaches.

use std::error::Error as StdError;
use std::io;
use std::net::Ipv4Addr;

use aya::programs::tc::{self, TcAttachOptions, TcAttachType};
use aya::programs::{ProgramError, XdpMode};
use nix::libc;

use super::netlink::Netlink;
use super::object::{self, Object, errno, refused};
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
        Ok(Self { name: name.to_owned(), index, address: v4, against_native })
    }

    /// Attaches both programs, and returns the mode.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Permission`], [`Error::Refused`]; nothing stays attached once `object` is dropped.
    pub fn attach(&self, object: &mut Object, choice: DatapathChoice) -> Result<DatapathMode, Error> {
        // A kernel closes the files of a killed process from the highest number down, and waits for milliseconds at
        // each link. So the XDP link comes last and is closed first: buddies soon get the kernel's own answer. The
        // classic way has no link, and replaces the program of another agent, which a busy XDP slot must prevent.
        let linked = has_tcx();
        if linked {
            self.egress(object)?;
        }
        let mode = match (choice, self.against_native) {
            (DatapathChoice::XdpNative, against) => {
                if let Some(why) = against {
                    tracing::warn!(interface = self.name, "native XDP, as asked for, but {why}");
                }
                self.xdp(object, XdpMode::Driver)?
            }
            (DatapathChoice::XdpGeneric, _) => self.xdp(object, XdpMode::Skb)?,
            (DatapathChoice::Auto, Some(why)) => {
                tracing::warn!(interface = self.name, "generic XDP instead of native: {why}");
                self.xdp(object, XdpMode::Skb)?
            }
            (DatapathChoice::Auto, None) => match self.xdp(object, XdpMode::Driver) {
                Err(Error::Refused { cause, .. }) => {
                    tracing::warn!(
                        interface = self.name,
                        "generic XDP instead of native: the driver refused ({cause})"
                    );
                    self.xdp(object, XdpMode::Skb)?
                }
                other => other?,
            },
        };
        if !linked {
            self.egress(object)?;
        }
        Ok(mode)
    }

    fn xdp(&self, object: &mut Object, mode: XdpMode) -> Result<DatapathMode, Error> {
        let (name, found) = match mode {
            XdpMode::Skb => ("generic", DatapathMode::XdpGeneric),
            XdpMode::Driver | XdpMode::Default | XdpMode::Hardware => ("native", DatapathMode::XdpNative),
        };
        let attached = object::xdp(&mut object.ebpf)?.attach_to_if_index(self.index, mode);
        attached.map(|_| found).map_err(|error| match errno(&error) {
            Some(code @ (libc::EBUSY | libc::EEXIST)) => {
                Error::Busy { interface: self.name.clone(), mode: name, source: io::Error::from_raw_os_error(code) }
            }
            _ => refused("attach the XDP program", &error),
        })
    }

    /// Uses tcx where the kernel has it (6.6). Older kernels have the classic way, where the program outlives a killed
    /// agent: so a program that is still there is taken off first.
    fn egress(&self, object: &mut Object) -> Result<(), Error> {
        let what = "attach the egress program";
        let refuse = |error: &(dyn StdError + 'static)| refused(what, error);
        let program = object::egress(&mut object.ebpf)?;
        if has_tcx() {
            return program.attach(&self.name, TcAttachType::Egress).map(drop).map_err(|error| refuse(&error));
        }
        classic(program, &self.name).map_err(|error| refuse(&error))
    }
}

/// Whether this kernel attaches the egress program by a link.
fn has_tcx() -> bool {
    object::kernel().is_none_or(|(_, version)| version >= (6, 6))
}

pub fn classic(program: &mut aya::programs::SchedClassifier, interface: &str) -> Result<(), ProgramError> {
    // Usually it exists already. If something is really wrong, attaching finds out.
    let _ = tc::qdisc_add_clsact(interface);
    let _ = tc::qdisc_detach_program(interface, TcAttachType::Egress, "ringmon_egress");
    let options = TcAttachOptions::Netlink(tc::NlOptions::default());
    program.attach_with_options(interface, TcAttachType::Egress, options).map(drop)
}
