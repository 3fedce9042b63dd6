//! A datapath in memory. It reports what a test tells it through a [`Handle`].

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Datapath, Error, Prober, Readings};
use crate::show::{DatapathMode, DatapathStats};
use ringmon_core::engine::Answers;
use ringmon_core::evidence::{LocalFault, MAX_WATCHES, WatchId, WatchReading, WatchSpec};
use ringmon_core::host::HostChange;
use ringmon_core::row::{Health, PoolKey};
use ringmon_core::{Incarnation, Time};

/// The datapath, for the code under test.
#[derive(Debug)]
pub struct Fake(Handle);

/// Controls a [`Fake`], and shows what the fake was asked to do. Clones control the same one.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<World>);

#[derive(Debug, Default)]
struct World {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    now: Time,
    watches: BTreeMap<u16, (WatchSpec, WatchReading)>,
    changed: BTreeSet<WatchId>,
    probers: Vec<Prober>,
    link_down: bool,
    faults: Vec<(LocalFault, Time, Time)>,
    identity: (Incarnation, Health),
    pulse: Option<Time>,
    keys: Vec<PoolKey>,
}

impl Fake {
    /// A datapath without watches that hears nobody, with its link up, at time zero.
    #[must_use]
    pub fn new() -> (Self, Handle) {
        let handle = Handle::default();
        (Self(handle.clone()), handle)
    }
}

impl Handle {
    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked with the lock held has failed anyway. Others may still look.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches that begin from now on begin at this time.
    pub fn set_now(&self, now: Time) {
        self.state().now = now;
    }

    /// The running watches, by slot.
    #[must_use]
    pub fn watches(&self) -> Vec<WatchSpec> {
        self.state().watches.values().map(|(spec, _)| spec.clone()).collect()
    }

    /// Changes the reading of a watch, and wakes whoever waits for a change. False if the watch does not run.
    pub fn edit(&self, watch: WatchId, edit: impl FnOnce(&mut WatchReading)) -> bool {
        let mut state = self.state();
        let running = state.watches.get_mut(&watch.slot).filter(|(spec, _)| spec.id == watch);
        let Some((_, reading)) = running else { return false };
        edit(reading);
        state.changed.insert(watch);
        self.0.bell.notify_one();
        true
    }

    /// An authenticated reply at this time; with `pulse`, from an agent whose pulse beat just then.
    pub fn reply(&self, watch: WatchId, at: Time, incarnation: Incarnation, health: Health, pulse: bool) -> bool {
        self.edit(watch, |reading| {
            reading.sent += 1;
            reading.replies += 1;
            reading.consecutive = 0;
            reading.last_reply = Some(at);
            reading.incarnation = incarnation;
            reading.health = health;
            if pulse {
                reading.last_pulse = reading.last_pulse.max(Some(at));
            }
        })
    }

    /// A reply of a kernel without an agent, at this time.
    pub fn plain(&self, watch: WatchId, at: Time) -> bool {
        self.edit(watch, |reading| {
            reading.sent += 1;
            reading.consecutive = 0;
            reading.last_plain = Some(at);
        })
    }

    /// One more miss.
    pub fn miss(&self, watch: WatchId) -> bool {
        self.edit(watch, |reading| {
            reading.sent += 1;
            reading.misses += 1;
            reading.consecutive += 1;
        })
    }

    /// Another server probed this one, and was answered.
    pub fn probed(&self, prober: Prober) {
        let mut state = self.state();
        state.probers.retain(|known| known.address != prober.address);
        state.probers.push(prober);
    }

    /// Takes the link down or up.
    pub fn link(&self, up: bool) {
        self.state().link_down = !up;
        self.0.bell.notify_one();
    }

    /// Reports a fault of this machine, such as standing still.
    pub fn fault(&self, fault: LocalFault, from: Time, until: Time) {
        self.state().faults.push((fault, from, until));
        self.0.bell.notify_one();
    }

    /// The incarnation and health in its answers.
    #[must_use]
    pub fn identity(&self) -> (Incarnation, Health) {
        self.state().identity
    }

    /// The time of the last pulse.
    #[must_use]
    pub fn pulse(&self) -> Option<Time> {
        self.state().pulse
    }

    /// The keys in use; the first one tags probes.
    #[must_use]
    pub fn keys(&self) -> Vec<PoolKey> {
        self.state().keys.clone()
    }
}

impl Readings for World {
    fn read(&self, watch: WatchId) -> Option<WatchReading> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (spec, reading) = state.watches.get(&watch.slot)?;
        (spec.id == watch).then(|| reading.clone())
    }
}

impl Datapath for Fake {
    fn mode(&self) -> DatapathMode {
        DatapathMode::Fake
    }

    fn watch(&mut self, spec: &WatchSpec) -> Result<(), Error> {
        let WatchId { slot, generation } = spec.id;
        if slot >= MAX_WATCHES || generation == 0 {
            return Err(Error::NoWatch { slot, generation });
        }
        let mut state = self.0.state();
        let began = state.now;
        match state.watches.get_mut(&slot).filter(|(running, _)| running.id == spec.id) {
            Some((running, _)) => *running = spec.clone(),
            None => {
                state.watches.insert(slot, (spec.clone(), WatchReading { began, ..WatchReading::default() }));
            }
        }
        Ok(())
    }

    fn unwatch(&mut self, watch: WatchId) {
        let mut state = self.0.state();
        if state.watches.get(&watch.slot).is_some_and(|(spec, _)| spec.id == watch) {
            state.watches.remove(&watch.slot);
        }
    }

    fn readings(&self) -> Arc<dyn Readings> {
        Arc::clone(&self.0.0) as Arc<dyn Readings>
    }

    fn identity(&mut self, answers: Answers) {
        self.0.state().identity = (answers.incarnation, answers.health);
    }

    fn pulse(&mut self, now: Time) {
        self.0.state().pulse = Some(now);
    }

    fn keys(&mut self, keys: &[PoolKey]) {
        self.0.state().keys = keys.to_vec();
    }

    fn probers(&self) -> Vec<Prober> {
        self.0.state().probers.clone()
    }

    fn stats(&self) -> DatapathStats {
        DatapathStats { mode: Some(DatapathMode::Fake), ..DatapathStats::default() }
    }

    fn faults(&mut self) -> (bool, Vec<(LocalFault, Time, Time)>) {
        let mut state = self.0.state();
        (!state.link_down, std::mem::take(&mut state.faults))
    }

    fn host_changes(&mut self) -> Vec<(HostChange, String)> {
        Vec::new()
    }

    fn changed<'a>(&'a mut self) -> Pin<Box<dyn Future<Output = Vec<WatchId>> + Send + 'a>> {
        Box::pin(async move {
            self.0.0.bell.notified().await;
            std::mem::take(&mut self.0.state().changed).into_iter().collect()
        })
    }
}

#[cfg(test)]
#[path = "fake_tests.rs"]
mod tests;
