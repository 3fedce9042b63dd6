//! BPF programs in the kernel carry, answer and judge probes.
//!
//! ```text
//!             watch, unwatch                     identity, pulse: plain stores
//!   agent ----------------------> sender             |
//!     ^                           | raw ICMP         v
//!     |  readings: plain loads    v            +-----------+
//!     |<------------------ [ mapped arrays ] <-| programs  |  tc egress stamps, XDP answers and observes,
//!     |<------------------- ring buffer, bell <-|  timers   |  a timer a watch counts misses
//!                                              +-----------+
//! ```
//!
//! Nothing is pinned. When the process ends, in whatever way, the kernel takes programs, timers and maps away. From
//! then on the kernel itself answers probes, which proves the host and not the agent.

mod attach;
mod claim;
mod host;
mod lane;
mod link;
mod log;
mod memory;
mod netlink;
mod object;
mod obstacle;
mod options;
mod realtime;
mod sender;
mod shared;
mod socket;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aya::maps::{Array, MapData, RingBuf};
use ringmon_common::layout::{self, Config, Event, Identity, KeySlot};
use ringmon_common::testimony::{HAS_DATABASE, IS_BLIND};
use ringmon_common::{Incident, TagKey, Verdict, tag};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use options::{CS6, Options};
pub use realtime::{Role, ask as ask_realtime};

use super::{Datapath, Error, Prober, Readings};
use crate::clock;
use crate::show::{Count, DatapathChoice, DatapathMode, DatapathStats};
use attach::{Attached, Interface};
use claim::Claim;
use host::Host;
use lane::{Lane, Pace, Sign};
use object::{Object, Plain};
use ringmon_core::engine::Answers;
use ringmon_core::evidence::{LocalFault, MAX_WATCHES, Purpose, WatchId, WatchSpec};
use ringmon_core::host::HostChange;
use ringmon_core::row::{Address, PoolKey};
use ringmon_core::{ServerId, Time, Word as _};
use sender::{Command, Parts, Sender};
use shared::Shared;

const PROBERS_FRESH: Duration = Duration::from_secs(10);
/// A real-time thread that probes without a pause would take the processor away from everything else.
const LEAST_INTERVAL: Duration = Duration::from_micros(500);
/// A deadline is at most this many intervals long, because the window must hold all outstanding probes.
const MOST_OUTSTANDING: u32 = 96;

/// Probes over XDP. The module's documentation has the picture.
pub struct XdpDatapath {
    mode: DatapathMode,
    choice: DatapathChoice,
    interface: Interface,
    attached: Attached,
    host: Host,
    config: Array<MapData, Plain<Config>>,
    nonce: u64,
    peers: BTreeMap<WatchId, Ipv4Addr>,
    dscp: u8,
    sign: Sign,
    accepted: Vec<u8>,
    /// How many misses of each used slot had a late timer, as of the last look.
    doubtful: BTreeMap<u16, u64>,
    keys: Array<MapData, Plain<KeySlot>>,
    events: AsyncFd<RingBuf<MapData>>,
    shared: Arc<Shared>,
    // The order matters: first nobody sends, then nobody reads the log, then everything leaves the kernel.
    sender: Sender,
    _lines: Option<log::Lines>,
    ebpf: aya::Ebpf,
    _claim: Claim,
}

/// Loads and attaches everything. Call it on a tokio runtime with I/O, in the network namespace of the interface.
///
/// # Errors
/// What is missing or in the way; nothing stays behind.
pub fn open(options: Options) -> Result<XdpDatapath, Error> {
    let (name, address) = (options.interface.clone(), options.address);
    // What is refused because the interface went away meanwhile is said as that.
    let gone = || Interface::examine(&name, address, &mut netlink::Netlink::open().ok()?).err().filter(Error::may_come);
    load(options).map_err(|error| gone().unwrap_or(error))
}

