//! Carries and stamps probes, answers them, and reports evidence. Never decides.

#[cfg(test)]
mod contract;
mod error;
pub mod fake;
pub mod xdp;

use std::sync::Arc;

use crate::show::{DatapathMode, DatapathStats};
use ringmon_core::evidence::{LocalFault, WatchId, WatchReading, WatchSpec};
use ringmon_core::row::{Address, Health, PoolKey};
use ringmon_core::{Incarnation, Time};

pub use error::{Error, ErrorKind};

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

/// What every way of probing offers. Dropping it ends everything it began.
pub trait Datapath: Send {
    /// The mode in use.
    fn mode(&self) -> DatapathMode;
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
    fn stats(&self) -> DatapathStats;
    /// Whether the interface is up; and faults of this machine found by the datapath since the last call.
    fn faults(&mut self) -> (bool, Vec<(LocalFault, Time, Time)>);
    /// Wait until something changed, and say which watches to read again (maybe too many, never too few). Cancel-safe.
    fn changed<'a>(&'a mut self) -> std::pin::Pin<Box<dyn Future<Output = Vec<WatchId>> + Send + 'a>>;
}
