//! Carries and stamps probes, answers them, and reports evidence. Never decides.

use std::sync::Arc;

use serde::Serialize;

use crate::core::evidence::{WatchId, WatchReading, WatchSpec};
use crate::core::row::{Address, Health, PoolKey};
use crate::core::{Incarnation, Time};

/// Where probes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// In the driver.
    XdpNative,
    /// In the kernel's generic receive path.
    XdpGeneric,
    /// In memory, for tests.
    Fake,
}

/// Readings without system calls, from any thread.
pub trait Readings: Send + Sync {
    /// The state of this watch; `None` if the slot is another watch's by now.
    fn read(&self, watch: WatchId) -> Option<WatchReading>;
}

/// A well-tagged probe for a buddy from somebody, or the fact that it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prober {
    /// Who probed.
    pub address: Address,
    /// When the last of its probes was answered.
    pub last: Time,
    /// Whether the last was a buddy's probe (R10 asks only for those).
    pub as_buddy: bool,
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
pub struct Stats {
    /// The mode in use.
    pub mode: Option<Mode>,
    /// Packets by verdict: answered, consumed, passed and why.
    pub verdicts: Vec<Count>,
    /// Round trips of every watch: upper bounds in nanoseconds and counts (not cumulative), by slot.
    pub rtt: Vec<(WatchId, Vec<(u64, u64)>)>,
}

/// What every way of probing offers. Dropping it ends everything it began.
pub trait Datapath: Send {
    /// The mode in use.
    fn mode(&self) -> Mode;
    /// Begin this watch, or change the interval of one that runs.
    ///
    /// # Errors
    /// The watch did not begin; the others go on.
    fn watch(&mut self, spec: &WatchSpec) -> Result<(), Error>;
    /// End this watch.
    fn unwatch(&mut self, watch: WatchId);
    /// Readings, for this and other threads.
    fn readings(&self) -> Arc<dyn Readings>;
    /// From now on answer and probe as this incarnation.
    fn identity(&mut self, incarnation: Incarnation, health: Health);
    /// The event loop has made a full turn at this time.
    fn pulse(&mut self, now: Time);
    /// Accept these keys; probe with the first.
    fn keys(&mut self, keys: &[PoolKey]);
    /// Everybody whose probes were answered within the last ten seconds or so.
    fn probers(&self) -> Vec<Prober>;
    /// Numbers for the metrics.
    fn stats(&self) -> Stats;
    /// Whether the interface is up; and faults of this machine found by the datapath since the last call.
    fn faults(&mut self) -> (bool, Vec<(crate::core::evidence::LocalFault, Time, Time)>);
    /// Wait until something changed, and say which watches to read again (maybe too many, never too few). Cancel-safe.
    fn changed<'a>(&'a mut self) -> std::pin::Pin<Box<dyn Future<Output = Vec<WatchId>> + Send + 'a>>;
}

/// What a datapath could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Replaced by the datapath helper.
    #[error("not built yet")]
    Stub,
}
