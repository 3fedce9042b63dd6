//! Follows the interface and the address while the agent runs. docs/hosts.md has each change and what comes of it.
//!
//! The kernel tells of changes (rtnetlink(7)). What it tells only makes this look at how things are. So nothing is lost
//! where its messages are lost, and a change that is taken back at once is none.

use std::io;
use std::time::Duration;

use nix::libc;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::attach::Interface;
use super::netlink::{Link, Netlink};
use super::object::Plain;
use super::sender::Command;
use super::{XdpDatapath, clock, socket};
use crate::datapath::Error;
use ringmon_common::layout::Config;
use ringmon_common::tag;
use ringmon_core::host::HostChange;
use ringmon_core::{Time, Word as _};

/// `RTNLGRP_LINK` and `RTNLGRP_IPV4_IFADDR` of rtnetlink(7), for which libc has no names.
const GROUPS: [u32; 2] = [1, 5];
/// The part of a message that is read: a header of 16 bytes, 4 more, and the index of the interface.
const MESSAGE: usize = 24;
/// Who has lost the interface or the address looks for it this often, besides each time the kernel tells of a change.
const AGAIN: Duration = Duration::from_millis(250);

/// What is known of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has the address.
    Here,
    NoAddress,
    /// It is gone, and with it everything that was attached.
    NoInterface,
}

pub struct Host {
    news: AsyncFd<Socket>,
    pub netlink: Netlink,
    standing: Standing,
    /// What the interface was called at the start: one that is made anew may be called so again.
    first_name: String,
    /// Our XDP program, if that is what answers: an interface without it was made anew in between.
    pub program: Option<u32>,
    looked: Time,
    /// The last look found out nothing.
    failed: bool,
    /// Why it could not come back, as said last.
    why: Option<String>,
    /// Not yet reported.
    changes: Vec<(HostChange, String)>,
}

