//! What an agent shows of itself. Its loop publishes this after each turn.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ringmon_core::row::Address;
use ringmon_core::{Snapshot, Time, VoteKind, WatchId, words};
use serde::{Deserialize, Serialize};

use super::Durations;

/// How probes are to be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatapathChoice {
    /// In the driver where that works, otherwise in the generic receive path, and behind the XDP slot if another
    /// program has it; with one warning.
    #[default]
    Auto,
    /// In the driver, or not at all.
    XdpNative,
    /// In the generic receive path, or not at all.
    XdpGeneric,
    /// At the ingress hook of traffic control, or not at all.
    Tc,
}

words!(DatapathChoice: Auto = "auto", XdpNative = "xdp-native", XdpGeneric = "xdp-generic", Tc = "tc");

/// How probes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatapathMode {
    /// By XDP in the driver.
    XdpNative,
    /// By XDP in the kernel's generic receive path.
    XdpGeneric,
    /// By a program at the ingress hook of traffic control, behind the XDP slot.
    Tc,
    /// By a datapath in memory, for tests.
    Fake,
}

words!(DatapathMode: XdpNative = "xdp-native", XdpGeneric = "xdp-generic", Tc = "tc", Fake = "fake");

/// A number for the metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The metric's name without its prefix, such as `verdicts`.
    pub name: &'static str,
    /// The value of its label, such as `bad_tag`.
    pub label: &'static str,
    /// Counted since the start.
    pub value: u64,
}

/// What a datapath counted, and how it answers probes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DatapathStats {
    /// `None` until a datapath runs.
    pub mode: Option<DatapathMode>,
    /// Packets by verdict: answered, consumed, or passed with the reason.
    pub verdicts: Vec<Count>,
    /// Round trips of every watch, by slot: upper bounds in nanoseconds, with counts that are not cumulative.
    pub rtt: Vec<(WatchId, Vec<(u64, u64)>)>,
}

/// What an agent publishes after each turn of its loop. Whatever shows something reads this, and never the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Board {
    /// What the engine thinks.
    pub engine: Snapshot,
    /// What the datapath counted.
    pub datapath: DatapathStats,
    /// Numbers of the other rooms (notices, event log), for the metrics.
    pub counts: Vec<Count>,
    /// The results of the checks of this server's service.
    pub checks: Vec<CheckView>,
    /// Whose agent this is.
    pub about: About,
    /// Whether the interface has its link.
    pub link_up: bool,
    /// The servers that this agent saw removed, and that it has not heard since.
    pub removals: BTreeMap<String, RemovalSeen>,
    /// How many notices each of these never acknowledged.
    pub undelivered: BTreeMap<IpAddr, u64>,
    /// How long operations on the table took, failed ones too.
    pub table: Durations,
    /// What came of reading the configuration again.
    pub reload: ReloadView,
}

/// Whose agent it is, and where it probes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// The name of its pool.
    pub pool: String,
    /// The interface for probes.
    pub interface: String,
    /// The address on it.
    pub address: String,
    /// Its process, as it is numbered where it runs.
    pub pid: u32,
}

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// How often it was read again.
    pub count: u64,
    /// The keys that were new, and are obeyed.
    pub applied: Vec<String>,
    /// The keys that are obeyed after another start.
    pub restart: Vec<String>,
    /// Why the last one could not be obeyed.
    pub problem: Option<String>,
}

/// A removal, as somebody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RemovalSeen {
    /// Whether the host was silent, or only its agent.
    pub kind: VoteKind,
    /// When, in seconds since 1970.
    pub at: f64,
    /// Where it was probed.
    pub address: Option<Address>,
}

/// One check of the service, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckView {
    /// As in the configuration.
    pub check: String,
    /// Whether it counts as passing; `None`: it has no result yet.
    pub passing: Option<bool>,
    /// Since when it has counted as that.
    pub since: Time,
    /// How long the last result took.
    pub took: Duration,
    /// Why it failed last; `None`: the last result was no failure.
    pub why: Option<String>,
    /// What of the service is watched between two checks.
    #[serde(default)]
    pub watched: Watched,
}

/// Whose end makes a check come at once. Of what is not watched, the next check hears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// A process of the service.
    pub process: bool,
    /// The sockets on which it listens.
    pub socket: bool,
    /// Why not both; `None`: both are, or it was not looked for yet.
    pub why: Option<String>,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.process, self.socket) {
            (true, true) => "process and socket",
            (true, false) => "process",
            (false, true) => "socket",
            (false, false) => "no",
        };
        f.write_str(what)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}
