//! What the datapath is told to watch, and what it has seen.

use super::Turn;
use crate::clock;
use ringmon_core::Time;
use ringmon_core::engine::Input;
use ringmon_core::evidence::{Purpose, WatchId, WatchReading, WatchSpec};

impl Turn {
    /// Learns all that the kernel knows by now. A loop that was late judges by nothing older.
    pub(super) fn read_all(&mut self, now: Time) {
        self.look_at_faults(now);
        let watches: Vec<WatchId> = self.specs.keys().copied().collect();
        self.look_at_probers(now);
        watches.into_iter().for_each(|w| self.read_watch(now, w));
    }

    pub(super) fn look_at_faults(&mut self, now: Time) {
        let (link_up, faults) = self.rooms.datapath.faults();
        for (fault, from, until) in faults {
            self.input(now, Input::Fault { fault, from, until });
        }
        for (change, interface) in self.rooms.datapath.host_changes() {
            self.rooms.about.interface.clone_from(&interface);
            self.input(now, Input::Host { change, interface });
        }
        if link_up != self.link_up {
            self.link_up = link_up;
            self.input(now, Input::Link(link_up));
        }
    }

    pub(super) fn read_watch(&mut self, now: Time, watch: WatchId) {
        if let Some(reading) = self.readings.read(watch) {
            self.input(now, Input::Watch(watch, reading));
        }
    }

    pub(super) fn look_at_probers(&mut self, now: Time) {
        let probers = self.rooms.datapath.probers();
        self.answered.retain(|address, _| probers.iter().any(|p| p.address == *address));
        for prober in probers {
            let news = self.answered.insert(prober.address, prober.last) != Some(prober.last);
            if !news {
                continue;
            }
            let (address, at, proved) = (prober.address, prober.last, prober.proved);
            self.input(now, Input::Answered { address, at, proved });
            let known = self.specs.values().any(|s| s.purpose == Purpose::Buddy && s.address == prober.address);
            if prober.as_buddy && !known {
                self.input(now, Input::Stranger(prober.address));
            }
            if let Some((server, address)) = prober.asked {
                self.input(now, Input::Asked { server, address });
            }
        }
    }

    /// Begins a watch, or changes one. One that cannot begin is tried again with each pulse.
    pub(super) fn watch(&mut self, spec: WatchSpec) {
        match self.rooms.datapath.watch(&spec) {
            Ok(()) => {
                self.unbegun.remove(&spec.id);
                self.specs.insert(spec.id, spec);
            }
            Err(error) => {
                let since = self.unbegun.get(&spec.id).map(|(_, since)| *since);
                if since.is_none() {
                    tracing::error!("cannot watch {} at {}: {error}", spec.name, spec.address);
                }
                self.unbegun.insert(spec.id, (spec, since.unwrap_or_else(clock::now)));
            }
        }
    }

    pub(super) fn unwatch(&mut self, watch: WatchId) {
        self.rooms.datapath.unwatch(watch);
        self.specs.remove(&watch);
        self.unbegun.remove(&watch);
    }

    /// A watch that could not begin shows nothing. The engine must know that, or it would wait for evidence for ever.
    pub(super) fn begin_again(&mut self, now: Time) {
        let unbegun: Vec<WatchSpec> = self.unbegun.values().map(|(spec, _)| spec.clone()).collect();
        for spec in unbegun {
            let id = spec.id;
            self.watch(spec);
            if let Some((_, began)) = self.unbegun.get(&id) {
                let nothing = WatchReading { began: *began, ..WatchReading::default() };
                self.input(now, Input::Watch(id, nothing));
            }
        }
    }
}