impl Host {
    /// In this thread's network namespace. Call it on a tokio runtime with I/O.
    ///
    /// # Errors
    /// As socket(2) and bind(2).
    pub fn open(netlink: Netlink, first_name: String) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        socket.set_non_blocking(true)?;
        // SAFETY: the socket owns its file descriptor, keeps it while it lives, and never changes it.
        let news = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let (news, standing, looked) = (news.map_err(io::Error::from)?, Standing::Here, clock::now());
        let (program, failed, why, changes) = (None, false, None, Vec::new());
        Ok(Self { news, netlink, standing, first_name, program, looked, failed, why, changes })
    }

    /// Waits until the interface with this index, or an address of it, has changed; while it is gone: any interface. To
    /// look costs a lock of the kernel that others hold for long while many interfaces change. Cancel-safe.
    pub async fn news(&mut self, index: u32) {
        loop {
            // An error means that the runtime is shutting down: nobody will be woken again.
            let Ok(mut ready) = self.news.readable().await else { return std::future::pending().await };
            let mut concerned = false;
            loop {
                let mut message = [0; MESSAGE];
                match ready.get_inner().recv(&mut message.as_mut_slice(), 0) {
                    Ok(_) => concerned |= self.standing == Standing::NoInterface || about(&message) == index,
                    // More than there was room for.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => concerned = true,
                    Err(_) => break,
                }
            }
            ready.clear_ready();
            if concerned {
                return;
            }
        }
    }

    /// How the interface stands, and what it is called.
    fn see(&mut self, interface: &Interface) -> io::Result<(Standing, String)> {
        match self.netlink.link(interface.index, None) {
            // Made anew between two looks, under the same index: nothing is attached any more.
            Ok(link) if self.is_another(&link, interface) => Ok((Standing::NoInterface, link.name)),
            Ok(link) => {
                let has = self.netlink.addresses(interface.index)?.contains(&interface.address);
                Ok((if has { Standing::Here } else { Standing::NoAddress }, link.name))
            }
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                Ok((Standing::NoInterface, interface.name.clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// XDP shows whether it is still attached. Behind the slot only the hardware address tells.
    fn is_another(&self, link: &Link, interface: &Interface) -> bool {
        self.program.map_or(link.hardware != interface.hardware, |own| !link.programs.contains(&own))
    }

    fn change(&mut self, change: HostChange, interface: &str) {
        self.changes.push((change, interface.to_owned()));
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Vec<(HostChange, String)> {
        std::mem::take(&mut self.changes)
    }
}

/// The index that a message about a link or an address begins with, after its header: `struct ifinfomsg` and `struct
/// ifaddrmsg` have it at the same place.
fn about(message: &[u8; MESSAGE]) -> u32 {
    let [.., a, b, c, d] = *message;
    u32::from_ne_bytes([a, b, c, d])
}

impl XdpDatapath {
    /// Looks again for what was lost, from time to time.
    pub(super) fn look_again(&mut self) {
        let unsettled = self.host.standing != Standing::Here || self.host.failed;
        if unsettled && clock::now().since(self.host.looked) >= AGAIN {
            self.look_at_host();
        }
    }

    /// Looks at the interface and the address, and follows what has changed.
    pub(super) fn look_at_host(&mut self) {
        self.host.looked = clock::now();
        if self.host.standing == Standing::NoInterface {
            return self.come_back();
        }
        let seen = self.host.see(&self.interface);
        let failed = std::mem::replace(&mut self.host.failed, seen.is_err());
        let (standing, name) = match seen {
            Ok(seen) => seen,
            Err(error) => {
                if !failed {
                    tracing::warn!("cannot look at the interface {}, and tries again: {error}", self.interface.name);
                }
                return;
            }
        };
        if name != self.interface.name {
            self.host.change(HostChange::Renamed, &name);
            self.interface.name = name;
        }
        let name = &self.interface.name;
        match (std::mem::replace(&mut self.host.standing, standing), standing) {
            (Standing::Here, Standing::NoAddress) => {
                self.host.change(HostChange::AddressGone, name);
                self.answer_for([0; 16]);
            }
            (Standing::NoAddress, Standing::Here) => {
                self.host.change(HostChange::AddressBack, name);
                self.answer_for(tag::mapped(self.interface.address.octets()));
            }
            (Standing::Here | Standing::NoAddress, Standing::NoInterface) => {
                self.host.change(HostChange::InterfaceGone, name);
                // In another namespace it would go on answering.
                self.answer_for([0; 16]);
                self.interface.detach(&mut self.ebpf, &mut self.attached);
            }
            (Standing::Here | Standing::NoAddress | Standing::NoInterface, _) => {}
        }
    }

    /// Answers probes for this address; all zeroes: for none.
    fn answer_for(&mut self, address: [u8; 16]) {
        if let Err(error) = self.config.set(0, Plain(Config { address, nonce: self.nonce }), 0) {
            tracing::error!("cannot tell the kernel which address is answered for: {error}");
        }
    }

    fn come_back(&mut self) {
        match self.attach_again() {
            Ok(()) => {
                self.host.standing = Standing::Here;
                self.host.why = None;
                self.host.change(HostChange::InterfaceBack, &self.interface.name);
                tracing::info!(interface = self.interface.name, mode = self.mode.word(), "probes are answered again");
            }
            // It is waited for.
            Err(Error::NoInterface { .. } | Error::NoAddress { .. }) => {}
            Err(error) => {
                let why = error.to_string();
                if self.host.why.as_ref() != Some(&why) {
                    tracing::error!("the interface is back and cannot be used: {why}");
                    self.host.why = Some(why);
                }
            }
        }
    }

    /// Attaches everything to an interface that was made anew. Maps, watches and their windows stay as they are.
    fn attach_again(&mut self) -> Result<(), Error> {
        let system = |source| Error::System { what: "open a raw socket for a watch", source };
        let (address, netlink) = (self.interface.address.into(), &mut self.host.netlink);
        let interface = match Interface::examine(&self.interface.name, address, netlink) {
            Err(_) if self.interface.name != self.host.first_name => {
                Interface::examine(&self.host.first_name, address, netlink)?
            }
            found => found?,
        };
        let sockets = self
            .peers
            .keys()
            .map(|id| Ok((*id, socket::open(&interface.name, interface.address, self.dscp)?)))
            .collect::<io::Result<Vec<_>>>()
            .map_err(system)?;
        let (mode, attached) = interface.attach(&mut self.ebpf, self.choice)?;
        (self.mode, self.attached, self.interface) = (mode, attached, interface);
        self.host.program = Interface::program(&mut self.ebpf, &self.attached);
        self.answer_for(tag::mapped(self.interface.address.octets()));
        self.sender.tell(Command::Interface(self.interface.index));
        for (id, socket) in sockets {
            self.sender.tell(Command::Socket(id, socket));
        }
        Ok(())
    }
}
