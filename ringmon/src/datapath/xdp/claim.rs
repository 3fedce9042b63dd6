//! One agent answers for an address. The XDP slot shows that only where both want it, and only a privileged process
//! may see whose program is in it.

use std::io;
use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::datapath::Error;

/// Holds an address until it is dropped, in this network namespace, also if the process is killed (unix(7), abstract
/// sockets). Nobody connects to it.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "it is held, not used")] UnixListener);

impl Claim {
    /// # Errors
    /// [`Error::Claimed`], or as socket(2).
    pub fn on(address: Ipv4Addr) -> Result<Self, Error> {
        let system = |source| Error::System { what: "claim the address", source };
        let name = SocketAddr::from_abstract_name(format!("ringmon/{address}")).map_err(system)?;
        match UnixListener::bind_addr(&name) {
            Ok(socket) => Ok(Self(socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Error::Claimed { address: address.into() }),
            Err(error) => Err(system(error)),
        }
    }
}
