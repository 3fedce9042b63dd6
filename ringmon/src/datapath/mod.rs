//! Sends and stamps probes, answers them, and reports evidence. It never decides.

#[cfg(test)]
mod contract;
mod error;
pub mod fake;
pub mod xdp;

use std::sync::Arc;

use crate::show::{DatapathMode, DatapathStats};
use ringmon_core::engine::Answers;
use ringmon_core::evidence::{LocalFault, WatchId, WatchReading, WatchSpec};
use ringmon_core::host::HostChange;
use ringmon_core::row::{Address, PoolKey};
use ringmon_core::{ServerId, Time};

pub use error::Error;

/// Readings without system calls, from any thread.
pub trait Readings: Send + Sync {
    /// `None` if the slot has another watch by now.
    fn read(&self, watch: WatchId) -> Option<WatchReading>;
}

/// A server that sent well-tagged probes to this one, and got answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prober {
    /// The source address of its probes.
    pub address: Address,
    /// When its last probe was answered.
    pub last: Time,
    /// When it is known to have lived, as its probes show ([`ringmon_core::engine::Input::Answered`]).
    pub proved: Option<Time>,
    /// Whether its last probe was one for a buddy (R10 asks only for those).
    pub as_buddy: bool,
    /// Whom it asks this server to watch, and where (R12).
    pub asked: Option<(ServerId, Address)>,
}

/// What every way of probing offers. Dropping it ends everything that it began.
pub trait Datapath: Send {
    /// How probes are answered here.
    fn mode(&self) -> DatapathMode;
    /// Begins this watch, or changes the interval of a running one.
    ///
    /// # Errors
    /// The watch did not begin; the others go on.
    fn watch(&mut self, spec: &WatchSpec) -> Result<(), Error>;
    /// Ends this watch.
    fn unwatch(&mut self, watch: WatchId);
    /// Readings for this and other threads.
    fn readings(&self) -> Arc<dyn Readings>;
    /// From now on answers with this, and probes as this incarnation.
    fn identity(&mut self, answers: Answers);
    /// Call it after each full turn of the event loop, with the time of that turn.
    fn pulse(&mut self, now: Time);
    /// Accepts these keys, and probes with the first.
    fn keys(&mut self, keys: &[PoolKey]);
    /// The servers whose probes were answered within about the last ten seconds.
    fn probers(&self) -> Vec<Prober>;
    /// For the metrics.
    fn stats(&self) -> DatapathStats;
    /// Whether the interface is up, and the faults of this machine that the datapath found since the last call.
    fn faults(&mut self) -> (bool, Vec<(LocalFault, Time, Time)>);
    /// What has changed of the interface or the address since the last call, and the interface's name.
    fn host_changes(&mut self) -> Vec<(HostChange, String)>;
    /// Waits for a change, and returns the watches to read again (maybe too many, never too few). With
    /// [`WatchId::PROBERS`] among them, a prober asks this server to watch another one. Cancel-safe.
    fn changed<'a>(&'a mut self) -> std::pin::Pin<Box<dyn Future<Output = Vec<WatchId>> + Send + 'a>>;
}
