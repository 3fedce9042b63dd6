//! What an agent shows of itself, as its loop publishes it after a turn.

use std::time::Duration;

use ringmon_core::{Snapshot, Time, WatchId};
use serde::{Deserialize, Serialize};

/// Where probes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatapathMode {
    /// In the driver.
    XdpNative,
    /// In the kernel's generic receive path.
    XdpGeneric,
    /// In memory, for tests.
    Fake,
}

/// One number for the metrics: name without prefix, label, value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// E.g. `verdicts`.
    pub name: &'static str,
    /// E.g. `bad_tag`.
    pub label: &'static str,
    /// Counted since start.
    pub value: u64,
}

/// What a datapath shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DatapathStats {
    /// The mode in use.
    pub mode: Option<DatapathMode>,
    /// Packets by verdict: answered, consumed, passed and why.
    pub verdicts: Vec<Count>,
    /// Round trips of every watch: upper bounds in nanoseconds and counts (not cumulative), by slot.
    pub rtt: Vec<(WatchId, Vec<(u64, u64)>)>,
}

/// What an agent publishes after a turn of its loop; everything that shows anything reads this and never the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Board {
    /// The engine's view.
    pub engine: Snapshot,
    /// The datapath's numbers.
    pub datapath: DatapathStats,
    /// Numbers of the other rooms (notices, event log), for the metrics.
    pub counts: Vec<Count>,
    /// The service checks.
    pub checks: Vec<CheckView>,
}

/// One service check, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckView {
    /// As it was configured.
    pub check: String,
    /// What it counts as; `None`: it has no result yet.
    pub passing: Option<bool>,
    /// Since when.
    pub since: Time,
    /// What the last result took.
    pub took: Duration,
    /// Why the last result was a failure; `None`: it was none.
    pub why: Option<String>,
}
