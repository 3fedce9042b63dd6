//! Other failure detectors in the same namespaces, with the same faults: BFD (RFC 5880), single-hop, between each
//! server and its two neighbours, 10 ms times 3.

mod bird;
mod frr;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use super::lines::Lines;
use super::pool::{Pool, must};
use super::ports::Ports;
use super::reports::{Kind, Report, Reports};
use crate::clock::now_ns;
use crate::folder::Folder;
use crate::lab::Options;
use crate::namespace::Namespace;
use crate::network::{Network, address};
use crate::process::{Launch, Process, tail};
use crate::turn::Turn;
use crate::undo::Undo;

/// Which implementation of BFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// BIRD 2.
    Bird,
    /// bfdd of FRRouting.
    Frr,
}

/// The time between two packets of a session, and how many may be lost.
pub const TIMING: &str = "10 ms x 3";

impl Peer {
    /// Its name in a line of results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bird => "bird",
            Self::Frr => "frr",
        }
    }

    fn prepare(self, place: &Place) -> anyhow::Result<Launch> {
        match self {
            Self::Bird => bird::prepare(place),
            Self::Frr => frr::prepare(place),
        }
    }

    fn parse(self, line: &str) -> Option<Said> {
        match self {
            Self::Bird => bird::parse(line),
            Self::Frr => frr::parse(line),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where one instance runs, and which servers it watches.
#[derive(Clone, Debug)]
struct Place {
    folder: PathBuf,
    log: PathBuf,
    own: Ipv4Addr,
    neighbours: [Ipv4Addr; 2],
}

/// A line of a log that tells of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    /// Microseconds since 1970, on this machine's clock.
    at_us: u64,
    of: Ipv4Addr,
    kind: Kind,
}

#[derive(Debug)]
struct Instance {
    number: u8,
    process: Process,
    log: Lines,
    _namespace: Namespace,
    _crumbs: Option<Undo>,
}

/// A ring of servers with BFD. The fields are dropped in this order: processes, network, folder.
#[derive(Debug)]
pub struct Peers {
    peer: Peer,
    order: Vec<String>,
    instances: BTreeMap<String, Instance>,
    ports: Ports,
    network: Network,
    reports: Reports,
    folder: Folder,
    _turn: Turn,
}

impl Peers {
    /// Starts this many, and waits until all sessions are up.
    ///
    /// # Errors
    /// It is not installed, or its sessions do not come up.
    pub fn start(peer: Peer, servers: u8) -> anyhow::Result<Self> {
        let turn = Turn::wait();
        let folder = Folder::new()?;
        let network = Network::new(Options::built("release").pass.as_deref())?;
        let mut instances = BTreeMap::new();
        for number in 1..=servers {
            let before = if number == 1 { servers } else { number - 1 };
            let after = if number == servers { 1 } else { number + 1 };
            let inside = folder.sub(&name(number))?;
            let place = Place {
                log: inside.join("sessions.log"),
                folder: inside,
                own: address(number),
                neighbours: [address(before), address(after)],
            };
            instances.insert(name(number), Instance::start(peer, number, &network, &place)?);
        }
        let ports = Ports::open(&network, 1..=servers)?;
        let order = (1..=servers).map(name).collect();
        let reports = Reports::default();
        let mut pool = Self { peer, order, instances, ports, network, reports, folder, _turn: turn };
        pool.settle(Duration::from_secs(30)).with_context(|| format!("{peer} did not come up"))?;
        Ok(pool)
    }

    fn instance(&self, name: &str) -> anyhow::Result<&Instance> {
        self.instances.get(name).with_context(|| format!("there is no server {name}"))
    }
}

impl Instance {
    fn start(peer: Peer, number: u8, network: &Network, place: &Place) -> anyhow::Result<Self> {
        let namespace = network.plug(number)?;
        let process = Process::start(&namespace, peer.prepare(place)?)?;
        let crumbs = (peer == Peer::Frr).then(|| frr::sweep_later(process.pid()));
        Ok(Self { number, process, log: Lines::of(place.log.clone()), _namespace: namespace, _crumbs: crumbs })
    }
}

fn name(number: u8) -> String {
    format!("s{number}")
}

/// The server with this address; the opposite of [`address`].
fn name_of(address: Ipv4Addr) -> String {
    name(address.octets()[3])
}

/// The difference between the wall clock and the monotonic clock, in nanoseconds.
fn wall_ahead_ns() -> anyhow::Result<u64> {
    let wall =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let wall = u64::try_from(wall.as_nanos()).context("this machine's clock is far in the future")?;
    Ok(wall.saturating_sub(now_ns()))
}

impl Pool for Peers {
    fn order(&self) -> &[String] {
        &self.order
    }

    fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn port(&self, name: &str) -> anyhow::Result<u8> {
        Ok(self.instance(name)?.number)
    }

    fn process(&self, name: &str) -> anyhow::Result<&Process> {
        Ok(&self.instance(name)?.process)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        let ahead = wall_ahead_ns()?;
        for (by, instance) in &mut self.instances {
            for said in instance.log.read()?.iter().filter_map(|line| self.peer.parse(line)) {
                let at_ns = (said.at_us * 1000).saturating_sub(ahead);
                self.reports.tell(Report { at_ns, by: by.clone(), of: name_of(said.of), kind: said.kind });
            }
            if let Some(status) = instance.process.ended() {
                bail!("{} of {by} ended ({status}): {}", self.peer, tail(instance.process.log(), 10));
            }
        }
        Ok(())
    }

    fn reports(&self) -> &Reports {
        &self.reports
    }

    fn removals(&self) -> anyhow::Result<Option<u64>> {
        Ok(None)
    }

    fn settle(&mut self, limit: Duration) -> anyhow::Result<()> {
        must(self, "all sessions are up", limit, |pool| pool.all_hear().then_some(()))
    }

    fn last_words(&self) -> String {
        let logs = self.instances.iter().map(|(name, one)| format!("{name}:\n{}", tail(one.process.log(), 6)));
        format!("{}\n{}", self.reports.last_words(), logs.collect::<Vec<_>>().join("\n"))
    }
}
