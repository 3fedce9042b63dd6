//! One agent answers for an address. The XDP slot shows that only where both want it, and only a privileged process
//! may see whose program is in it.

use std::io;
use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use crate::datapath::Error;

/// Holds an address until it is dropped, in this network namespace, also if the process is killed (unix(7), abstract
/// sockets).
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "it is held, not used")] Option<UnixListener>);

impl Claim {
    /// Every user of this machine may take such a name. One that another user has, root aside, is no agent's, and keeps
    /// none from starting.
    ///
    /// # Errors
    /// [`Error::Claimed`], or as socket(2).
    pub fn on(address: Ipv4Addr) -> Result<Self, Error> {
        let system = |source| Error::System { what: "claim the address", source };
        let name = SocketAddr::from_abstract_name(format!("ringmon/{address}")).map_err(system)?;
        match UnixListener::bind_addr(&name) {
            Ok(socket) => Ok(Self(Some(socket))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let holder = UnixStream::connect_addr(&name).map_err(system)?;
                // Of when the holder began to listen (unix(7)).
                let holder = getsockopt(&holder, PeerCredentials).map_err(|error| system(error.into()))?;
                if holder.uid() == 0 || holder.uid() == geteuid().as_raw() {
                    return Err(Error::Claimed { address: address.into(), pid: holder.pid() });
                }
                tracing::warn!(
                    "process {} of user {} holds the name by which agents claim {address}, and is no agent",
                    holder.pid(),
                    holder.uid()
                );
                Ok(Self(None))
            }
            Err(error) => Err(system(error)),
        }
    }
}
