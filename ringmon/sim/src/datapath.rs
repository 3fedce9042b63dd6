//! What a server's kernel would count of its probes, without a kernel.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmon_common::layout::{DOUBT_MISSES, PULSE_OLD_US};
use ringmon_common::rtt::Smooth;

use super::calm::Calm;
use ringmon_core::blindness::Blindness;
use ringmon_core::engine::Answers;
use ringmon_core::evidence::{Ground, Purpose, Testimony, WatchId, WatchReading, WatchSpec};
use ringmon_core::row::{Address, Health};
use ringmon_core::{Incarnation, ServerId, Time};

/// A reply to a probe.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// Ringmon's programs answered.
    Tagged {
        /// When the agent there last completed a turn of its loop, on the clock of the server that asks.
        pulse: Option<Time>,
        /// The incarnation of the agent there.
        incarnation: Incarnation,
        /// The health of the service there.
        health: Health,
        /// How many probes from the asking server it has answered.
        answered: u64,
        /// What it knows of the server that it was asked about.
        said: Option<Said>,
    },
    /// The kernel answered with a plain echo: no agent runs there.
    Plain,
}

/// A testimony as it travels: see [`Testimony`]. The ages are as of the arrival of the probe.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    of: ServerId,
    watches: bool,
    database: bool,
    blind: bool,
    heard: Duration,
    proof: Duration,
    pulse: Duration,
    misses: u32,
    /// `None`: never.
    alive: Option<Duration>,
    life: Incarnation,
}

impl Said {
    /// As the asking server keeps it when it arrives.
    fn at(self, now: Time) -> Testimony {
        let Self { of, watches, database, blind, heard, proof, pulse, misses, alive, life } = self;
        let (heard, proof, pulse) = (now - heard, now - proof, now - pulse);
        let alive = alive.map_or(Time::ZERO, |age| now - age);
        Testimony { of, at: now, watches, database, blind, heard, proof, pulse, misses, alive, life }
    }
}

#[derive(Debug)]
struct Watch {
    spec: WatchSpec,
    reading: WatchReading,
    next: u64,
    /// Probes on their way: when each left, and whether it was counted as missed.
    flying: BTreeMap<u64, (Time, bool)>,
    /// Set while the watch is calm: see the module `calm`.
    calm: Option<Calm>,
    /// How often the calm began or ended, or the pace changed. What was planned in another round is void.
    round: u32,
    /// When the last probe of this watch left.
    last: Time,
    rtt: Smooth,
}

/// One server's watches, and the servers that probed it. All times are on that server's own clock.
#[derive(Debug, Default)]
pub struct Datapath {
    watches: BTreeMap<WatchId, Watch>,
    probers: BTreeMap<Address, (Time, bool)>,
    /// Whom the probers ask this server to watch.
    asked: BTreeMap<Address, (ServerId, Address)>,
    /// When a probe of each address last came, and when its server is known to have lived.
    visits: BTreeMap<Address, (Time, Option<Time>)>,
    /// How many probes from each address were answered here.
    answered: BTreeMap<Address, u64>,
}

impl Datapath {
    /// A reply this long after its probe left proves nothing any more.
    const LATE: Duration = Duration::from_secs(1);
    /// A reply with an older pulse does not prove that the agent lives.
    const PULSE_OLD: Duration = Duration::from_micros(PULSE_OLD_US as u64);
    /// The size of the kernel's window, and some room.
    const MOST_OUTSTANDING: u32 = 96;

    /// Begins a watch, or changes one that runs. Returns when the next probe is to leave, and in which round, if that
    /// is new.
    pub fn watch(&mut self, spec: WatchSpec, now: Time) -> Option<(Time, u32)> {
        if let Some(watch) = self.watches.get_mut(&spec.id) {
            let before = std::mem::replace(&mut watch.spec, spec).interval;
            return (watch.spec.interval != before).then(|| {
                watch.round += 1;
                ((watch.last + watch.spec.interval).max(now), watch.round)
            });
        }
        let reading = WatchReading { began: now, ..WatchReading::default() };
        let (flying, rtt) = (BTreeMap::new(), Smooth::default());
        self.watches
            .insert(spec.id, Watch { spec, reading, next: 0, flying, calm: None, round: 0, last: Time::ZERO, rtt });
        Some((now, 0))
    }

