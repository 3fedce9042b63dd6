//! Whether the interface is up: two ioctls, in the namespace in which the socket was opened (netdevice(7)).

use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use socket2::{Domain, Socket, Type};

/// Reads the flags of one interface, whatever it is called.
#[derive(Debug)]
pub struct LinkFlags {
    socket: Socket,
    index: libc::c_int,
}

impl LinkFlags {
    /// The interface need not exist.
    ///
    /// # Errors
    /// As socket(2).
    pub fn open(index: u32) -> io::Result<Self> {
        let index = libc::c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(Self { socket: Socket::new(Domain::IPV4, Type::DGRAM, None)?, index })
    }

    /// From now on reads those of the interface with this index.
    pub fn follow(&mut self, index: u32) {
        // An index is a positive int (`struct ifinfomsg`).
        self.index = libc::c_int::try_from(index).unwrap_or_default();
    }

    /// Whether there is such an interface.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.flags().is_some()
    }

    /// Whether it is up administratively and has a carrier. An interface that is gone counts as down.
    #[must_use]
    pub fn up(&self) -> bool {
        self.flags().is_some_and(|flags| flags & libc::IFF_UP != 0 && flags & libc::IFF_RUNNING != 0)
    }

    fn flags(&self) -> Option<libc::c_int> {
        // SAFETY: all zeroes is an ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_ifru.ifru_ifindex = self.index;
        // The first one writes the name, for which the second one asks.
        for question in [libc::SIOCGIFNAME, libc::SIOCGIFFLAGS] {
            // SAFETY: the kernel reads and writes the request, which lives.
            let done = unsafe { libc::ioctl(self.socket.as_raw_fd(), question, &raw mut request) };
            if done != 0 {
                return None;
            }
        }
        // SAFETY: after success the union holds the flags.
        Some(libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
    }
}
