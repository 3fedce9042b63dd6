//! The loop's side: encodes calls and hands them over, and waits for nothing.

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

/// Records the calls of one engine: [`Self::begin`] before each, [`Self::said`] for each output, [`Self::end`] when there is none any more.
#[derive(Debug)]
pub struct Recorder {
    server: String,
    pool: String,
    share: u64,
    encoder: Encoder,
    said: Said,
    /// Calls so far, those that got lost included.
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
    /// A file of so many bytes goes on.
    Writing(u64),
    /// What was recorded broke off, or never began: a new file from this moment on.
    Broken(Time),
}

impl Recorder {
    /// Batches the queue holds: at one every 250 ms, the disk may stand still for 16 s.
    pub(super) const QUEUE: usize = 64;
    /// What is recorded reaches the file within this time...
    const WITHIN: Duration = Duration::from_millis(250);
    /// ... and in batches of about this size.
    const BATCH: usize = 32 << 10;
    /// A full queue gets this long to become empty, and a broken disk to be mended.
    pub(super) const PAUSE: Duration = Duration::from_secs(1);
    pub(super) const REPAIR: Duration = Duration::from_secs(10);
    /// The last batch has this long to be written when the agent ends.
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
            // Nobody waits any more if the agent was in a hurry.
            let _ = ended.try_send(());
        };
        thread::Builder::new()
            .name("ringmon-record".to_owned())
            .spawn(body)
            .map_err(|source| Error::Thread { source })?;
        Ok(Self::joined(options, queue, over, shared))
    }

    /// With somebody who takes what is recorded.
    pub(super) fn joined(options: &Options, queue: SyncSender<Batch>, over: Receiver<()>, shared: Arc<Shared>) -> Self {
        let share = options.limit / 4;
        Self {
            server: options.server.clone(),
            pool: options.pool.clone(),
            // A file ends before the record that would make it too long: a sixteenth is more than any of them but a checkpoint.
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

    /// The engine is about to be called; `None`: `handle_timeout`.
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

    /// It said this.
    pub fn said(&mut self, output: &Output) {
        if self.writes() {
            self.said.add(output);
        }
    }

    /// It has nothing more to say.
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

    /// What became of the calls, for the metrics.
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

    /// Begins a file with the call that comes.
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
        // Full, or the writer is gone: either way nobody waits for it.
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