    /// How long the reply to a probe that leaves now may take.
    pub fn patience(&self, id: WatchId) -> Option<Duration> {
        let watch = self.watches.get(&id)?;
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let (least, most) = (ns(watch.spec.deadline), ns(watch.spec.interval * Self::MOST_OUTSTANDING));
        Some(Duration::from_nanos(watch.rtt.deadline(least, most.max(least))))
    }

    /// Ends a watch and drops its reading.
    pub fn unwatch(&mut self, id: WatchId) {
        self.watches.remove(&id);
    }

    /// The readings of all watches.
    #[must_use]
    pub fn readings(&self) -> Vec<(WatchId, WatchReading)> {
        self.watches.iter().map(|(id, w)| (*id, w.reading.clone())).collect()
    }

    /// The reading of one watch; `None` if there is no such watch.
    #[must_use]
    pub fn read(&self, id: WatchId) -> Option<&WatchReading> {
        self.watches.get(&id).map(|w| &w.reading)
    }

    /// Of the watches of this address, the reading of the one that has heard nothing for longest.
    #[must_use]
    pub fn of(&self, address: Address) -> Option<(WatchId, &WatchReading)> {
        let its = self.watches.iter().filter(|(_, w)| w.spec.address == address);
        its.map(|(id, w)| (*id, &w.reading)).min_by_key(|(_, reading)| reading.silent_since())
    }

    /// What a watch was asked to do; `None` if there is no such watch.
    #[must_use]
    pub fn spec(&self, id: WatchId) -> Option<&WatchSpec> {
        self.watches.get(&id).map(|w| &w.spec)
    }

    /// Whether all of this is still true (R7).
    #[must_use]
    pub fn holds(&self, grounds: &[Ground]) -> bool {
        grounds.iter().all(|ground| ground.holds(self.read(ground.watch())))
    }

    /// What this server's kernel knows of a server that it is asked about. A calm watch is answered all the time.
    #[must_use]
    pub fn testify(&self, of: ServerId, answers: &Answers, now: Time) -> Said {
        let age = |watch: &Watch, at: Option<Time>| {
            let since = at.unwrap_or_default().max(watch.reading.began).max(answers.clean);
            if watch.calm.is_some() { Duration::ZERO } else { now.since(since) }
        };
        let its = self.watches.values().find(|watch| watch.spec.server == of);
        let heard = self.watches.values().map(|watch| match watch.calm {
            Some(_) => Duration::ZERO,
            None => watch.reading.last_reply.map_or(Duration::MAX, |at| now.since(at)),
        });
        Said {
            of,
            watches: its.is_some(),
            database: answers.database,
            blind: answers.blind,
            heard: heard.min().unwrap_or(Duration::MAX),
            proof: its.map_or(Duration::ZERO, |watch| age(watch, watch.reading.last_proof())),
            pulse: its.map_or(Duration::ZERO, |watch| age(watch, watch.reading.last_pulse)),
            misses: its.map_or(0, |watch| watch.reading.consecutive),
            alive: its.and_then(|watch| {
                let WatchReading { last_reply, last_pulse, .. } = watch.reading;
                let beats =
                    last_reply.zip(last_pulse).filter(|(reply, pulse)| reply.since(*pulse) < Self::PULSE_OLD)?;
                Some(if watch.calm.is_some() { Duration::ZERO } else { now.since(beats.0) })
            }),
            life: its.map_or(Incarnation(0), |watch| watch.reading.incarnation),
        }
    }

    /// Counts a probe that leaves, or that cannot leave because its neighbour is unresolved. Returns its number.
    pub fn send(&mut self, id: WatchId, now: Time, resolved: bool) -> Option<u64> {
        let watch = self.watches.get_mut(&id)?;
        watch.next += 1;
        watch.last = now;
        watch.reading.held_up = None;
        if resolved {
            watch.reading.sent += 1;
        } else {
            watch.reading.unresolved += 1;
        }
        watch.flying.insert(watch.next, (now, false));
        Some(watch.next)
    }

