//! Loaded programs without a network: frames go in, verdicts and counters come out.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{Array, MapData, RingBuf};
use ringmon_common::frame::{ECHO_REPLY, ECHO_REQUEST};
use ringmon_common::layout::{Config, Event, EventKind, Identity, KeySlot, Outstanding, window_index};
use ringmon_common::wire::{Direction, Payload, Purpose};
use ringmon_common::{Frame, Incident, TagKey, Verdict, tag};

use super::super::clock;
use super::super::object::{self, Object, Plain};
use super::super::shared::Shared;
use super::run::{Outcome, run};
use crate::datapath::Readings;
use ringmon_core::Time;
use ringmon_core::evidence::{WatchId, WatchReading};

pub type Station = ([u8; 6], [u8; 4]);
pub const US: Station = ([2, 0, 0, 0, 0, 1], [10, 0, 0, 1]);
pub const PEER: Station = ([2, 0, 0, 0, 0, 2], [10, 0, 0, 2]);
pub const SECRET: [u8; 16] = *b"0123456789abcdef";
pub const KEY_ID: u8 = 7;
pub const NONCE: u64 = 0x5eed_5eed_5eed_5eed;
pub const WATCH: WatchId = WatchId { slot: 3, generation: 9 };
pub const FIRST: u64 = 1 << 40;

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_TX: u32 = 3;

pub struct Kit {
    ebpf: Ebpf,
    /// The ingress program is loaded later, and needs the map.
    _config: Array<MapData, Plain<Config>>,
    pub keys: Array<MapData, Plain<KeySlot>>,
    events: RingBuf<MapData>,
    pub shared: Shared,
}

impl Kit {
    pub fn new() -> Self {
        let mut object = Object::load(0).expect("load the programs: run cargo xtask test");
        object.config.set(0, Plain(Config { address: tag::mapped(US.1), nonce: NONCE }), 0).expect("config");
        let Object { ebpf, config, keys, events, identity, watches, window, histogram, probers, counters } = object;
        let shared = Shared::new((watches, window, histogram), (identity, probers, counters));
        let mut kit = Self { ebpf, _config: config, keys, events, shared };
        kit.accept(KEY_ID, &SECRET, true);
        kit
    }

    /// With a watch of [`PEER`] that has this deadline.
    pub fn watching(deadline: Duration) -> Self {
        let kit = Self::new();
        kit.shared.begin(WATCH, PEER.1, FIRST, (deadline, deadline), clock::now());
        kit
    }

    pub fn accept(&mut self, id: u8, secret: &[u8; 16], used: bool) {
        let slot = KeySlot { key: TagKey::new(secret), used: used.into() };
        self.keys.set(u32::from(id), Plain(slot), 0).expect("a key");
    }

    /// Writes what the agent writes for its replies.
    pub fn identity(&self, pulse_ns: u64, incarnation: u64, health: u64) {
        let words = [
            (offset_of!(Identity, pulse_ns), pulse_ns),
            (offset_of!(Identity, incarnation), incarnation),
            (offset_of!(Identity, health), health),
        ];
        for (offset, value) in words {
            self.shared.identity.word(0, offset).expect("a word").store(value, Relaxed);
        }
    }

    /// Feeds a frame to XDP.
    pub fn receive(&mut self, frame: &[u8]) -> Outcome {
        run(object::xdp(&mut self.ebpf).expect("the program").fd().expect("loaded"), frame, 1)
    }

    /// Feeds a frame to the ingress program, as a socket buffer.
    pub fn receive_buffered(&mut self, frame: &[u8]) -> Outcome {
        run(object::ingress(&mut self.ebpf).expect("the program").fd().expect("loaded"), frame, 1)
    }

    /// How long XDP takes for this frame, in nanoseconds: the least of many single runs, because a run does not restore
    /// the packet.
    pub fn cost(&mut self, frame: &[u8]) -> u32 {
        (0..20_000).map(|_| self.receive(frame).ns).min().unwrap_or(0)
    }

    /// Sends a probe past the egress program, as the sender does.
    pub fn send(&mut self, seq: u64) {
        self.shared.give(WATCH.slot, seq);
        self.leave(&our_probe(seq));
    }

    /// Lets a frame leave. It is never changed or held back.
    pub fn leave(&mut self, probe: &Frame) {
        let outcome =
            run(object::egress(&mut self.ebpf).expect("the program").fd().expect("loaded"), probe.as_bytes(), 1);
        assert_eq!((outcome.action as i32, outcome.packet.as_slice()), (-1, probe.as_bytes().as_slice()));
    }

