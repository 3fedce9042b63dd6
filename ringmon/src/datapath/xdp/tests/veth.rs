//! Real datapaths on the ends of a veth pair.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ringmon_common::wire::VERSION;
use tokio::runtime::Runtime;

use super::super::{CS6, Options, XdpDatapath, clock, open};
use super::netns::{ADDRESSES, INTERFACE, Namespace, pair};
use crate::datapath::{Datapath, Error};
use crate::show::{DatapathChoice, DatapathMode};
use ringmon_core::blindness::Blindness;
use ringmon_core::engine::Answers;
use ringmon_core::evidence::{Asked, LocalFault, Purpose, WatchId, WatchReading, WatchSpec};
use ringmon_core::row::{Health, PoolKey};
use ringmon_core::{Incarnation, ServerId, Time};

pub const KEY: PoolKey = PoolKey { id: 3, secret: *b"a key of the lab" };
pub const ID: WatchId = WatchId { slot: 0, generation: 1 };

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

pub fn options(end: usize, choice: DatapathChoice) -> Options {
    Options {
        interface: INTERFACE.to_owned(),
        address: ADDRESSES[end].into(),
        choice,
        keys: vec![KEY],
        bpf_log: None,
        seed: 12345 * end as u64,
        dscp: CS6,
        realtime: true,
    }
}

pub fn opened(runtime: &Runtime, namespace: &Namespace, options: Options) -> Result<XdpDatapath, Error> {
    namespace.run(|| {
        let _guard = runtime.enter();
        open(options)
    })
}

/// A pair of namespaces with a datapath at each end.
fn both(runtime: &Runtime, choice: DatapathChoice) -> ([Namespace; 2], [XdpDatapath; 2]) {
    let ends = pair();
    let datapaths = [0, 1].map(|end| {
        let mut datapath = opened(runtime, &ends[end], options(end, choice)).expect("open the datapath");
        datapath.identity(as_life(1000 + end as i64, Health::Unknown));
        datapath
    });
    (ends, datapaths)
}

/// What a server answers that has a database and no fault.
pub fn as_life(life: i64, health: Health) -> Answers {
    Answers { incarnation: Incarnation(life), health, clean: Time::ZERO, database: true, blind: false }
}

pub fn spec(address: Ipv4Addr) -> WatchSpec {
    WatchSpec {
        id: ID,
        server: ServerId(1),
        name: "other".to_owned(),
        address: address.into(),
        purpose: Purpose::Buddy,
        wire: VERSION,
        asked: Asked::NOTHING,
        interval: Duration::from_millis(2),
        deadline: Duration::from_millis(5),
    }
}

