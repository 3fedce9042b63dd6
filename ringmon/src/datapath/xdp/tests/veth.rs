//! Two real datapaths on the ends of a veth pair.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::super::{CS6, Choice, Options, XdpDatapath, open};
use super::netns::{ADDRESSES, INTERFACE, Namespace, pair};
use crate::core::evidence::{DatapathMode, Purpose, WatchId, WatchReading, WatchSpec};
use crate::core::row::PoolKey;
use crate::core::{Incarnation, ServerId};
use crate::datapath::{Datapath, Error};

const KEY: PoolKey = PoolKey { id: 3, secret: *b"a key of the lab" };

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

fn options(end: usize, choice: Choice) -> Options {
    Options {
        interface: INTERFACE.to_owned(),
        address: ADDRESSES[end].into(),
        choice,
        keys: vec![KEY],
        incarnation: Incarnation(1000 + end as i64),
        bpf_log: None,
        seed: 12345 * end as u64,
        dscp: CS6,
        realtime: true,
    }
}

fn opened(runtime: &Runtime, namespace: &Namespace, options: Options) -> Result<XdpDatapath, Error> {
    namespace.run(|| {
        let _guard = runtime.enter();
        open(options)
    })
}

fn spec(slot: u16, to: usize, interval: Duration) -> WatchSpec {
    WatchSpec {
        id: WatchId { slot, generation: 1 },
        server: ServerId(1),
        name: "other".to_owned(),
        address: ADDRESSES[to].into(),
        purpose: Purpose::Buddy,
        interval,
        deadline: Duration::from_millis(5),
    }
}

/// Waits until the reading is as wanted; says it either way.
fn until(datapath: &XdpDatapath, id: WatchId, what: &str, wanted: impl Fn(&WatchReading) -> bool) -> WatchReading {
    let begin = Instant::now();
    loop {
        let reading = datapath.readings().read(id).expect("the watch runs");
        if wanted(&reading) {
            return reading;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} did not come: {reading:?}, {:?}", datapath.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn replies_come_and_the_kernel_sees_nothing(choice: Choice, mode: DatapathMode) {
    let (runtime, ends) = (runtime(), pair());
    let [mut a, mut b] =
        [0, 1].map(|end| opened(&runtime, &ends[end], options(end, choice)).expect("open the datapath"));
    assert_eq!((a.mode(), b.mode()), (mode, mode));
    let before = ends.each_ref().map(|end| end.icmp("InMsgs"));
    let ms = Duration::from_millis(2);
    ends[0].run(|| a.watch(&spec(0, 1, ms)).expect("watch"));
    ends[1].run(|| b.watch(&spec(0, 0, ms)).expect("watch"));
    let id = WatchId { slot: 0, generation: 1 };
    let seen = [until(&a, id, "replies", |r| r.replies > 1000), until(&b, id, "replies", |r| r.replies > 1000)];
    assert_eq!(seen.each_ref().map(|reading| reading.incarnation.0), [1001, 1000]);
    assert_eq!(before, ends.each_ref().map(|end| end.icmp("InMsgs")));
}

#[test]
fn replies_come_in_native_mode() {
    replies_come_and_the_kernel_sees_nothing(Choice::Native, DatapathMode::XdpNative);
}

#[test]
fn replies_come_in_generic_mode() {
    replies_come_and_the_kernel_sees_nothing(Choice::Generic, DatapathMode::XdpGeneric);
}
