//! The loop's side: encodes calls and hands them over. It never waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::folder::Folder;
use super::writer::{Batch, Shared, Writer};
use super::{Error, Options};
use crate::show::Count;
use ringmon_core::Time;
use ringmon_core::engine::{Engine, Input, Output};
use ringmon_sim::recording::{Encoder, Header, Said};

/// Records the calls of one engine: [`Self::begin`] before each call, [`Self::said`] for each output, [`Self::end`]
/// after the last output.
#[derive(Debug)]
pub struct Recorder {
    server: String,
    pool: String,
    share: u64,
    encoder: Encoder,
    said: Said,
    /// Calls so far, lost ones included.
    number: u64,
    state: State,
    /// Calls in the encoder, since when, and whether they begin a file.
    calls: u64,
    since: Time,
    begins: bool,
    /// `None` only while it is dropped.
    queue: Option<SyncSender<Batch>>,
    over: Receiver<()>,
    shared: Arc<Shared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The file has this many bytes so far, and goes on.
    Writing(u64),
    /// The recording broke off, or never began: begin a new file from this moment on.
    Broken(Time),
}

impl Recorder {
    /// Batches in the queue: with one every 250 ms, the disk may hang for 16 s.
    pub(super) const QUEUE: usize = 64;
    /// A call reaches the file within this time...
    const WITHIN: Duration = Duration::from_millis(250);
    /// ... and in batches of about this size, in bytes.
    const BATCH: usize = 32 << 10;
    /// A full queue gets this long to empty, and a broken disk this long to recover.
    pub(super) const PAUSE: Duration = Duration::from_secs(1);
    pub(super) const REPAIR: Duration = Duration::from_secs(10);
    /// At the agent's end, the last batch has this long to be written.
    const END: Duration = Duration::from_secs(1);

    /// Opens the folder and starts the writer.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(options: &Options) -> Result<Self, Error> {
        let folder = Folder::open(&options.dir, &options.server, options.limit)?;
        let (queue, batches) = sync_channel(Self::QUEUE);
        let (ended, over) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(folder, Arc::clone(&shared));
        let body = move || {
            writer.run(&batches);
            // Nobody waits any more if the agent ended in a hurry.
            let _ = ended.try_send(());
        };
        thread::Builder::new()
            .name("ringmon-record".to_owned())
            .spawn(body)
            .map_err(|source| Error::Thread { source })?;
        Ok(Self::joined(options, queue, over, shared))
    }

    /// With a given receiver of the batches.
    pub(super) fn joined(options: &Options, queue: SyncSender<Batch>, over: Receiver<()>, shared: Arc<Shared>) -> Self {
        let share = options.limit / 4;
        Self {
            server: options.server.clone(),
            pool: options.pool.clone(),
            // A file ends before the record that would make it too long. Every record but a checkpoint is smaller than
            // a sixteenth.
            share: share - share / 16,
            encoder: Encoder::default(),
            said: Said::default(),
            number: 0,
            state: State::Broken(Time::ZERO),
            calls: 0,
            since: Time::ZERO,
            begins: false,
            queue: Some(queue),
            over,
            shared,
        }
    }

    /// Call it before the engine; `input` is `None` for `handle_timeout`.
    pub fn begin(&mut self, now: Time, engine: &Engine, input: Option<&Input>) {
        self.number += 1;
        self.said = Said::default();
        if self.shared.broken.swap(false, Ordering::Acquire) {
            self.break_off(now + Self::REPAIR);
        }
        match self.state {
            State::Writing(bytes) if bytes.saturating_add(self.pending()) >= self.share => {
                self.hand_over(now);
                if self.writes() {
                    self.file(now, engine);
                }
            }
            State::Broken(until) if until <= now => self.file(now, engine),
            State::Writing(_) | State::Broken(_) => {}
        }
        if self.writes() && self.encoder.begin(now, input).is_err() {
            self.break_off(now);
        }
    }

    /// The engine said this.
    pub fn said(&mut self, output: &Output) {
        if self.writes() {
            self.said.add(output);
        }
    }

    /// The engine has nothing more to say.
    pub fn end(&mut self, now: Time) {
        if !self.writes() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let said = std::mem::take(&mut self.said).some();
        let told = said.as_ref().is_some_and(|said| said.kinds.contains(['e', 'x']));
        if self.encoder.end(said.as_ref()).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            self.break_off(now);
            return;
        }
        if self.calls == 0 {
            self.since = now;
        }
        self.calls += 1;
        if told || self.encoder.len() >= Self::BATCH || now.since(self.since) >= Self::WITHIN {
            self.hand_over(now);
        }
    }

    /// For the metrics: calls written, calls lost, failures.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        let Shared { written, lost, errors, .. } = self.shared.as_ref();
        let count = |label, value: &std::sync::atomic::AtomicU64| Count {
            name: "recorder",
            label,
            value: value.load(Ordering::Relaxed),
        };
        vec![count("written", written), count("lost", lost), count("errors", errors)]
    }

    const fn writes(&self) -> bool {
        matches!(self.state, State::Writing(_))
    }

    fn pending(&self) -> u64 {
        u64::try_from(self.encoder.len()).unwrap_or(u64::MAX)
    }

    /// Begins a file with the next call.
    fn file(&mut self, now: Time, engine: &Engine) {
        let header = Header {
            ringmon: env!("CARGO_PKG_VERSION").to_owned(),
            server: self.server.clone(),
            pool: self.pool.clone(),
            wall_us: Timestamp::now().as_microsecond(),
            mono: now,
            first: self.number,
        };
        if self.encoder.file(&header, engine).is_ok() {
            (self.state, self.begins) = (State::Writing(0), true);
        } else {
            self.break_off(now + Self::REPAIR);
        }
    }

    fn break_off(&mut self, until: Time) {
        self.shared.lost.fetch_add(std::mem::take(&mut self.calls), Ordering::Relaxed);
        self.encoder = Encoder::default();
        self.begins = false;
        self.state = State::Broken(until);
    }

    fn hand_over(&mut self, now: Time) {
        let State::Writing(bytes) = self.state else { return };
        let pending = self.pending();
        if pending == 0 {
            return;
        }
        let batch = Batch { begins: self.begins, bytes: self.encoder.take(), calls: self.calls };
        // The queue is full, or the writer is gone. Either way, do not wait.
        if self.queue.as_ref().is_some_and(|queue| queue.try_send(batch).is_ok()) {
            (self.calls, self.begins) = (0, false);
            self.state = State::Writing(bytes.saturating_add(pending));
        } else {
            self.break_off(now + Self::PAUSE);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.hand_over(self.since);
        self.queue = None;
        let _ = self.over.recv_timeout(Self::END);
    }
}
