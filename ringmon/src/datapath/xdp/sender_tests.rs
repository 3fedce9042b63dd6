//! The sender's turns, one by one, at times that the test chooses.

use std::net::Ipv4Addr;

use ringmon_common::layout::{Config, KeySlot};
use ringmon_common::wire::{Purpose, VERSION};
use ringmon_common::{TagKey, tag};

use super::*;
use crate::datapath::xdp::attach::Interface;
use crate::datapath::xdp::object::{Object, Plain};
use crate::datapath::xdp::tests::netns::{ADDRESSES, INTERFACE, Namespace, pair};
use crate::datapath::xdp::{CS6, socket};
use crate::show::DatapathChoice;
use ringmon_core::evidence::Asked;

const INTERVAL: Duration = Duration::from_millis(20);
const SEED: u64 = 7_000_000;

struct Bench {
    turns: Loop,
    shared: Arc<Shared>,
    _ebpf: aya::Ebpf,
}

/// A sender without a thread, in this thread's namespace, with both programs attached.
fn bench() -> Bench {
    let own = ADDRESSES[0];
    let mut netlink = Netlink::open().expect("netlink");
    let interface = Interface::examine(INTERFACE, own.into(), &mut netlink).expect("the interface");
    let mut object = Object::load(0).expect("load the programs: run cargo xtask test");
    object.config.set(0, Plain(Config { address: tag::mapped(own.octets()), nonce: 0 }), 0).expect("config");
    let sign = Sign { own, key: TagKey::new(&[7; 16]), key_id: 1 };
    object.keys.set(sign.key_id.into(), Plain(KeySlot { key: sign.key, used: 1 }), 0).expect("a key");
    interface.attach(&mut object.ebpf, DatapathChoice::XdpGeneric).expect("attach");
    let Object { ebpf, identity, watches, window, histogram, probers, counters, .. } = object;
    let shared = Arc::new(Shared::new((watches, window, histogram), (identity, probers, counters)));
    let link = LinkFlags::open(interface.index).expect("a socket");
    let parts =
        Parts { index: interface.index, link, netlink, seed: SEED, sign, shared: Arc::clone(&shared), realtime: false };
    Bench { turns: Loop::new(parts), shared, _ebpf: ebpf }
}

impl Bench {
    fn begin(&mut self, slot: u16, interval: Duration, now: Time) {
        let (id, peer) = (WatchId { slot, generation: 1 }, ADDRESSES[1]);
        let deadline = Duration::from_secs(1000);
        self.shared.begin(id, peer.octets(), 1, (deadline, deadline), now);
        let pace = Pace { interval, deadline, purpose: Purpose::Buddy, wire: VERSION, asked: Asked::NOTHING };
        let socket = socket::open(INTERFACE, ADDRESSES[0], CS6).expect("a raw socket");
        self.turns.obey(Command::Begin(Box::new(Lane::new(id, peer, 1, pace, socket, now))), now);
    }

    fn due(&self, slot: usize) -> Time {
        self.turns.lanes[slot].as_ref().expect("a lane").due
    }

    fn sent(&self, slot: u32) -> u64 {
        self.shared.watches.load(slot).expect("a watch").sent
    }
}

/// Resolves the neighbour first, so that probes leave within the call that sends them.
fn resolve(ends: &[Namespace; 2], to: Ipv4Addr) {
    ends[0].ip(&["neigh", "replace", &to.to_string(), "lladdr", "02:00:00:00:00:99", "dev", INTERFACE]);
}

#[test]
fn probes_that_are_due_together_leave_in_one_turn() {
    let ends = pair();
    resolve(&ends, ADDRESSES[1]);
    ends[0].run(|| {
        let (mut bench, now) = (bench(), clock::now());
        bench.begin(0, INTERVAL, now);
        bench.begin(1, INTERVAL, now);
        bench.begin(2, INTERVAL / 10, now);
        bench.turns.send_due(now);
        assert_eq!([0, 1, 2].map(|slot| bench.sent(slot)), [1, 1, 1]);
        // From the second one on they are on the grid.
        let due = bench.due(0);
        assert_eq!((bench.due(1), due.as_ns() % 20_000_000), (due, SEED));
        while bench.due(2) < due {
            bench.turns.send_due(bench.due(2));
        }
        assert_eq!(bench.due(2), due);
        bench.turns.send_due(due);
        assert_eq!([0, 1].map(|slot| bench.sent(slot)), [2, 2]);
        assert_eq!(bench.due(0), due + INTERVAL);
        assert!(bench.turns.faults.is_empty());
    });
}

