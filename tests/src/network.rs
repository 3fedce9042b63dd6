//! One bridge in a hub namespace, one namespace for each server, and faults on the way between them.
//!
//! ```text
//!   server 1: eth0 10.77.0.1 ---- p1 |          |
//!   server 2: eth0 10.77.0.2 ---- p2 |  bridge  | br0 10.77.0.254: the database
//!   ...                              |          |
//! ```
//!
//! Faults are nftables rules on the bridge: the carrier stays up, and servers see nothing but silence. The machine's
//! own namespace is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Context;

use crate::namespace::Namespace;
use crate::passing::Passing;

/// The hub's address, where the database listens.
pub const HUB: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);

/// The hub's MAC address.
const HUB_MAC: &str = "02:72:69:6e:67:fe";

/// The name of every server's interface.
pub const INTERFACE: &str = "eth0";

/// The address of the server with this number, 1 to 250.
#[must_use]
pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

/// What is broken on the bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Ports that pass nothing in either direction.
    pub cut: BTreeSet<u8>,
    /// Ports that pass only what goes to and from the hub: the database can still be reached.
    pub isolated: BTreeSet<u8>,
    /// Ports in different groups do not hear each other. A port in no group hears all. The hub hears all.
    pub groups: Vec<BTreeSet<u8>>,
    /// Pairs that do not hear each other, lower number first.
    pub broken: BTreeSet<(u8, u8)>,
    /// How many frames of a hundred a port loses, each way.
    pub loss: BTreeMap<u8, u8>,
    /// How many IP packets of a hundred are lost between any two servers, once on their way. ARP passes, and the hub
    /// hears all.
    pub one_way_loss: u8,
    /// The same, but of all frames: ARP is lost too.
    pub one_way_loss_of_all: u8,
    /// How many IP packets of a hundred are lost between this port and the hub, each way. ARP passes.
    pub hub_loss: BTreeMap<u8, u8>,
}

impl Faults {
    /// The rules as nftables reads them. They replace the earlier ones in one transaction.
    fn rules(&self) -> String {
        let mut forward = String::new();
        let mut ends = [String::new(), String::new()];
        for port in self.cut.union(&self.isolated) {
            let _ = writeln!(forward, "  iifname p{port} drop\n  oifname p{port} drop");
        }
        for port in &self.cut {
            let _ = writeln!(ends[0], "  iifname p{port} drop");
            let _ = writeln!(ends[1], "  oifname p{port} drop");
        }
        for (at, group) in self.groups.iter().enumerate() {
            let others = self.groups.iter().enumerate().filter(|(other, _)| *other != at);
            for (from, to) in others.flat_map(|(_, g)| g).flat_map(|to| group.iter().map(move |from| (from, to))) {
                let _ = writeln!(forward, "  iifname p{from} oifname p{to} drop");
            }
        }
        for (a, b) in &self.broken {
            let _ = writeln!(forward, "  iifname p{a} oifname p{b} drop\n  iifname p{b} oifname p{a} drop");
        }
        for (port, percent) in &self.loss {
            for direction in ["iifname", "oifname"] {
                let _ = writeln!(forward, "  {direction} p{port} numgen random mod 100 < {percent} drop");
            }
        }
        if self.one_way_loss > 0 {
            // One rule that a packet passes once, not one at each port: a round trip is two packets, and each is lost
            // with this chance.
            let _ = writeln!(forward, "  ether type ip numgen random mod 100 < {} drop", self.one_way_loss);
        }
        if self.one_way_loss_of_all > 0 {
            let _ = writeln!(forward, "  numgen random mod 100 < {} drop", self.one_way_loss_of_all);
        }
        for (port, percent) in &self.hub_loss {
            for (chain, direction) in ends.iter_mut().zip(["iifname", "oifname"]) {
                let _ = writeln!(chain, "  {direction} p{port} ether type ip numgen random mod 100 < {percent} drop");
            }
        }
        let [input, output] = ends;
        format!(
            "table bridge lab\ndelete table bridge lab\ntable bridge lab {{\n\
             chain forward {{\n  type filter hook forward priority 0\n{forward}}}\n\
             chain input {{\n  type filter hook input priority 0\n{input}}}\n\
             chain output {{\n  type filter hook output priority 0\n{output}}}\n}}\n"
        )
    }
}

/// The bridge and its ports.
#[derive(Debug)]
pub struct Network {
    hub: Namespace,
    pass: Option<Passing>,
    faults: Faults,
}

impl Network {
    /// A bridge without servers. `pass` is the object with the pass-all program for its ports.
    ///
    /// # Errors
    /// This process is not root, iproute2 is missing, this kernel has no bridges, or it refused the program.
    pub fn new(pass: Option<&Path>) -> anyhow::Result<Self> {
        let pass = pass.map(Passing::load).transpose()?;
        let hub = Namespace::new()?;
        // An address of its own. Without one a bridge takes the lowest address of its ports, so a new server may change
        // it. Whoever resolved the old address then sends to nobody until the entry expires, half a minute later.
        hub.ip(&format!(
            "link add br0 address {HUB_MAC} type bridge forward_delay 0 mcast_snooping 0\n\
             addr add {HUB}/24 dev br0\n\
             link set br0 up\n"
        ))
        .context("cannot make the lab's bridge")?;
        Ok(Self { hub, pass, faults: Faults::default() })
    }

    /// The namespace of the bridge and the database.
    #[must_use]
    pub fn hub(&self) -> &Namespace {
        &self.hub
    }

    /// A namespace for the server with this number, plugged in.
    ///
    /// # Errors
    /// The link cannot be made, or its port takes no program.
    pub fn plug(&self, number: u8) -> anyhow::Result<Namespace> {
        let server = Namespace::new()?;
        self.replug(number, &server)?;
        Ok(server)
    }

    /// Makes the link between this server and the bridge anew.
    ///
    /// # Errors
    /// There is one already, or its port takes no program.
    pub fn replug(&self, number: u8, server: &Namespace) -> anyhow::Result<()> {
        let hub = format!(
            "link add p{number} type veth peer name {INTERFACE} netns {}\n\
             link set p{number} master br0 up\n",
            server.path()
        );
        self.hub.ip(&hub).with_context(|| format!("cannot plug in server {number}"))?;
        if let Some(pass) = &self.pass {
            pass.attach(&self.hub, &format!("p{number}"))?;
        }
        server.ip(&format!("addr add {}/24 dev {INTERFACE}\nlink set {INTERFACE} up\n", address(number)))?;
        Ok(())
    }

    /// What is broken now.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Changes what is broken, all at once.
    ///
    /// # Errors
    /// nftables refused. Then nothing has changed.
    pub fn change(&mut self, change: impl FnOnce(&mut Faults)) -> anyhow::Result<()> {
        let mut faults = self.faults.clone();
        change(&mut faults);
        if faults != self.faults {
            self.hub.command("nft", &["-f", "-"], &faults.rules()).context("cannot change the bridge's rules")?;
            self.faults = faults;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
