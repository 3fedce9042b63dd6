//! Other failure detectors in the same namespaces, with the same faults: BFD (RFC 5880), single-hop, between each
//! server and its two neighbours, 10 ms times 3; and VRRP, as far as it can watch neighbours.

mod bird;
mod frr;
mod keepalived;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lines::Lines;
use super::pool::{Pool, must};
use super::ports::Ports;
use super::reports::{Kind, Report, Reports};
use crate::cells::{self, Cells};
use crate::clock::now_ns;
use crate::folder::Folder;
use crate::lab::Options;
use crate::namespace::Namespace;
use crate::network::{Network, address};
use crate::process::{Launch, Process, tail};
use crate::turn::Turn;
use crate::undo::Undo;

/// Which detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// BIRD 2.
    Bird,
    /// bfdd of FRRouting.
    Frr,
    /// The BFD of keepalived.
    KeepalivedBfd,
    /// The VRRP of keepalived, version 3.
    KeepalivedVrrp,
}

/// In the order of measurement.
pub const ALL: [Peer; 4] = [Peer::Bird, Peer::Frr, Peer::KeepalivedBfd, Peer::KeepalivedVrrp];

/// The usual time between two packets of a session.
pub const INTERVAL: Duration = Duration::from_millis(10);

/// The time between two packets, and how many may be lost.
#[must_use]
pub fn timing(interval: Duration) -> String {
    format!("{} ms x 3", interval.as_secs_f64() * 1e3)
}

impl Peer {
    /// Its name in a line of results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::KeepalivedBfd => "keepalived-bfd",
            Self::KeepalivedVrrp => "keepalived-vrrp",
        }
    }

    fn prepare(self, place: &Place) -> anyhow::Result<Launch> {
        match self {
            Self::Bird => bird::prepare(place),
            Self::Frr => frr::prepare(place),
            Self::KeepalivedBfd => keepalived::prepare(place, false),
            Self::KeepalivedVrrp => keepalived::prepare(place, true),
        }
    }

    /// What `own` says of another one in this line.
    fn parse(self, line: &str, own: &str) -> Option<Said> {
        match self {
            Self::Bird => bird::parse(line),
            Self::Frr => frr::parse(line),
            Self::KeepalivedBfd => keepalived::parse_bfd(line),
            Self::KeepalivedVrrp => keepalived::parse_vrrp(line, own),
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || ALL.map(Self::name).join(", ");
        ALL.into_iter()
            .find(|peer| peer.name() == text)
            .ok_or_else(|| format!("no such peer: {text}; there are {}", known()))
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
    interval: Duration,
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
    namespace: Namespace,
    place: Place,
    crumbs: Option<Undo>,
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
    cells: Cells,
    folder: Folder,
    _turn: Turn,
}

impl Peers {
    /// Starts this many, and waits until all sessions are up.
    ///
    /// # Errors
    /// It is not installed, or its sessions do not come up.
    pub fn start(peer: Peer, interval: Duration, cell: Option<cells::Kind>, servers: u8) -> anyhow::Result<Self> {
        let turn = Turn::wait();
        let folder = Folder::new()?;
        let network = Network::new(Options::built("release").pass.as_deref())?;
        let order: Vec<String> = (1..=servers).map(name).collect();
        let cells = cell.map_or_else(|| Ok(Cells::default()), |kind| Cells::new(kind, &order))?;
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
                interval,
            };
            let namespace = network.plug(number)?;
            instances.insert(name(number), Instance::start(peer, number, &cells, namespace, place)?);
        }
        let ports = Ports::open(&network, 1..=servers)?;
        let reports = Reports::default();
        let mut pool = Self { peer, order, instances, ports, network, reports, cells, folder, _turn: turn };
        pool.settle(Duration::from_secs(30)).with_context(|| format!("{peer} did not come up"))?;
        Ok(pool)
    }

    fn instance(&self, name: &str) -> anyhow::Result<&Instance> {
        self.instances.get(name).with_context(|| format!("there is no server {name}"))
    }
}

impl Instance {
    fn start(peer: Peer, number: u8, cells: &Cells, namespace: Namespace, place: Place) -> anyhow::Result<Self> {
        let process = Process::start(&namespace, cells.enter(&name(number), peer.prepare(&place)?))?;
        let crumbs = peer.crumbs(&process, &place);
        Ok(Self { number, process, log: Lines::of(place.log.clone()), namespace, place, crumbs })
    }

    /// The process, and those that it has started.
    fn pids(&self) -> Vec<i32> {
        let own = self.process.pid();
        [vec![own], children(own)].concat()
    }
}

impl Peer {
    /// What it would leave behind when it is killed.
    fn crumbs(self, process: &Process, place: &Place) -> Option<Undo> {
        let pid = process.pid();
        match self {
            Self::Bird => None,
            Self::Frr => Some(frr::sweep_later(pid)),
            Self::KeepalivedBfd | Self::KeepalivedVrrp => {
                let folder = place.folder.clone();
                Some(Undo::later(move || keepalived::end(&folder)))
            }
        }
    }
}

/// The processes that this one has started: proc_pid_task(5).
fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().flat_map(str::parse).collect()
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
            for said in instance.log.read()?.iter().filter_map(|line| self.peer.parse(line, by)) {
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

    fn cells(&self) -> &Cells {
        &self.cells
    }

    fn pids(&self, name: &str) -> anyhow::Result<Vec<i32>> {
        Ok(self.instance(name)?.pids())
    }

    fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        let instance = self.instance(name)?;
        instance.process.signal(signal)?;
        for pid in children(instance.process.pid()) {
            // One that has just ended needs no signal.
            let _ = kill(Pid::from_raw(pid), signal);
        }
        Ok(())
    }

    fn renew(&mut self, limit: Duration) -> anyhow::Result<u64> {
        for instance in self.instances.values() {
            let children = children(instance.process.pid());
            instance.process.kill()?;
            for pid in children {
                // Most have ended with the first.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        // What they said until now is of their last life.
        for instance in self.instances.values_mut() {
            instance.log.read()?;
        }
        self.reports.forget();
        for (name, instance) in &mut self.instances {
            let launch = self.peer.prepare(&instance.place)?;
            instance.process = Process::start(&instance.namespace, self.cells.enter(name, launch))?;
            if self.peer == Peer::Frr {
                instance.crumbs = self.peer.crumbs(&instance.process, &instance.place);
            }
        }
        let end = Instant::now() + limit;
        while !self.all_hear() {
            ensure!(Instant::now() < end, "waited {limit:?} in vain until all sessions are up\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(5));
            self.listen()?;
        }
        Ok(self.reports.last_heard_ns())
    }

    fn settle(&mut self, limit: Duration) -> anyhow::Result<()> {
        must(self, "all sessions are up", limit, |pool| pool.all_hear().then_some(()))
    }

    fn last_words(&self) -> String {
        let logs = self.instances.iter().map(|(name, one)| format!("{name}:\n{}", tail(one.process.log(), 6)));
        format!("{}\n{}", self.reports.last_words(), logs.collect::<Vec<_>>().join("\n"))
    }
}