#[test]
fn a_late_turn_is_a_fault_and_a_few_probes_are_made_up_for() {
    let ends = pair();
    resolve(&ends, ADDRESSES[1]);
    ends[0].run(|| {
        let (mut bench, now) = (bench(), clock::now());
        bench.begin(0, INTERVAL, now);
        bench.turns.send_due(now);
        let due = bench.due(0);
        let on_time = due + INTERVAL / 4;
        bench.turns.send_due(on_time);
        assert!(bench.turns.faults.is_empty(), "a quarter of the interval is no lateness");
        let due = bench.due(0);
        let late = due + INTERVAL * 5 + Duration::from_millis(5);
        bench.turns.send_due(late);
        assert_eq!(bench.turns.faults, [(LocalFault::SenderLate, due, late)]);
        assert_eq!(bench.sent(0), 3, "one probe in one turn, not five");
        for series in 1..=2 {
            let next = late + INTERVAL / 10 * series;
            assert_eq!(bench.due(0), next);
            bench.turns.send_due(next);
        }
        assert_eq!(bench.sent(0), 5, "three of the five that were left out");
        assert_eq!(bench.due(0), due + INTERVAL * 6, "back on the grid");
        assert_eq!(bench.turns.faults.len(), 1);
    });
}

#[test]
fn a_shorter_interval_holds_at_once() {
    let ends = pair();
    resolve(&ends, ADDRESSES[1]);
    ends[0].run(|| {
        let (mut bench, now) = (bench(), clock::now());
        bench.begin(0, Duration::from_secs(1), now);
        bench.turns.send_due(now);
        let pace = Pace {
            interval: Duration::from_millis(2),
            deadline: INTERVAL,
            purpose: Purpose::Buddy,
            wire: VERSION,
            asked: Asked::NOTHING,
        };
        bench.turns.obey(Command::Change(WatchId { slot: 0, generation: 1 }, pace), now);
        assert_eq!(bench.due(0), now + Duration::from_millis(2), "one has just left");
        // A command for another generation is not for this watch.
        bench.turns.obey(Command::End(WatchId { slot: 0, generation: 2 }), now);
        assert!(bench.turns.lanes[0].is_some());
        bench.turns.obey(Command::End(WatchId { slot: 0, generation: 1 }), now);
        assert!(bench.turns.lanes[0].is_none());
    });
}

/// A watch begins, and is told at once what to ask. Its first probe must not go back to the grid for that.
#[test]
fn another_question_does_not_make_a_probe_wait() {
    let ends = pair();
    resolve(&ends, ADDRESSES[1]);
    ends[0].run(|| {
        let (mut bench, now) = (bench(), clock::now());
        bench.begin(0, INTERVAL, now);
        let asked = Asked::about(ringmon_core::ServerId(7));
        let pace = Pace { interval: INTERVAL, deadline: INTERVAL, purpose: Purpose::Asked, wire: VERSION, asked };
        bench.turns.obey(Command::Change(WatchId { slot: 0, generation: 1 }, pace), now);
        assert_eq!(bench.due(0), now);
    });
}

/// A watch that asks for a burst has just missed a reply and cannot wait for the grid. Afterwards its probes are on the
/// grid again.
#[test]
fn a_burst_begins_at_once_and_ends_on_the_grid() {
    let ends = pair();
    resolve(&ends, ADDRESSES[1]);
    ends[0].run(|| {
        let (mut bench, now) = (bench(), clock::now());
        let id = WatchId { slot: 0, generation: 1 };
        let pace = |interval| Pace {
            interval,
            deadline: INTERVAL,
            purpose: Purpose::Buddy,
            wire: VERSION,
            asked: Asked::NOTHING,
        };
        bench.begin(0, INTERVAL, now);
        bench.turns.send_due(now);
        let missed = now + Duration::from_millis(5);
        bench.turns.obey(Command::Change(id, pace(INTERVAL / 10)), missed);
        assert_eq!(bench.due(0), missed);
        bench.turns.send_due(missed);
        bench.turns.send_due(bench.due(0));
        // The first leaves at once; the next ones are on the burst's own grid, whose phase is the clock's.
        let span = bench.due(0).since(missed);
        assert!(span <= INTERVAL / 4, "two intervals of the burst and a half: {span:?}");
        bench.turns.obey(Command::Change(id, pace(INTERVAL)), bench.due(0));
        assert_eq!(bench.due(0).as_ns() % 20_000_000, SEED);
        assert_eq!(bench.sent(0), 3);
        assert!(bench.turns.faults.is_empty());
    });
}