fn load(options: Options) -> Result<XdpDatapath, Error> {
    let system = |what| move |source| Error::System { what, source };
    let Some(first) = options.keys.first().copied() else { return Err(Error::NoKey) };
    let mut netlink = netlink::Netlink::open().map_err(system("open a netlink socket"))?;
    let interface = Interface::examine(&options.interface, options.address, &mut netlink)?;
    let claim = Claim::on(interface.address)?;
    let link = link::LinkFlags::open(interface.index).map_err(system("open a socket"))?;
    let asks = netlink::Netlink::open().map_err(system("open a netlink socket"))?;
    let mut host = Host::open(asks, interface.name.clone()).map_err(system("listen to netlink"))?;

    let mut object = Object::load(log::number(options.bpf_log))?;
    let (own, nonce) = (tag::mapped(interface.address.octets()), rand::random());
    object
        .config
        .set(0, Plain(Config { address: own, nonce }), 0)
        .map_err(|e| object::refused("write a BPF map", &e))?;
    let lines = options.bpf_log.map(|_| log::Lines::start(&mut object.ebpf)).transpose()?;
    let (mode, attached) = interface.attach(&mut object.ebpf, options.choice)?;

    host.program = Interface::program(&mut object.ebpf, &attached);

    let Object { ebpf, config, keys, events, identity, watches, window, histogram, probers, counters } = object;
    let shared = Arc::new(Shared::new((watches, window, histogram), (identity, probers, counters)));
    // SAFETY: the ring buffer owns its file descriptor, keeps it while it lives, and never changes it.
    let events = unsafe { AsyncFd::register_with_interest(events, Interest::READABLE) };
    let events = events.map_err(|error| Error::System { what: "wait for BPF events", source: error.into() })?;
    let sign = Sign { own: interface.address, key: TagKey::new(&first.secret), key_id: first.id };
    let (seed, realtime, index) = (options.seed, options.realtime, interface.index);
    let parts = Parts { index, link, netlink, seed, sign, shared: Arc::clone(&shared), realtime };
    let sender = Sender::start(parts).map_err(system("start the sender"))?;
    let mut datapath = XdpDatapath {
        mode,
        choice: options.choice,
        interface,
        attached,
        host,
        config,
        nonce,
        peers: BTreeMap::new(),
        dscp: options.dscp,
        sign,
        accepted: Vec::new(),
        doubtful: BTreeMap::new(),
        keys,
        events,
        shared,
        sender,
        _lines: lines,
        ebpf,
        _claim: claim,
    };
    datapath.keys(&options.keys);
    tracing::info!(interface = datapath.interface.name, mode = mode.word(), "probes are answered in the kernel");
    Ok(datapath)
}

impl XdpDatapath {
    fn accept(&mut self, id: u8, slot: KeySlot) {
        if let Err(error) = self.keys.set(u32::from(id), Plain(slot), 0) {
            tracing::warn!("cannot change the pool key {id} in the kernel: {error:?}");
        }
    }

    /// The watches in the ring buffer, each once.
    fn drain(events: &mut RingBuf<MapData>) -> Vec<WatchId> {
        let mut changed = Vec::new();
        while let Some(item) = events.next() {
            let Some(id) = watch_of(&item) else { continue };
            if !changed.contains(&id) {
                changed.push(id);
            }
        }
        changed
    }
}

fn address_of(words: [u64; 2]) -> Address {
    std::net::Ipv6Addr::from(tag::from_words(words)).to_canonical()
}

fn watch_of(event: &[u8]) -> Option<WatchId> {
    let number = |offset: usize| {
        let bytes = event.get(offset..offset + 2)?;
        Some(u16::from_ne_bytes(bytes.try_into().ok()?))
    };
    Some(WatchId { slot: number(offset_of!(Event, slot))?, generation: number(offset_of!(Event, generation))? })
}

impl Datapath for XdpDatapath {
    fn mode(&self) -> DatapathMode {
        self.mode
    }

    fn watch(&mut self, spec: &WatchSpec) -> Result<(), Error> {
        let WatchId { slot, generation } = spec.id;
        let Address::V4(peer) = spec.address else { return Err(Error::Family { address: spec.address }) };
        if slot >= MAX_WATCHES || generation == 0 {
            return Err(Error::NoWatch { slot, generation });
        }
        let interval = spec.interval.max(LEAST_INTERVAL);
        let most = interval * MOST_OUTSTANDING;
        let deadline = (spec.deadline.min(most), most);
        let (purpose, wire, asked) = (spec.purpose, spec.wire, spec.asked);
        let pace = Pace { interval, deadline: deadline.0, purpose, wire, asked };
        if self.shared.generation(slot) == generation {
            self.shared.deadline(slot, deadline);
            self.shared.server(slot, spec.server);
            self.sender.tell(Command::Change(spec.id, pace));
            return Ok(());
        }
        let socket = socket::open(&self.interface.name, self.interface.address, self.dscp)
            .map_err(|source| Error::System { what: "open a raw socket for a watch", source })?;
        let now = clock::now();
        // Random, so that replies that somebody kept from an earlier life of this agent do not fit when their number
        // comes up again.
        // A mark in the window has room for 62 bits of the number (`SEQ_END`), so there are many left to count with.
        let first = (rand::random::<u64>() >> 3).max(1);
        self.shared.begin(spec.id, peer.octets(), first, deadline, now);
        self.shared.server(slot, spec.server);
        self.doubtful.insert(slot, 0);
        self.peers.retain(|id, _| id.slot != slot);
        self.peers.insert(spec.id, peer);
        self.sender.tell(Command::Begin(Box::new(Lane::new(spec.id, peer, first, pace, socket, now))));
        Ok(())
    }

    fn unwatch(&mut self, watch: WatchId) {
        if self.shared.generation(watch.slot) == watch.generation {
            self.shared.end(watch.slot);
            self.doubtful.remove(&watch.slot);
        }
        self.peers.remove(&watch);
        self.sender.tell(Command::End(watch));
    }

