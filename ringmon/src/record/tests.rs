//! Files grow, stay within the limit and can be read; disks fail; queues are full.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use super::writer::Shared;
use super::{Error, Options, Recorder};
use ringmon_core::card::{Card, Clients};
use ringmon_core::engine::{Engine, Identity, Input};
use ringmon_core::row::Mode;
use ringmon_core::{BootToken, Profile, Time, WatchId, WatchReading};
use ringmon_sim::recording::{Header, Reader, Record};

fn options(dir: &Path) -> Options {
    Options { dir: dir.to_owned(), limit: 1 << 20, server: "n1".to_owned(), pool: "p".to_owned() }
}

/// An agent that hears of one watch again and again.
struct Agent {
    engine: Engine,
    recorder: Recorder,
    now: Time,
    sent: u64,
}

impl Agent {
    fn new(recorder: Recorder) -> Self {
        let engine = Engine::new(Identity {
            card: Card {
                name: "n1".to_owned(),
                address: "192.0.2.1".parse().unwrap(),
                notice_port: 7464,
                clients: Clients { address: None, port: None, weight: 1 },
                boot: BootToken("boot".to_owned()),
            },
            mode: Mode::Act,
            tuning: Profile::Default.tuning(),
            seed: 1,
            start_drained: false,
        });
        Self { engine, recorder, now: Time::from_ns(1_000_000_000), sent: 0 }
    }

    fn turn(&mut self) {
        self.now = self.now + Duration::from_millis(10);
        self.sent += 1;
        let reading = WatchReading { sent: self.sent, last_reply: Some(self.now), ..WatchReading::default() };
        let input = Input::Watch(WatchId { slot: 0, generation: 1 }, reading);
        self.recorder.begin(self.now, &self.engine, Some(&input));
        self.engine.handle(self.now, input);
        while let Some(output) = self.engine.poll_output() {
            self.recorder.said(&output);
        }
        self.recorder.end(self.now);
    }

    fn count(&self, label: &str) -> u64 {
        self.recorder.counts().iter().find(|count| count.label == label).map(|count| count.value).unwrap()
    }

    /// Waits for the writer.
    fn until(&self, so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !so(self) {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", self.recorder.counts());
            std::thread::yield_now();
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Header and number of calls of an intact recording.
fn read(bytes: &[u8]) -> (Header, u64) {
    let mut reader = Reader::open(bytes).unwrap();
    assert!(matches!(reader.next(), Some(Ok(Record::Checkpoint(_)))));
    let header = reader.header().clone();
    let calls: Vec<Record> = reader.map(Result::unwrap).collect();
    (header, calls.len() as u64)
}

#[test]
fn files_are_bounded_and_go_on_where_the_last_one_ended() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("deep/er");
    let foreign = ["n1-old.rec", "n1-b-20200101T000000.000Z.rec", "n10-20200101T000000.000Z.rec"];
    std::fs::create_dir_all(&place).unwrap();
    foreign.iter().for_each(|name| std::fs::write(place.join(name), "theirs").unwrap());
    let mut agent = Agent::new(Recorder::open(&options(&place)).unwrap());
    for turn in 1..=50_000_u64 {
        agent.turn();
        if turn.is_multiple_of(1000) {
            agent.until(|agent| agent.count("written") + 100 >= turn);
            let whole: u64 = files(&place).iter().map(|path| path.metadata().unwrap().len()).sum();
            assert!(whole <= 1 << 20, "{whole} bytes after {turn} turns");
        }
    }
    drop(agent);
    let ours: Vec<PathBuf> =
        files(&place).into_iter().filter(|path| !foreign.iter().any(|name| path.ends_with(name))).collect();
    assert_eq!(files(&place).len(), ours.len() + foreign.len(), "others' files are left alone");
    assert!((3..=5).contains(&ours.len()), "{ours:?}");
    let mut next = None;
    for path in &ours {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let (header, calls) = read(&std::fs::read(path).unwrap());
        assert_eq!((header.server.as_str(), header.pool.as_str()), ("n1", "p"));
        assert_eq!(header.first, next.unwrap_or(header.first), "no call is missing between two files");
        next = Some(header.first + calls);
    }
    assert_eq!(next, Some(50_001), "the last call is there, and the first ones are not: {ours:?}");
}

#[test]
fn a_disk_that_fails_costs_calls_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("recordings");
    let mut agent = Agent::new(Recorder::open(&options(&place)).unwrap());
    std::fs::remove_dir(&place).unwrap();
    (0..100).for_each(|_| agent.turn());
    agent.until(|agent| agent.count("errors") == 1);
    agent.turn();
    std::fs::create_dir(&place).unwrap();
    let until = agent.now + Recorder::REPAIR + Duration::from_millis(10);
    while agent.now < until {
        agent.turn();
    }
    (0..100).for_each(|_| agent.turn());
    let all = agent.sent;
    agent.until(|agent| agent.count("written") + agent.count("lost") + 30 >= all);
    let lost = agent.count("lost");
    drop(agent);
    let [file] = files(&place).try_into().unwrap();
    let (header, calls) = read(&std::fs::read(file).unwrap());
    assert_eq!((header.first, calls), (lost + 1, all - lost));
}

#[test]
fn a_queue_that_is_full_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, batches) = sync_channel(Recorder::QUEUE);
    let (_ended, over) = sync_channel(1);
    let shared = Arc::new(Shared::default());
    let mut agent = Agent::new(Recorder::joined(&options(dir.path()), queue, over, shared));
    // Nobody takes a batch: about 26 calls a batch.
    let mut turns = 0_u64;
    while agent.count("lost") == 0 {
        agent.turn();
        turns += 1;
        assert!(turns < 10_000);
    }
    let taken: Vec<_> = batches.try_iter().collect();
    assert_eq!(taken.len(), Recorder::QUEUE);
    let bytes: Vec<u8> = taken.iter().flat_map(|batch| batch.bytes.clone()).collect();
    let (header, calls) = read(&bytes);
    assert!(header.first == 1 && calls + agent.count("lost") == turns, "{calls} of {turns}");
    let until = agent.now + Recorder::PAUSE + Duration::from_millis(300);
    while agent.now < until {
        agent.turn();
    }
    let again = batches.try_recv().unwrap();
    let (header, _) = read(&again.bytes);
    assert!(again.begins);
    assert_eq!(header.first, calls + agent.count("lost") + 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Recorder::open(&options(&file.join("below"))).unwrap_err();
    assert!(matches!(error, Error::Make { .. }), "{error}");
    assert!(Recorder::open(&options(&file)).is_err());
}
