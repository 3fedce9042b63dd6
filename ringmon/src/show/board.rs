//! What an agent shows of itself. Its loop publishes this after each turn.

use std::time::Duration;

use ringmon_core::{Snapshot, Time, WatchId, words};
use serde::{Deserialize, Serialize};

/// How probes are to be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatapathChoice {
    /// In the driver where that works, otherwise in the generic receive path, with one warning.
    #[default]
    Auto,
    /// In the driver, or not at all.
    XdpNative,
    /// In the generic receive path, or not at all.
    XdpGeneric,
}

words!(DatapathChoice: Auto = "auto", XdpNative = "xdp-native", XdpGeneric = "xdp-generic");

/// How probes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatapathMode {
    /// By XDP in the driver.
    XdpNative,
    /// By XDP in the kernel's generic receive path.
    XdpGeneric,
    /// By a datapath in memory, for tests.
    Fake,
}

words!(DatapathMode: XdpNative = "xdp-native", XdpGeneric = "xdp-generic", Fake = "fake");

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
}
