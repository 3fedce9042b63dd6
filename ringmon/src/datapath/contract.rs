//! What every datapath promises, whatever carries its probes. It is one suite; each datapath brings its own world.

use std::time::{Duration, Instant};

use ringmon_common::wire::VERSION;

use super::{Datapath, Error};
use ringmon_core::evidence::{Asked, Purpose, WatchId, WatchReading, WatchSpec};
use ringmon_core::row::Address;
use ringmon_core::{Incarnation, ServerId};

/// What answers the probes of the datapath under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A ringmon agent.
    Agent,
    /// Only the kernel of its host.
    Host,
    Nobody,
}

/// A datapath, and another server to watch with it.
pub trait World {
    /// Lends the datapath to `run`, in a place where it can work.
    fn with<T: Send>(&mut self, run: impl FnOnce(&mut dyn Datapath) -> T + Send) -> T;
    /// From now on the other server answers like this.
    fn set(&mut self, answers: Answers);
    /// The other server's address.
    fn other(&self) -> Address;
    /// The other server's incarnation.
    fn incarnation(&self) -> Incarnation;
    fn turn(&mut self);
    /// Waits for a change, up to a second.
    fn changed(&mut self) -> Vec<WatchId>;
}

fn spec(world: &impl World, id: WatchId, interval_ms: u64) -> WatchSpec {
    WatchSpec {
        id,
        server: ServerId(1),
        name: "other".to_owned(),
        address: world.other(),
        purpose: Purpose::Buddy,
        wire: VERSION,
        asked: Asked::NOTHING,
        interval: Duration::from_millis(interval_ms),
        deadline: Duration::from_millis(20),
    }
}

fn watch(world: &mut impl World, id: WatchId, interval_ms: u64) {
    let spec = spec(world, id, interval_ms);
    world.with(|datapath| datapath.watch(&spec)).expect("a watch begins");
}

fn read(world: &mut impl World, id: WatchId) -> Option<WatchReading> {
    world.with(|datapath| datapath.readings().read(id))
}

fn until(world: &mut impl World, id: WatchId, what: &str, wanted: impl Fn(&WatchReading) -> bool) -> WatchReading {
    let begin = Instant::now();
    loop {
        let reading = read(world, id).expect("the watch runs");
        if wanted(&reading) {
            return reading;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: {reading:?}");
        world.turn();
    }
}

/// Waits until a change of this watch was reported, and the reading is as wanted.
fn told(world: &mut impl World, id: WatchId, what: &str, wanted: impl Fn(&WatchReading) -> bool) {
    let begin = Instant::now();
    loop {
        world.turn();
        if world.changed().contains(&id) && wanted(&read(world, id).expect("the watch runs")) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "nobody was told of {what}: {:?}", read(world, id));
    }
}

const ID: WatchId = WatchId { slot: 5, generation: 3 };
const NEXT: WatchId = WatchId { slot: 5, generation: 4 };

/// A watch can be read from its start to its end, and only under its own generation.
pub fn a_watch_is_read_while_it_runs(mut world: impl World) {
    assert_eq!(read(&mut world, ID), None);
    watch(&mut world, ID, 5);
    assert!(read(&mut world, ID).is_some());
    assert_eq!(read(&mut world, NEXT), None);
    world.with(|datapath| datapath.unwatch(NEXT));
    assert!(read(&mut world, ID).is_some(), "another generation's end is not ours");
    world.with(|datapath| datapath.unwatch(ID));
    assert_eq!(read(&mut world, ID), None);
}

/// A slot forgets the watch that it had before.
pub fn the_next_watch_of_a_slot_starts_from_nothing(mut world: impl World) {
    watch(&mut world, ID, 5);
    until(&mut world, ID, "replies", |reading| reading.replies > 2);
    world.with(|datapath| datapath.unwatch(ID));
    world.set(Answers::Nobody);
    watch(&mut world, NEXT, 1000);
    assert_eq!(read(&mut world, ID), None);
    let reading = read(&mut world, NEXT).expect("the watch runs");
    assert_eq!((reading.replies, reading.last_reply, reading.last_rtt), (0, None, None));
    assert_eq!(reading.incarnation, Incarnation::default());
}

/// A watch with another pace is still the same watch.
pub fn a_changed_interval_keeps_what_was_counted(mut world: impl World) {
    watch(&mut world, ID, 50);
    let before = until(&mut world, ID, "replies", |reading| reading.replies > 2);
    watch(&mut world, ID, 2);
    let after = until(&mut world, ID, "more replies", |reading| reading.replies > before.replies + 10);
    assert_eq!(after.began, before.began);
}

/// Slots have an end, and generation 0 does not exist.
pub fn impossible_watches_are_refused(mut world: impl World) {
    for id in [WatchId { slot: 64, generation: 1 }, WatchId { slot: 0, generation: 0 }] {
        let spec = spec(&world, id, 5);
        let refused = world.with(|datapath| datapath.watch(&spec));
        assert!(matches!(refused, Err(Error::NoWatch { slot, generation }) if WatchId { slot, generation } == id));
        assert_eq!(read(&mut world, id), None);
    }
}

/// Agent, host and nobody look different, and each change between them is reported.
pub fn agent_host_and_nobody_are_told_apart(mut world: impl World) {
    let incarnation = world.incarnation();
    watch(&mut world, ID, 5);
    told(&mut world, ID, "the first reply", |reading| reading.replies > 0);
    let alive = until(&mut world, ID, "replies", |reading| reading.replies > 5);
    assert_eq!((alive.incarnation, alive.last_plain), (incarnation, None));
    assert!(alive.last_pulse.is_some() && alive.sent >= alive.replies);

    world.set(Answers::Host);
    told(&mut world, ID, "a plain echo", |reading| reading.last_plain > reading.last_reply);
    let agentless = until(&mut world, ID, "plain echoes", |reading| reading.last_plain > reading.last_reply);
    assert_eq!(agentless.last_proof(), agentless.last_plain);

    world.set(Answers::Nobody);
    told(&mut world, ID, "a miss", |reading| reading.consecutive > 0);
    let silent = until(&mut world, ID, "misses", |reading| reading.consecutive > 5);
    assert!(silent.misses >= u64::from(silent.consecutive) && silent.replies >= alive.replies);

    world.set(Answers::Agent);
    told(&mut world, ID, "life", |reading| reading.consecutive == 0 && reading.last_reply > silent.last_proof());
    let back = until(&mut world, ID, "replies", |reading| reading.replies > silent.replies + 2);
    assert!(back.misses >= silent.misses, "what was missed stays counted");
}