/// Waits until the reading is as wanted, and prints it in any case.
pub fn until(datapath: &XdpDatapath, what: &str, wanted: impl Fn(&WatchReading) -> bool) -> WatchReading {
    let begin = Instant::now();
    loop {
        let reading = datapath.readings().read(ID).expect("the watch runs");
        if wanted(&reading) {
            return reading;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} did not come: {reading:?}, {:?}", datapath.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn count(datapath: &XdpDatapath, label: &str) -> u64 {
    datapath.stats().verdicts.iter().find(|count| count.label == label).expect("such a count").value
}

fn the_kernels_own_icmp_stands_still(choice: DatapathChoice, mode: DatapathMode) {
    let runtime = runtime();
    let (ends, [mut a, mut b]) = both(&runtime, choice);
    assert_eq!((a.mode(), b.mode()), (mode, mode));
    let before = ends.each_ref().map(|end| end.icmp("InMsgs"));
    ends[0].run(|| a.watch(&spec(ADDRESSES[1])).expect("watch"));
    ends[1].run(|| b.watch(&spec(ADDRESSES[0])).expect("watch"));
    let seen = [&a, &b].map(|end| until(end, "replies", |reading| reading.replies > 500));
    assert_eq!(seen.each_ref().map(|reading| reading.incarnation.0), [1001, 1000]);
    assert_eq!(before, ends.each_ref().map(|end| end.icmp("InMsgs")));
    assert!(count(&a, "answered") > 400 && count(&b, "answered") > 400);
    println!("{mode:?}: round trips (below ns, count): {:?}", a.stats().rtt);
}

#[test]
fn native_answers_while_the_kernels_own_icmp_stands_still() {
    the_kernels_own_icmp_stands_still(DatapathChoice::XdpNative, DatapathMode::XdpNative);
}

#[test]
fn generic_answers_while_the_kernels_own_icmp_stands_still() {
    the_kernels_own_icmp_stands_still(DatapathChoice::XdpGeneric, DatapathMode::XdpGeneric);
}

#[test]
fn identity_pulse_and_probers_travel() {
    let runtime = runtime();
    let (ends, [mut a, mut b]) = both(&runtime, DatapathChoice::XdpNative);
    ends[0].run(|| a.watch(&spec(ADDRESSES[1])).expect("watch"));
    let silent = until(&a, "replies", |reading| reading.replies > 10);
    assert_eq!((silent.last_pulse, silent.health), (None, Health::Unknown));
    let beat = clock::now();
    b.pulse(beat);
    b.identity(as_life(4711, Health::Failing));
    let told =
        until(&a, "the identity", |reading| reading.incarnation == Incarnation(4711) && reading.last_pulse.is_some());
    assert_eq!(told.health, Health::Failing);
    let pulse = told.last_pulse.expect("a pulse");
    // It includes a reply's way home, however long that took. A wrong unit would be off by far more.
    let apart = pulse.since(beat).max(beat.since(pulse));
    assert!(apart < Duration::from_millis(500), "{apart:?}");

    let [prober] = b.probers().try_into().expect("one prober");
    assert_eq!((prober.address, prober.as_buddy), (ADDRESSES[0].into(), true));
    assert!(prober.last <= clock::now());
    let ahead = WatchSpec { purpose: Purpose::Ahead, ..spec(ADDRESSES[1]) };
    ends[0].run(|| a.watch(&ahead).expect("the same watch"));
    let begin = Instant::now();
    while b.probers().iter().any(|prober| prober.as_buddy) {
        assert!(begin.elapsed() < Duration::from_secs(20), "the purpose never changed");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A server that was dead before any probe gets no frame and is not stamped, and must still be found.
#[test]
fn nobody_at_the_address_is_a_miss_called_unresolved() {
    let runtime = runtime();
    let (ends, [mut a, _b]) = both(&runtime, DatapathChoice::XdpNative);
    let nobody = Ipv4Addr::new(10, 77, 0, 99);
    let other = WatchId { slot: 1, ..ID };
    ends[0].run(|| {
        a.watch(&WatchSpec { id: other, ..spec(ADDRESSES[1]) }).expect("watch");
        a.watch(&spec(nobody)).expect("watch");
    });
    let waits = async { while !a.changed().await.contains(&ID) {} };
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), waits).await.expect("somebody is told") });
    // Longer than the kernel tries (3 s), so that incomplete, failed and tried again all occur.
    let dead = until(&a, "misses", |reading| reading.unresolved > 1800);
    assert_eq!((dead.sent, dead.replies, dead.unsent, dead.misses), (0, 0, 0, dead.unresolved));
    assert_eq!(u64::from(dead.consecutive), dead.unresolved);
    // Probes that wait for one neighbour do not disturb the others.
    let alive = a.readings().read(other).expect("the watch runs");
    assert!(alive.replies > 1000 && alive.unsent == 0, "{alive:?}");

    ends[1].ip(&["address", "add", &format!("{nobody}/24"), "dev", INTERFACE]);
    let host = until(&a, "a plain echo", |reading| reading.last_plain.is_some() && reading.consecutive == 0);
    assert!(host.unresolved >= dead.unresolved && host.sent > 0);
}

