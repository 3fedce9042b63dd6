//! The engine, with the flight recorder around it if there is one.

use crate::record::Recorder;
use crate::show::Count;
use ringmon_core::Time;
use ringmon_core::engine::{Engine, Input, Output, Snapshot};

/// An engine whose every call is recorded. As with the engine itself, drain its outputs after each call.
#[derive(Debug)]
pub struct Recorded {
    engine: Engine,
    recorder: Option<Recorder>,
    now: Time,
}

impl Recorded {
    /// An engine that was not called yet.
    #[must_use]
    pub const fn new(engine: Engine, recorder: Option<Recorder>) -> Self {
        Self { engine, recorder, now: Time::ZERO }
    }

    /// As [`Engine::handle`].
    pub fn handle(&mut self, now: Time, input: Input) {
        self.record(now, Some(&input));
        self.engine.handle(now, input);
    }

    /// As [`Engine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        self.record(now, None);
        self.engine.handle_timeout(now);
    }

    /// As [`Engine::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.engine.poll_output();
        if let Some(recorder) = &mut self.recorder {
            match &output {
                Some(output) => recorder.said(output),
                None => recorder.end(self.now),
            }
        }
        output
    }

    /// As [`Engine::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.engine.poll_timeout()
    }

    /// As [`Engine::snapshot`].
    #[must_use]
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.engine.snapshot(now)
    }

    /// What became of the recorded calls; empty without a recorder.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        self.recorder.as_ref().map(Recorder::counts).unwrap_or_default()
    }

    fn record(&mut self, now: Time, input: Option<&Input>) {
        self.now = now;
        if let Some(recorder) = &mut self.recorder {
            recorder.begin(now, &self.engine, input);
        }
    }
}
