use std::time::Duration;

use super::{Fake, Handle};
use crate::datapath::Datapath;
use crate::datapath::contract::{self, Answers, World};
use ringmon_core::evidence::{LocalFault, WatchId};
use ringmon_core::row::{Address, Health};
use ringmon_core::{Incarnation, Time};

struct InMemory {
    fake: Fake,
    handle: Handle,
    answers: Answers,
    now: Time,
}

fn world() -> InMemory {
    let (fake, handle) = Fake::new();
    InMemory { fake, handle, answers: Answers::Agent, now: Time::ZERO }
}

impl World for InMemory {
    fn with<T: Send>(&mut self, run: impl FnOnce(&mut dyn Datapath) -> T + Send) -> T {
        run(&mut self.fake)
    }

    fn set(&mut self, answers: Answers) {
        self.answers = answers;
    }

    fn other(&self) -> Address {
        [10, 0, 0, 2].into()
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation(7)
    }

    /// Sends one probe of each watch.
    fn turn(&mut self) {
        self.now = self.now + Duration::from_millis(5);
        for spec in self.handle.watches() {
            match self.answers {
                Answers::Agent => self.handle.reply(spec.id, self.now, self.incarnation(), Health::Passing, true),
                Answers::Host => self.handle.plain(spec.id, self.now),
                Answers::Nobody => self.handle.miss(spec.id),
            };
        }
    }

    fn changed(&mut self) -> Vec<WatchId> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let waits = async { tokio::time::timeout(Duration::from_secs(1), self.fake.changed()).await };
        runtime.block_on(waits).unwrap_or_default()
    }
}

#[test]
fn a_watch_is_read_while_it_runs() {
    contract::a_watch_is_read_while_it_runs(world());
}

#[test]
fn the_next_watch_of_a_slot_starts_from_nothing() {
    contract::the_next_watch_of_a_slot_starts_from_nothing(world());
}

#[test]
fn a_changed_interval_keeps_what_was_counted() {
    contract::a_changed_interval_keeps_what_was_counted(world());
}

#[test]
fn impossible_watches_are_refused() {
    contract::impossible_watches_are_refused(world());
}

#[test]
fn agent_host_and_nobody_are_told_apart() {
    contract::agent_host_and_nobody_are_told_apart(world());
}

#[test]
fn link_and_faults_are_reported_once() {
    let (mut fake, handle) = Fake::new();
    let (from, until) = (Time::from_ns(1), Time::from_ns(2));
    handle.fault(LocalFault::SenderLate, from, until);
    handle.link(false);
    assert_eq!(fake.faults(), (false, vec![(LocalFault::SenderLate, from, until)]));
    handle.link(true);
    assert_eq!(fake.faults(), (true, Vec::new()));
}
