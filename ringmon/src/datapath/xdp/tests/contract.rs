//! The contract of every datapath, in all modes of this one.

use std::time::Duration;

use tokio::runtime::Runtime;

use super::super::XdpDatapath;
use super::netns::{ADDRESSES, Namespace, pair};
use super::veth::{as_life, opened, options, runtime};
use crate::datapath::Datapath;
use crate::datapath::contract::{self, Answers, World};
use crate::show::DatapathChoice;
use ringmon_core::Incarnation;
use ringmon_core::evidence::WatchId;
use ringmon_core::row::{Address, Health};

struct Veth {
    choice: DatapathChoice,
    datapath: XdpDatapath,
    other: Option<XdpDatapath>,
    runtime: Runtime,
    ends: [Namespace; 2],
}

fn world(choice: DatapathChoice) -> Veth {
    let (runtime, ends) = (runtime(), pair());
    let datapath = opened(&runtime, &ends[0], options(0, choice)).expect("open the datapath");
    let mut world = Veth { choice, datapath, other: None, runtime, ends };
    world.set(Answers::Agent);
    world
}

impl World for Veth {
    fn with<T: Send>(&mut self, run: impl FnOnce(&mut dyn Datapath) -> T + Send) -> T {
        let datapath = &mut self.datapath;
        self.ends[0].run(|| run(datapath))
    }

    fn set(&mut self, answers: Answers) {
        self.other = None;
        let ignore = if answers == Answers::Host { "0" } else { "1" };
        self.ends[1].run(|| std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", ignore).expect("a sysctl"));
        if answers == Answers::Agent {
            let mut other = opened(&self.runtime, &self.ends[1], options(1, self.choice)).expect("open the other end");
            other.pulse(super::super::clock::now());
            other.identity(as_life(self.incarnation().0, Health::Passing));
            self.other = Some(other);
        }
    }

    fn other(&self) -> Address {
        ADDRESSES[1].into()
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation(4711)
    }

    fn turn(&mut self) {
        std::thread::sleep(Duration::from_millis(1));
    }

    fn changed(&mut self) -> Vec<WatchId> {
        let waits = async { tokio::time::timeout(Duration::from_secs(1), self.datapath.changed()).await };
        self.runtime.block_on(waits).unwrap_or_default()
    }
}

macro_rules! in_all_modes {
    ($($law:ident,)+) => {
        mod native {
            use super::*;
            $(#[test] fn $law() { contract::$law(world(DatapathChoice::XdpNative)); })+
        }
        mod generic {
            use super::*;
            $(#[test] fn $law() { contract::$law(world(DatapathChoice::XdpGeneric)); })+
        }
        mod tc {
            use super::*;
            $(#[test] fn $law() { contract::$law(world(DatapathChoice::Tc)); })+
        }
    };
}

in_all_modes! {
    a_watch_is_read_while_it_runs,
    the_next_watch_of_a_slot_starts_from_nothing,
    a_changed_interval_keeps_what_was_counted,
    impossible_watches_are_refused,
    agent_host_and_nobody_are_told_apart,
}