/// What the other end has is reached through it. Without the route the kernel looks for it on the link, in vain.
#[test]
fn a_lost_route_is_no_miss_and_is_named() {
    let runtime = runtime();
    let (ends, [mut a, _b]) = both(&runtime, DatapathChoice::XdpNative);
    let beyond = Ipv4Addr::new(10, 88, 0, 5);
    let gateway = ADDRESSES[1].to_string();
    ends[1].run(|| std::fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1").expect("answer for this link alone"));
    ends[1].ip(&["address", "add", &format!("{beyond}/32"), "dev", "lo"]);
    ends[0].ip(&["route", "add", "10.88.0.0/24", "via", &gateway]);
    ends[0].run(|| a.watch(&spec(beyond)).expect("watch"));
    let before = until(&a, "plain echoes", |reading| reading.last_plain.is_some() && reading.sent > 20);
    assert_eq!(before.held_up, None);
    ends[0].ip(&["route", "del", "10.88.0.0/24", "via", &gateway]);
    let lost = until(&a, "no route", |reading| reading.held_up == Some(Blindness::NoRoute) && reading.unsent > 20);
    let later = until(&a, "no route still", |reading| reading.unsent > lost.unsent + 50);
    assert_eq!((later.misses, later.unresolved), (lost.misses, lost.unresolved));
    ends[0].ip(&["route", "add", "10.88.0.0/24", "via", &gateway]);
    until(&a, "plain echoes again", |reading| reading.held_up.is_none() && reading.sent > later.sent + 20);
}

#[test]
fn what_a_link_that_is_down_loses_is_no_miss() {
    let runtime = runtime();
    let (ends, [mut a, _b]) = both(&runtime, DatapathChoice::XdpNative);
    ends[0].run(|| a.watch(&spec(ADDRESSES[1])).expect("watch"));
    until(&a, "replies", |reading| reading.replies > 10);
    let before = clock::now();
    ends[1].ip(&["link", "set", INTERFACE, "down"]);
    let down = until(&a, "unsent probes", |reading| reading.unsent > 50);
    let (up, faults) = a.faults();
    assert!(!up && faults.iter().any(|(fault, from, until)| *fault == LocalFault::LinkDown && from <= until));
    assert_eq!(until(&a, "more of them", |reading| reading.unsent > 100).misses, down.misses);
    assert_eq!(down.unresolved, 0);

    ends[1].ip(&["link", "set", INTERFACE, "up"]);
    until(&a, "replies again", |reading| reading.replies > down.replies + 10 && reading.consecutive == 0);
    let (up, faults) = a.faults();
    let whole = faults.iter().find(|(fault, ..)| *fault == LocalFault::LinkDown).expect("the whole span");
    assert!(up && whole.2.since(whole.1) > Duration::from_millis(100) && whole.2 > before, "{whole:?}");
}

#[test]
fn keys_are_rotated_without_losing_a_probe() {
    let runtime = runtime();
    let (ends, [mut a, mut b]) = both(&runtime, DatapathChoice::XdpNative);
    ends[0].run(|| a.watch(&spec(ADDRESSES[1])).expect("watch"));
    until(&a, "replies", |reading| reading.replies > 10);
    let new = PoolKey { id: 4, secret: *b"the key after it" };
    b.keys(&[new, KEY]);
    a.keys(&[new, KEY]);
    let during = until(&a, "replies", |reading| reading.replies > 100);
    b.keys(&[new]);
    a.keys(&[new]);
    let after = until(&a, "replies", |reading| reading.replies > during.replies + 100);
    assert_eq!((after.last_plain, count(&b, "unknown_key"), count(&b, "wrong_tag")), (None, 0, 0));
    // The old key is not accepted any more: now the kernel answers.
    a.keys(&[KEY]);
    until(&a, "plain echoes", |reading| reading.last_plain > reading.last_reply);
    assert!(count(&b, "unknown_key") > 0);
}

#[test]
fn probes_carry_their_class() {
    assert_eq!(u32::from(CS6) << 2, 0xc0);
}