    /// Counts a probe that a filter of this machine dropped.
    pub fn hold_up(&mut self, id: WatchId, now: Time) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.last = now;
        watch.reading.unsent += 1;
        watch.reading.held_up = Some(Blindness::Filtered);
    }

    /// Handles the end of a probe's deadline. Returns true if it is a miss.
    pub fn deadline(&mut self, id: WatchId, probe: u64, now: Time) -> bool {
        let Some(watch) = self.watches.get_mut(&id) else { return false };
        while watch
            .flying
            .first_key_value()
            .is_some_and(|(_, (left, missed))| *missed && now.since(*left) >= Self::LATE)
        {
            watch.flying.pop_first();
        }
        let Some((left, missed @ false)) = watch.flying.get_mut(&probe) else { return false };
        *missed = true;
        let reading = &mut watch.reading;
        if reading.consecutive == 0 {
            reading.run_from = Some(*left);
        }
        reading.run_until = Some(now);
        reading.misses += 1;
        reading.consecutive += 1;
        true
    }

    /// Handles a reply. Returns true if it is a reason to wake the agent.
    pub fn reply(&mut self, id: WatchId, probe: u64, reply: Reply, now: Time) -> bool {
        let Some(watch) = self.watches.get_mut(&id) else { return false };
        let Some((left, missed)) = watch.flying.remove(&probe) else { return false };
        let reading = &mut watch.reading;
        let mut news = reading.consecutive > 0 || reading.last_proof().is_none();
        reading.consecutive = 0;
        match reply {
            Reply::Plain => reading.last_plain = Some(now),
            Reply::Tagged { pulse, incarnation, health, answered, said } => {
                let misses = |said: Option<Testimony>| said.map_or(0, |said| said.misses);
                let (before, life) = (misses(reading.testimony), reading.testimony.map(|said| said.life));
                reading.testimony = said.map(|said| said.at(now)).or(reading.testimony);
                news |= before < DOUBT_MISSES && misses(reading.testimony) >= DOUBT_MISSES;
                let heard = reading.testimony.map(|said| said.life).filter(|life| *life != Incarnation(0));
                news |= heard.is_some() && heard != life;
                news |= reading.incarnation != incarnation || reading.health != health;
                reading.replies += 1;
                reading.late += u64::from(missed);
                reading.prev_reply = reading.last_reply.replace(now);
                reading.last_pulse = reading.last_pulse.max(pulse);
                reading.last_rtt = Some(now.since(left));
                watch.rtt = watch.rtt.with(u64::try_from(now.since(left).as_nanos()).unwrap_or(u64::MAX));
                let least = u64::try_from(watch.spec.deadline.as_nanos()).unwrap_or(u64::MAX);
                reading.patience = Duration::from_nanos(watch.rtt.deadline(least, u64::MAX));
                (reading.answered, reading.answered_of) = (answered, reading.sent);
                reading.incarnation = incarnation;
                reading.health = health;
            }
        }
        news
    }

    /// The current round of a watch; see the field `round`.
    pub(super) fn round(&self, id: WatchId) -> Option<u32> {
        self.watches.get(&id).map(|w| w.round)
    }

    /// The addresses of the servers that are watched.
    pub(super) fn targets(&self) -> impl Iterator<Item = Address> {
        self.watches.values().map(|w| w.spec.address)
    }

    /// The watches, with the addresses of their targets.
    pub(super) fn ids(&self) -> Vec<(WatchId, Address)> {
        self.watches.iter().map(|(id, w)| (*id, w.spec.address)).collect()
    }

    /// The buddy watch of this address.
    pub(super) fn buddy_at(&self, address: Address) -> Option<WatchId> {
        let of = |w: &&Watch| w.spec.address == address && w.spec.purpose == Purpose::Buddy;
        self.watches.values().find(of).map(|w| w.spec.id)
    }

    /// Whether every watch is calm, and there is at least one.
    pub(super) fn is_calm(&self) -> bool {
        !self.watches.is_empty() && self.watches.values().all(|w| w.calm.is_some())
    }

    /// How a calm watch goes on.
    pub(super) fn calm(&self, id: WatchId) -> Option<&Calm> {
        self.watches.get(&id)?.calm.as_ref()
    }

    /// Whether the target answered the last probes of this watch properly, in this life and with this health.
    pub(super) fn is_healthy(&self, id: WatchId, life: (Incarnation, Health)) -> bool {
        self.watches.get(&id).is_some_and(|w| {
            let r = &w.reading;
            let pulse = r.last_pulse.is_some() && r.last_reply >= r.last_plain;
            w.flying.is_empty() && pulse && r.consecutive == 0 && (r.incarnation, r.health) == life
        })
    }

    /// Makes this watch calm, or ends its calm. Returns what was set before.
    pub(super) fn set_calm(&mut self, id: WatchId, calm: Option<Calm>) -> Option<Calm> {
        let watch = self.watches.get_mut(&id)?;
        if watch.calm.is_some() != calm.is_some() {
            watch.round += 1;
        }
        std::mem::replace(&mut watch.calm, calm)
    }

    /// Counts what a calm watch sent and heard since the last count.
    /// `answered` is the total that the other server says it has answered.
    pub(super) fn count(
        &mut self,
        id: WatchId,
        (sent, replies, answered): (u64, u64, u64),
        last: Option<(Time, Time, Duration)>,
    ) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.next += sent;
        watch.reading.sent += sent;
        watch.reading.replies += replies;
        (watch.reading.answered, watch.reading.answered_of) = (answered, watch.reading.sent);
        if let Some((reply, pulse, rtt)) = last {
            if Some(reply) > watch.reading.last_reply {
                watch.reading.prev_reply = watch.reading.last_reply.replace(reply);
            }
            watch.reading.last_pulse = watch.reading.last_pulse.max(Some(pulse));
            watch.reading.last_rtt = Some(rtt);
        }
    }

    /// Puts a probe that a calm watch sent on its way. Returns its number.
    pub(super) fn fly(&mut self, id: WatchId, left: Time) -> u64 {
        let Some(watch) = self.watches.get_mut(&id) else { return 0 };
        watch.flying.insert(watch.next, (left, false));
        watch.next
    }

    /// Counts a probe from `address` that was answered here. Returns the new total for that address.
    pub fn probed(&mut self, address: Address, purpose: Purpose, now: Time) -> u64 {
        self.visited(address, purpose, now);
        self.count_answered(address, 1)
    }

    /// Notes whom `address` asks this server to watch. Returns whether that is new.
    pub fn asks(&mut self, address: Address, asked: Option<(ServerId, Address)>) -> bool {
        let before = match asked {
            Some(asked) => self.asked.insert(address, asked),
            None => self.asked.remove(&address),
        };
        asked.is_some() && before != asked
    }

    /// Whom `address` asks this server to watch.
    pub(super) fn asked(&self, address: Address) -> Option<(ServerId, Address)> {
        self.asked.get(&address).copied()
    }

    /// Notes that `address` was answered, without counting a probe: calm probes are counted apart.
    pub(super) fn visited(&mut self, address: Address, purpose: Purpose, now: Time) {
        self.probers.insert(address, (now, purpose == Purpose::Buddy));
    }

    /// Adds to the number of answered probes from `address`. Returns the new total.
    pub(super) fn count_answered(&mut self, address: Address, more: u64) -> u64 {
        let answered = self.answered.entry(address).or_default();
        *answered += more;
        *answered
    }

    /// A probe of `address` came at this time. It brings back what was answered to the one before, if answers get
    /// through. Returns when its server is known to have lived.
    pub(super) fn prove(&mut self, address: Address, at: Time, gets_answers: bool) -> Option<Time> {
        let (last, proved) = self.visits.get(&address).copied().unzip();
        let proved = if gets_answers { last } else { proved.flatten() };
        self.visits.insert(address, (at, proved));
        proved
    }

    /// The addresses that were answered since the last call: when last, and whether as a buddy.
    pub fn take_probers(&mut self) -> BTreeMap<Address, (Time, bool)> {
        std::mem::take(&mut self.probers)
    }
}
