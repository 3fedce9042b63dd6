//! Watches what a check asks between two checks: the processes of the service, and the sockets on which it listens.
//!
//! ```text
//!   pidfd of a process: it ended ---------+
//!                                         +--> the check, at once; and does anybody still listen?
//!   sock_diag: a listening socket is gone +
//! ```
//!
//! An event alone says little: workers end, and sockets are handed over, while the service works. So it only makes the
//! check come at once. It proves a death if nobody listens any more. Nothing here is asked by the clock.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use tokio::time::Instant;

use super::check::Kind;
use super::diag::{self, Destroyed, Listener};
use super::owner::{self, Owners};
use super::systemd::Bus;
use crate::show::Watched;

/// Events come at least this far apart: workers that end again and again, and sockets that anybody opens and closes on
/// the same port of another address, must not keep the processor busy. Each that follows soon doubles the time ...
const APART: Duration = Duration::from_millis(10);
/// ... up to this, until there was none for as long.
const APART_MOST: Duration = Duration::from_secs(1);
/// Whoever got the socket from its first owner is found after this time.
const SEARCH_EVERY: Duration = Duration::from_secs(30);

/// What is watched for one check.
pub(super) struct Lookout {
    what: What,
    listeners: BTreeSet<Listener>,
    destroyed: Option<(BTreeSet<u16>, Destroyed)>,
    owners: Owners,
    /// When it was looked for owners of which sockets.
    searched: Option<(Instant, BTreeSet<u32>)>,
    event: Option<Instant>,
    apart: Duration,
    watched: Watched,
}

enum What {
    Port(SocketAddr),
    Unit(String),
    Neither,
}

impl Lookout {
    pub fn of(kind: &Kind) -> Self {
        let what = match kind {
            Kind::Tcp(at) => What::Port(reached(*at)),
            Kind::Http(target) => What::Port(reached(target.at)),
            Kind::Systemd(unit) => What::Unit(unit.clone()),
            Kind::Exec(_) => What::Neither,
        };
        Self {
            what,
            listeners: BTreeSet::new(),
            destroyed: None,
            owners: Owners::default(),
            searched: None,
            event: None,
            apart: APART,
            watched: Watched::default(),
        }
    }

