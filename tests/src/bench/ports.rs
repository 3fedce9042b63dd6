//! The bridge's ports, switched by one system call: starting nft(8) takes longer than a fast profile takes to see a
//! crash.
//!
//! A port in the state `disabled` passes nothing in either direction, and its carrier stays up. The messages are those
//! of rtnetlink(7) and linux/if_bridge.h.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, bail, ensure};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, socket,
};

use crate::network::Network;

const RTM_SETLINK: u16 = 19;
const NLMSG_ERROR: u16 = 2;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const ASK_AND_ACKNOWLEDGE: u16 = 1 | 4;
const AF_BRIDGE: u8 = 7;
/// `IFLA_PROTINFO` with `NLA_F_NESTED`: without that flag the kernel reads the old, one-byte form.
const IFLA_PROTINFO: u16 = 12 | 0x8000;
const IFLA_BRPORT_STATE: u16 = 1;
const DISABLED: u8 = 0;
const FORWARDING: u8 = 3;
/// Two headers of 16 bytes, and an attribute inside an attribute.
const LENGTH: usize = 44;

/// A switch for each port of a bridge.
#[derive(Debug)]
pub struct Ports {
    socket: OwnedFd,
    indexes: BTreeMap<u8, i32>,
}

impl Ports {
    /// Opens the switches of these ports.
    ///
    /// # Errors
    /// One of them is not plugged in, or the kernel gives no netlink socket.
    pub fn open(network: &Network, numbers: impl IntoIterator<Item = u8>) -> anyhow::Result<Self> {
        let numbers: Vec<u8> = numbers.into_iter().collect();
        network.hub().run(move || {
            let socket =
                socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
                    .context("cannot open a netlink socket")?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0)).context("cannot bind a netlink socket")?;
            let index = |number: u8| -> anyhow::Result<(u8, i32)> {
                let name = format!("p{number}");
                let index = nix::net::if_::if_nametoindex(name.as_str()).with_context(|| format!("no port {name}"))?;
                Ok((number, i32::try_from(index).context("an interface index that is none")?))
            };
            Ok(Self { indexes: numbers.into_iter().map(index).collect::<anyhow::Result<_>>()?, socket })
        })?
    }

    /// Lets this port pass nothing, or everything again. It is in force when this returns.
    ///
    /// # Errors
    /// There is no such port, or the kernel refused.
    pub fn pass(&self, number: u8, everything: bool) -> anyhow::Result<()> {
        let index = self.indexes.get(&number).with_context(|| format!("there is no port p{number}"))?;
        let state = if everything { FORWARDING } else { DISABLED };
        let fd = self.socket.as_raw_fd();
        sendto(fd, &message(*index, state), &NetlinkAddr::new(0, 0), MsgFlags::empty())
            .with_context(|| format!("cannot switch port p{number}"))?;
        let mut answer = [0; 256];
        let length = recv(fd, &mut answer, MsgFlags::empty()).context("no answer on a netlink socket")?;
        match error_of(&answer[..length])? {
            0 => Ok(()),
            code => bail!("cannot switch port p{number}: {}", nix::errno::Errno::from_raw(-code)),
        }
    }
}

fn message(index: i32, state: u8) -> [u8; LENGTH] {
    let mut text = Vec::with_capacity(LENGTH);
    let attribute = |kind: u16, length: u16| [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    text.extend(44_u32.to_ne_bytes());
    text.extend(RTM_SETLINK.to_ne_bytes());
    text.extend(ASK_AND_ACKNOWLEDGE.to_ne_bytes());
    text.extend([0; 8]); // sequence and port: one question at a time on this socket
    text.extend([AF_BRIDGE, 0, 0, 0]);
    text.extend(index.to_ne_bytes());
    text.extend([0; 8]); // flags and change
    text.extend(attribute(IFLA_PROTINFO, 12));
    text.extend(attribute(IFLA_BRPORT_STATE, 5));
    text.extend([state, 0, 0, 0]);
    let mut message = [0; LENGTH];
    message.copy_from_slice(&text);
    message
}

/// The error in an acknowledgement: 0 or a negative errno.
fn error_of(answer: &[u8]) -> anyhow::Result<i32> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    ensure!(kind == Some(NLMSG_ERROR), "a netlink answer of kind {kind:?}");
    code.context("a netlink answer that ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::address;

    #[test]
    fn a_port_passes_nothing_keeps_its_carrier_and_passes_again() {
        let network = Network::new(None).unwrap();
        let (a, b) = (network.plug(1).unwrap(), network.plug(2).unwrap());
        let ports = Ports::open(&network, [1, 2]).unwrap();
        let answers = || a.command("ping", &["-c", "1", "-W", "1", &address(2).to_string()], "").is_ok();
        // A busy machine may need several attempts.
        let hears = || (0..10).any(|_| answers());
        assert!(hears());
        ports.pass(2, false).unwrap();
        assert!(!answers());
        assert!(b.command("ip", &["-brief", "link", "show", "eth0"], "").unwrap().contains("LOWER_UP"));
        ports.pass(2, true).unwrap();
        assert!(hears());
    }

    #[test]
    fn a_port_that_is_not_there_is_named() {
        let network = Network::new(None).unwrap();
        assert!(Ports::open(&network, [9]).unwrap_err().to_string().contains("p9"));
    }
}
