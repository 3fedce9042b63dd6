//! What a server's kernel would count of its probes, without a kernel.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::evidence::{Purpose, WatchId, WatchReading, WatchSpec, Witness};
use crate::core::row::{Address, Health};
use crate::core::{Incarnation, Time};

/// A reply to a probe.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// Ringmon's programs answered.
    Tagged {
        /// When the agent there last beat, on the clock of whoever asks.
        pulse: Option<Time>,
        /// Its incarnation.
        incarnation: Incarnation,
        /// Its service.
        health: Health,
    },
    /// The kernel answered: no agent.
    Plain,
}

#[derive(Debug)]
struct Watch {
    spec: WatchSpec,
    reading: WatchReading,
    next: u64,
    /// Probes on their way: when they left, and whether they were counted as missed.
    flying: BTreeMap<u64, (Time, bool)>,
}

/// One server's watches, and who probed it. All times are that server's own.
#[derive(Debug, Default)]
pub struct Datapath {
    watches: BTreeMap<WatchId, Watch>,
    probers: BTreeMap<Address, (Time, bool)>,
}

impl Datapath {
    /// A reply this long after its deadline proves nothing any more.
    const LATE: Duration = Duration::from_secs(1);

    /// Begins a watch, true, or changes the purpose of one that runs.
    pub fn watch(&mut self, spec: WatchSpec, now: Time) -> bool {
        if let Some(watch) = self.watches.get_mut(&spec.id) {
            watch.spec = spec;
            return false;
        }
        let reading = WatchReading { began: now, ..WatchReading::default() };
        self.watches.insert(spec.id, Watch { spec, reading, next: 0, flying: BTreeMap::new() });
        true
    }

    /// Ends a watch.
    pub fn unwatch(&mut self, id: WatchId) {
        self.watches.remove(&id);
    }

    /// Every watch's reading.
    #[must_use]
    pub fn readings(&self) -> Vec<(WatchId, WatchReading)> {
        self.watches.iter().map(|(id, w)| (*id, w.reading.clone())).collect()
    }

    /// One watch's reading.
    #[must_use]
    pub fn read(&self, id: WatchId) -> Option<&WatchReading> {
        self.watches.get(&id).map(|w| &w.reading)
    }

    /// What a watch was asked to do.
    #[must_use]
    pub fn spec(&self, id: WatchId) -> Option<&WatchSpec> {
        self.watches.get(&id).map(|w| &w.spec)
    }

    /// Whether these silences go on (R7).
    #[must_use]
    pub fn holds(&self, witnesses: &[Witness]) -> bool {
        witnesses.iter().all(|w| w.holds(self.read(w.watch)))
    }

    /// A probe leaves (or, unresolved, cannot): its number.
    pub fn send(&mut self, id: WatchId, now: Time, resolved: bool) -> Option<u64> {
        let watch = self.watches.get_mut(&id)?;
        watch.next += 1;
        if resolved {
            watch.reading.sent += 1;
        } else {
            watch.reading.unresolved += 1;
        }
        watch.flying.insert(watch.next, (now, false));
        Some(watch.next)
    }

    /// The deadline of a probe is over. True: it is a miss.
    pub fn deadline(&mut self, id: WatchId, probe: u64, now: Time) -> bool {
        let Some(watch) = self.watches.get_mut(&id) else { return false };
        watch.flying.retain(|_, (left, missed)| !*missed || now.since(*left) < Self::LATE);
        let Some((_, missed @ false)) = watch.flying.get_mut(&probe) else { return false };
        *missed = true;
        watch.reading.misses += 1;
        watch.reading.consecutive += 1;
        true
    }

    /// A reply arrived. True: worth waking somebody up for.
    pub fn reply(&mut self, id: WatchId, probe: u64, reply: Reply, now: Time) -> bool {
        let Some(watch) = self.watches.get_mut(&id) else { return false };
        let Some((left, missed)) = watch.flying.remove(&probe) else { return false };
        let reading = &mut watch.reading;
        let mut news = reading.consecutive > 0 || reading.last_proof().is_none();
        reading.consecutive = 0;
        match reply {
            Reply::Plain => reading.last_plain = Some(now),
            Reply::Tagged { pulse, incarnation, health } => {
                news |= reading.incarnation != incarnation || reading.health != health;
                reading.replies += 1;
                reading.late += u64::from(missed);
                reading.last_reply = Some(now);
                reading.last_pulse = reading.last_pulse.max(pulse);
                reading.last_rtt = Some(now.since(left));
                reading.incarnation = incarnation;
                reading.health = health;
            }
        }
        news
    }

    /// A probe from `address` was answered here.
    pub fn probed(&mut self, address: Address, purpose: Purpose, now: Time) {
        self.probers.insert(address, (now, purpose == Purpose::Buddy));
    }

    /// Everybody who was answered since the last call: when last, and whether as a buddy.
    pub fn take_probers(&mut self) -> BTreeMap<Address, (Time, bool)> {
        std::mem::take(&mut self.probers)
    }
}