    /// The counters that are not zero.
    pub fn counted(&self) -> BTreeMap<&'static str, u64> {
        let verdicts = Verdict::ALL.into_iter().map(|v| (v.label(), v.index()));
        let all = verdicts.chain(Incident::ALL.into_iter().map(|i| (i.label(), i.index())));
        let value = |index| self.shared.counters.word(index, 0).expect("a counter").load(Relaxed);
        all.map(|(label, index)| (label, value(index))).filter(|(_, count)| *count != 0).collect()
    }

    pub fn reading(&self) -> WatchReading {
        self.shared.read(WATCH).expect("the watch runs")
    }

    pub fn outstanding(&self, seq: u64) -> Outstanding {
        self.shared.window.load(window_index(u32::from(WATCH.slot), seq)).expect("a place")
    }

    /// Makes the kernel believe that this probe's deadline was at this time.
    pub fn set_deadline(&self, seq: u64, ns: u64) {
        let index = window_index(u32::from(WATCH.slot), seq);
        self.shared.window.word(index, offset_of!(Outstanding, deadline_ns)).expect("a word").store(ns, Relaxed);
    }

    /// The kinds of the events since the last call.
    pub fn events(&mut self) -> Vec<u32> {
        self.timed_events().into_iter().map(|(kind, _)| kind).collect()
    }

    /// The same, with their times.
    pub fn timed_events(&mut self) -> Vec<(u32, Time)> {
        let mut found = Vec::new();
        while let Some(item) = self.events.next() {
            let kind = item[offset_of!(Event, kind)..][..4].try_into().expect("four bytes");
            let at = item[offset_of!(Event, at_ns)..][..8].try_into().expect("eight bytes");
            found.push((u32::from_ne_bytes(kind), Time::from_ns(u64::from_ne_bytes(at))));
        }
        found
    }

    /// Lets a probe pass its deadline, and returns it. Its event is consumed: on a busy machine the timer may be late.
    pub fn miss(&mut self) -> u64 {
        let seq = self.shared.watches.load(u32::from(WATCH.slot)).expect("the watch").last_sent + 1;
        self.send(seq);
        let kind = self.next_event();
        assert!(kind == EventKind::Miss as u32 || kind == EventKind::Late as u32, "{kind}");
        seq
    }

    /// Waits for the next event, which must be the only one.
    pub fn next_event(&mut self) -> u32 {
        let begin = Instant::now();
        loop {
            if let Some((kind, _)) = self.timed_events().first() {
                return *kind;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "no event: {:?}, {:?}", self.reading(), self.counted());
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Waits until the reading is as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&WatchReading) -> bool) -> WatchReading {
        let begin = Instant::now();
        loop {
            let reading = self.reading();
            if wanted(&reading) {
                return reading;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{what} did not come: {reading:?}, {:?}",
                self.counted()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn payload(seq: u64) -> Payload {
    Payload::probe(Purpose::Buddy, WATCH.slot, WATCH.generation, seq, 77, KEY_ID)
}

/// The payload with its tag as a probe.
pub fn tagged(mut payload: Payload, prober: Station, responder: Station) -> Payload {
    payload.tag = TagKey::new(&SECRET).v4(prober.1, responder.1, &payload).probe(&payload);
    payload
}

/// A probe of [`PEER`] for this server.
pub fn probe(seq: u64) -> Frame {
    Frame::new(PEER, US, ECHO_REQUEST, tagged(payload(seq), PEER, US))
}

/// A probe of this server for [`PEER`].
pub fn our_probe(seq: u64) -> Frame {
    Frame::new(US, PEER, ECHO_REQUEST, tagged(payload(seq), US, PEER))
}

/// What [`PEER`]'s kernel makes of our probe if no ringmon runs there.
pub fn plain_echo(seq: u64) -> Frame {
    Frame::new(PEER, US, ECHO_REPLY, our_probe(seq).payload)
}

/// What [`PEER`]'s ringmon makes of our probe, after this change.
pub fn reply_with(seq: u64, change: impl FnOnce(&mut Payload)) -> Frame {
    let mut payload = our_probe(seq).payload;
    payload.direction = Direction::Reply as u8;
    payload.responder_incarnation = 5_u64.to_be_bytes();
    payload.answered = 1_u64.to_be_bytes();
    change(&mut payload);
    payload.tag = TagKey::new(&SECRET).v4(US.1, PEER.1, &payload).reply(&payload);
    Frame::new(PEER, US, ECHO_REPLY, payload)
}

/// The same, unchanged.
pub fn reply(seq: u64) -> Frame {
    reply_with(seq, |_| ())
}
