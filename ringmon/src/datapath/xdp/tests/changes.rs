//! Interfaces that are renamed, made anew, or lose their address, under a datapath that runs.

use std::time::{Duration, Instant};

use ringmon_common::wire::VERSION;
use tokio::runtime::Runtime;

use super::super::XdpDatapath;
use super::netns::{ADDRESSES, INTERFACE, Namespace, join, pair};
use super::veth::{ID, opened, options, runtime, spec, until};
use crate::datapath::Datapath;
use crate::show::DatapathChoice;
use ringmon_core::evidence::{WatchId, WatchSpec};
use ringmon_core::host::HostChange;

/// Both ends, watching each other.
fn watching(runtime: &Runtime, choice: DatapathChoice) -> ([Namespace; 2], [XdpDatapath; 2]) {
    let ends = pair();
    let mut both = [0, 1].map(|end| opened(runtime, &ends[end], options(end, choice)).expect("open the datapath"));
    for (end, datapath) in both.iter_mut().enumerate() {
        ends[end].run(|| datapath.watch(&spec(ADDRESSES[1 - end])).expect("watch"));
    }
    both.iter().for_each(|datapath| answered(datapath, "the first replies"));
    (ends, both)
}

/// Waits for twenty more replies.
fn answered(datapath: &XdpDatapath, what: &str) {
    let before = datapath.readings().read(ID).expect("the watch runs").replies;
    until(datapath, what, |reading| reading.replies > before + 20 && reading.consecutive == 0);
}

/// Lets the loop turn, as an agent does, until the datapath tells of this change.
fn told(runtime: &Runtime, end: &Namespace, datapath: &mut XdpDatapath, wanted: HostChange) -> String {
    let (begin, mut all) = (Instant::now(), Vec::new());
    loop {
        let told = end.run(|| {
            runtime.block_on(async {
                let _ = tokio::time::timeout(Duration::from_millis(50), datapath.changed()).await;
            });
            datapath.host_changes()
        });
        all.extend(told);
        if let Some((_, interface)) = all.iter().find(|(change, _)| *change == wanted) {
            return interface.clone();
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{wanted:?} was not told: {all:?}");
    }
}

#[test]
fn a_renamed_interface_is_the_same_one() {
    let runtime = runtime();
    let (ends, [mut a, b]) = watching(&runtime, DatapathChoice::XdpGeneric);
    for words in [["down", ""], ["name", "lan0"]] {
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        ends[0].ip(&[&["link", "set", INTERFACE], words.as_slice()].concat());
    }
    ends[0].ip(&["link", "set", "lan0", "up"]);
    assert_eq!(told(&runtime, &ends[0], &mut a, HostChange::Renamed), "lan0");
    [&a, &b].into_iter().for_each(|datapath| answered(datapath, "replies under the new name"));
    // A watch that begins now needs the new name.
    let id = WatchId { slot: 9, generation: 1 };
    ends[0].run(|| a.watch(&WatchSpec { id, wire: VERSION, ..spec(ADDRESSES[1]) })).expect("another watch");
    assert!(a.faults().0, "the link is up");
}

#[test]
fn an_address_that_is_gone_is_not_answered_for() {
    let runtime = runtime();
    let (ends, [mut a, b]) = watching(&runtime, DatapathChoice::XdpGeneric);
    let address = format!("{}/24", ADDRESSES[0]);
    // Otherwise the far end soon asks for the hardware address again, and the kernel does not answer that.
    ends[1].ip(&["neigh", "change", &ADDRESSES[0].to_string(), "nud", "permanent", "dev", INTERFACE]);
    ends[0].ip(&["address", "del", &address, "dev", INTERFACE]);
    told(&runtime, &ends[0], &mut a, HostChange::AddressGone);
    until(&b, "silence", |reading| reading.consecutive > 10);
    ends[0].ip(&["address", "add", &address, "dev", INTERFACE]);
    told(&runtime, &ends[0], &mut a, HostChange::AddressBack);
    [&a, &b].into_iter().for_each(|datapath| answered(datapath, "replies for the address that is back"));
}

fn an_interface_that_is_made_anew_is_taken_again(choice: DatapathChoice) {
    let runtime = runtime();
    let (ends, mut both) = watching(&runtime, choice);
    for _ in 0..2 {
        let before = both.each_ref().map(|datapath| datapath.readings().read(ID).expect("the watch runs"));
        ends[0].ip(&["link", "del", INTERFACE]);
        for (end, datapath) in ends.iter().zip(&mut both) {
            assert_eq!(told(&runtime, end, datapath, HostChange::InterfaceGone), INTERFACE);
            let begin = Instant::now();
            while datapath.faults().0 {
                assert!(begin.elapsed() < Duration::from_secs(20), "the sender does not see that the link is down");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        join(&ends);
        for (end, datapath) in ends.iter().zip(&mut both) {
            assert_eq!(told(&runtime, end, datapath, HostChange::InterfaceBack), INTERFACE);
        }
        for (datapath, before) in both.iter().zip(before) {
            answered(datapath, "replies through the new interface");
            let after = datapath.readings().read(ID).expect("the watch runs");
            assert_eq!((after.began, after.replies > before.replies), (before.began, true), "it is the same watch");
        }
    }
}

#[test]
fn an_interface_that_is_made_anew_is_taken_again_by_xdp() {
    an_interface_that_is_made_anew_is_taken_again(DatapathChoice::XdpGeneric);
}

#[test]
fn an_interface_that_is_made_anew_is_taken_again_by_traffic_control() {
    an_interface_that_is_made_anew_is_taken_again(DatapathChoice::Tc);
}