    /// What of it is watched now.
    pub const fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Waits until a process or a socket is gone. Cancel-safe.
    pub async fn event(&mut self) {
        if let Some(last) = self.event {
            tokio::time::sleep_until(last + self.apart).await;
        }
        let destroyed = async {
            match &self.destroyed {
                Some((_, destroyed)) => destroyed.one().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = destroyed => {}
            () = self.owners.end() => {}
        }
        let now = Instant::now();
        let soon = self.event.is_some_and(|last| now.duration_since(last) < APART_MOST.max(self.apart * 2));
        self.apart = if soon { (self.apart * 2).min(APART_MOST) } else { APART };
        self.event = Some(now);
    }

    /// Whether nobody listens any more on the check's port, where somebody did.
    pub fn port_is_left(&self) -> bool {
        matches!(self.what, What::Port(_)) && self.nobody_listens()
    }

    fn nobody_listens(&self) -> bool {
        let ports: BTreeSet<u16> = self.listeners.iter().map(|listener| listener.at.port()).collect();
        // If it cannot be seen, nothing is proved.
        !ports.is_empty() && ports.iter().all(|port| diag::listeners(*port).is_ok_and(|now| self.ours(&now).is_empty()))
    }

    /// Whether the unit's process has ended, and with it everything that listened for the unit. systemd may not know
    /// it yet.
    pub fn unit_is_gone(&mut self) -> bool {
        self.owners.bury();
        matches!(self.what, What::Unit(_)) && self.owners.none() && self.nobody_listens()
    }

    fn ours(&self, all: &BTreeSet<Listener>) -> BTreeSet<Listener> {
        let ours = |listener: &&Listener| match self.what {
            What::Port(at) => listener.takes(at),
            What::Unit(_) | What::Neither => true,
        };
        all.iter().filter(ours).copied().collect()
    }

    /// Looks for what there is to watch. `search`: also at every process, if that may find something new.
    pub async fn look(&mut self, bus: &mut Bus, search: bool) {
        self.owners.bury();
        let result = match self.what {
            What::Port(at) => self.look_at_port(at, search).await,
            What::Unit(ref unit) => {
                let unit = unit.clone();
                self.look_at_unit(&unit, bus).await
            }
            What::Neither => Err("it names no port and no unit".to_owned()),
        };
        let process = !self.owners.none();
        let socket = self.destroyed.is_some() && !self.listeners.is_empty();
        self.watched = Watched { process, socket, why: result.err() };
    }

    async fn look_at_port(&mut self, at: SocketAddr, search: bool) -> Result<(), String> {
        if !is_here(at.ip()) {
            return Err(format!("{} is no address of this server", at.ip()));
        }
        // It hears first and looks then, so that nothing is lost in between.
        let heard = self.hear([at.port()].into());
        self.listeners = diag::listeners(at.port()).map(|all| self.ours(&all)).map_err(unseen)?;
        if self.listeners.is_empty() {
            self.owners = Owners::default();
            return Err("nobody listens on it in this network namespace".to_owned());
        }
        heard.map_err(unheard)?;
        self.find_owners(search).await
    }

    async fn find_owners(&mut self, search: bool) -> Result<(), String> {
        let inodes: BTreeSet<u32> = self.listeners.iter().map(|listener| listener.inode).collect();
        if self.owners.none() && self.watched.process {
            self.searched = None;
        }
        let known = |(at, of): &(Instant, BTreeSet<u32>)| *of == inodes && at.elapsed() < SEARCH_EVERY;
        if !search || self.searched.as_ref().is_some_and(known) {
            let before = self.watched.why.clone().filter(|_| self.watched.socket);
            let why = || before.unwrap_or_else(|| "its process is looked for at the next check".to_owned());
            return if self.owners.none() { Err(why()) } else { Ok(()) };
        }
        let sought = inodes.clone();
        let found = tokio::task::spawn_blocking(move || owner::holders(&sought)).await;
        let (pids, hidden) = found.map_err(|error| format!("its process cannot be looked for: {error}"))?;
        self.owners.add(pids, |pid| owner::sockets(pid).is_ok_and(|own| !own.is_disjoint(&inodes)));
        self.searched = Some((Instant::now(), inodes));
        match (self.owners.none(), hidden) {
            (false, _) => Ok(()),
            (true, true) => Err("its process may not be seen without CAP_SYS_PTRACE".to_owned()),
            (true, false) => Err("its process is not in this /proc".to_owned()),
        }
    }

    async fn look_at_unit(&mut self, unit: &str, bus: &mut Bus) -> Result<(), String> {
        if self.owners.none() {
            if self.nobody_listens() {
                // It was said once. The next process listens where it likes.
                self.listeners.clear();
            }
            let pid = bus.main_pid(unit).await?;
            self.owners.add([pid], |_| true);
        }
        let Some(pid) = self.owners.any() else { return Err("its process has just ended".to_owned()) };
        let unreadable = |_| "the sockets of its process may not be seen without CAP_SYS_PTRACE".to_owned();
        // It may have very many.
        let inodes = tokio::task::spawn_blocking(move || owner::sockets(pid)).await;
        let inodes =
            inodes.map_err(|error| format!("its sockets cannot be looked for: {error}"))?.map_err(unreadable)?;
        let all = diag::listeners(0).map_err(unseen)?;
        let own: BTreeSet<Listener> = all.into_iter().filter(|listener| inodes.contains(&listener.inode)).collect();
        let ports: BTreeSet<u16> = own.iter().map(|listener| listener.at.port()).collect();
        self.listeners = own;
        if ports.is_empty() {
            return Err("its process does not listen on any TCP port".to_owned());
        }
        self.hear(ports).map_err(unheard)
    }

    fn hear(&mut self, ports: BTreeSet<u16>) -> io::Result<()> {
        if self.destroyed.as_ref().is_none_or(|(known, _)| *known != ports) {
            self.destroyed = None;
            let destroyed = Destroyed::of(&ports)?;
            self.destroyed = Some((ports, destroyed));
        }
        Ok(())
    }
}

fn unseen(error: io::Error) -> String {
    format!("the kernel does not say who listens: {error}")
}

fn unheard(error: io::Error) -> String {
    format!("the kernel does not say when a socket is gone: {error}")
}

/// A connection to no address goes to this machine (ip(7)).
fn reached(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip.to_canonical(),
    };
    SocketAddr::new(ip, at.port())
}

fn is_here(ip: IpAddr) -> bool {
    let own = || getifaddrs().into_iter().flatten().filter_map(|interface| interface.address);
    let same = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip()))) == Some(ip)
    };
    ip.is_loopback() || own().any(same)
}
