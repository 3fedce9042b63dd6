//! Whether the interface is up: one ioctl, in the namespace in which the socket was opened (netdevice(7)).

use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use socket2::{Domain, Socket, Type};

/// Reads the flags of one interface.
#[derive(Debug)]
pub struct LinkFlags {
    socket: Socket,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl LinkFlags {
    /// The interface need not exist.
    ///
    /// # Errors
    /// As socket(2).
    pub fn open(interface: &str) -> io::Result<Self> {
        let mut name = [0; libc::IFNAMSIZ];
        for (to, from) in name.iter_mut().take(libc::IFNAMSIZ - 1).zip(interface.bytes()) {
            *to = from as libc::c_char;
        }
        Ok(Self { socket: Socket::new(Domain::IPV4, Type::DGRAM, None)?, name })
    }

    /// Whether there is an interface of this name.
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
        request.ifr_name = self.name;
        // SAFETY: the kernel reads the name and writes the flags of the request, which lives.
        let done = unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) };
        if done != 0 {
            return None;
        }
        // SAFETY: after success the union holds the flags.
        Some(libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
    }
}
