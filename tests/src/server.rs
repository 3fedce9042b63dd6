//! One server of a lab: a namespace, and its agent if it has one.

use std::path::PathBuf;

use anyhow::Context;

use crate::event::{Event, Tail};
use crate::namespace::Namespace;
use crate::process::Process;

/// What was done to a server, and so what it should be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No agent was started yet.
    New,
    /// Its agent runs, and it belongs on the ring.
    Running,
    /// Cut off and frozen.
    Crashed,
    /// Cut off from the other servers, but not from the database.
    Isolated,
    /// Its agent was killed.
    Killed,
    /// Its agent is frozen; its kernel is not.
    Stopped,
    /// It left by itself.
    Left,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Unique in its lab.
    pub name: String,
    /// The number of its port, and the last byte of its address.
    pub number: u8,
    /// The namespace with its interface and its processes.
    pub namespace: Namespace,
    /// Changes with each fault.
    pub state: State,
    /// The state directory, log and events of its agent.
    pub folder: PathBuf,
    pub(crate) agent: Option<Process>,
    pub(crate) tail: Tail,
}

impl Server {
    /// The running or ended agent.
    ///
    /// # Errors
    /// No agent was started.
    pub fn agent(&self) -> anyhow::Result<&Process> {
        self.agent.as_ref().with_context(|| format!("{} has no agent", self.name))
    }

    pub(crate) fn new_events(&mut self) -> anyhow::Result<Vec<Event>> {
        self.tail.read()
    }

    /// The answer to an HTTP request to the agent's address, made inside the namespace.
    ///
    /// # Errors
    /// Nothing listens there, or no answer comes within ten seconds.
    pub fn http(&self, path: &str) -> anyhow::Result<String> {
        let at = std::net::SocketAddr::from(([127, 0, 0, 1], 7464));
        crate::http::get(&self.namespace, at, path).with_context(|| format!("the agent of {}", self.name))
    }

    /// A counter of this server's kernel from the `Icmp:` lines of /proc/net/snmp, such as `OutEchoReps`.
    ///
    /// # Errors
    /// There is no such counter.
    pub fn icmp(&self, key: &str) -> anyhow::Result<u64> {
        let text = self.namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))?;
        let text = text.context("cannot read the kernel's counters")?;
        let mut lines = text.lines().filter(|line| line.starts_with("Icmp: "));
        let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let found = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == key);
        let (_, value) = found.with_context(|| format!("the kernel counts no {key}"))?;
        value.parse().with_context(|| format!("{key} is no number: {value}"))
    }
}