    fn readings(&self) -> Arc<dyn Readings> {
        Arc::clone(&self.shared) as Arc<dyn Readings>
    }

    fn identity(&mut self, answers: Answers) {
        let identity = &self.shared.identity;
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let known = flag(answers.database, HAS_DATABASE) | flag(answers.blind, IS_BLIND);
        let words = [
            (offset_of!(Identity, incarnation), answers.incarnation.0 as u64),
            (offset_of!(Identity, health), answers.health as u64),
            (offset_of!(Identity, clean_ns), answers.clean.as_ns()),
            (offset_of!(Identity, known), u64::from(known)),
        ];
        for (offset, value) in words {
            identity.word(0, offset).into_iter().for_each(|word| word.store(value, Relaxed));
        }
    }

    fn pulse(&mut self, now: Time) {
        let word = self.shared.identity.word(0, offset_of!(Identity, pulse_ns));
        word.into_iter().for_each(|word| word.store(now.as_ns(), Relaxed));
    }

    fn keys(&mut self, keys: &[PoolKey]) {
        let Some(first) = keys.first() else { return };
        for key in keys {
            self.accept(key.id, KeySlot { key: TagKey::new(&key.secret), used: 1 });
        }
        self.sign.key = TagKey::new(&first.secret);
        self.sign.key_id = first.id;
        self.sender.tell(Command::Key(Box::new(self.sign)));
        let old = std::mem::replace(&mut self.accepted, keys.iter().map(|key| key.id).collect());
        for id in old {
            if !self.accepted.contains(&id) {
                self.accept(id, KeySlot { key: TagKey::new(&[0; 16]), used: 0 });
            }
        }
    }

    fn probers(&self) -> Vec<Prober> {
        let oldest = (clock::now() - PROBERS_FRESH).as_ns();
        let known = (0..layout::PROBERS).filter_map(|at| self.shared.prober(at));
        let fresh = known.filter(|prober| prober.last_ns >= oldest);
        let probers = fresh.map(|prober| Prober {
            address: address_of(prober.address),
            last: Time::from_ns(prober.last_ns),
            proved: (prober.proved_ns != 0).then(|| Time::from_ns(prober.proved_ns)),
            as_buddy: prober.purpose == Purpose::Buddy as u64,
            asked: (prober.asked != 0).then(|| (ServerId(prober.asked as i64), address_of(prober.asked_at))),
        });
        probers.collect()
    }

    fn stats(&self) -> DatapathStats {
        let value = |index| self.shared.counters.word(index, 0).map_or(0, |word| word.load(Relaxed));
        let verdict = |v: Verdict| Count { name: "verdicts", label: v.label(), value: value(v.index()) };
        let incident = |i: Incident| Count { name: "incidents", label: i.label(), value: value(i.index()) };
        let verdicts = Verdict::ALL.into_iter().filter(|v| !matches!(v, Verdict::Other)).map(verdict);
        let slots = (0..MAX_WATCHES).map(|slot| WatchId { slot, generation: self.shared.generation(slot) });
        let rtt = slots.filter(|id| id.generation != 0).map(|id| (id, self.shared.round_trips(id.slot)));
        DatapathStats {
            mode: Some(self.mode),
            verdicts: verdicts.chain(Incident::ALL.into_iter().map(incident)).collect(),
            rtt: rtt.collect(),
        }
    }

    fn host_changes(&mut self) -> Vec<(HostChange, String)> {
        self.look_again();
        self.host.take_changes()
    }

    fn faults(&mut self) -> (bool, Vec<(LocalFault, Time, Time)>) {
        let mut faults = self.shared.take_faults();
        for (slot, seen) in &mut self.doubtful {
            let slot = u32::from(*slot);
            let doubtful = self.shared.doubtful(slot);
            if doubtful > *seen {
                *seen = doubtful;
                faults.extend(self.shared.take_doubt(slot).map(|(from, until)| (LocalFault::TimerLate, from, until)));
            }
        }
        (self.shared.link_up.load(Relaxed), faults)
    }

    fn changed<'a>(&'a mut self) -> Pin<Box<dyn Future<Output = Vec<WatchId>> + Send + 'a>> {
        Box::pin(async move {
            loop {
                tokio::select! {
                    ready = self.events.readable_mut() => {
                        // An error means that the runtime is shutting down: nobody will be woken again.
                        let Ok(mut guard) = ready else { return std::future::pending().await };
                        let changed = Self::drain(guard.get_inner_mut());
                        guard.clear_ready();
                        if !changed.is_empty() {
                            return changed;
                        }
                    }
                    () = self.shared.bell.notified() => return self.shared.take_dirty(),
                    () = self.host.news(self.interface.index) => {
                        self.look_at_host();
                        return Vec::new();
                    }
                }
            }
        })
    }
}
