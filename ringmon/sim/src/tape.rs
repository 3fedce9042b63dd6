//! Recordings of simulated agents.

use super::world::World;
use crate::recording::{Encoder, Header, Said};
use ringmon_core::engine::{Engine, Input, Output};
use ringmon_core::{Time, WatchId, WatchReading};

/// What one simulated agent was told and said, as a real agent's flight recorder would keep it: one file for each of
/// its lives.
#[derive(Debug)]
pub struct Tape {
    server: String,
    encoder: Encoder,
    files: Vec<Vec<u8>>,
    number: u64,
    said: Said,
    /// No file is begun yet.
    blank: bool,
}

impl Tape {
    fn new(server: String) -> Self {
        Self { server, encoder: Encoder::default(), files: Vec::new(), number: 0, said: Said::default(), blank: true }
    }

    fn begin(&mut self, now: Time, engine: &Engine, input: Option<&Input>, offset_us: i64) {
        self.number += 1;
        if std::mem::take(&mut self.blank) {
            let header = Header {
                ringmon: env!("CARGO_PKG_VERSION").to_owned(),
                server: self.server.clone(),
                pool: "sim".to_owned(),
                wall_us: i64::try_from(now.as_ns() / 1000).unwrap_or(i64::MAX).saturating_add(offset_us),
                mono: now,
                first: self.number,
            };
            self.blank = self.encoder.file(&header, engine).is_err();
        }
        // A call that does not fit into a frame is missed later, when it is looked for.
        let _ = self.encoder.begin(now, input);
        self.said = Said::default();
    }

    /// All files so far, in their order.
    #[must_use]
    pub fn files(&mut self) -> Vec<Vec<u8>> {
        self.cut();
        self.files.clone()
    }

    /// The next call begins a new file.
    pub fn cut(&mut self) {
        if !self.encoder.is_empty() {
            self.files.push(self.encoder.take());
        }
        self.blank = true;
    }
}

impl World {
    /// Records everything that this server's agent is told from now on. This does not work in a lazy world, where
    /// agents are told less than they would be.
    pub fn record(&mut self, host: usize) {
        debug_assert!(!self.settings.lazy);
        self.tapes.insert(host, Tape::new(self.hosts[host].name.clone()));
    }

    /// What follows from all these readings.
    pub(super) fn decide(&mut self, host: usize, readings: impl IntoIterator<Item = (WatchId, WatchReading)>) {
        for (watch, reading) in readings {
            self.call(host, Some(Input::Watch(watch, reading)));
            self.carry_out_all(host);
        }
        self.call(host, None);
        self.drain(host);
    }

    /// Does what the engine said.
    pub(super) fn carry_out_all(&mut self, host: usize) {
        let engine = self.hosts[host].engine.as_mut();
        let outputs: Vec<Output> =
            engine.map_or_else(Vec::new, |engine| std::iter::from_fn(|| engine.poll_output()).collect());
        self.tape(host, &outputs);
        for output in outputs {
            self.carry_out(host, output);
        }
    }

    /// Calls the engine of this server.
    pub(super) fn call(&mut self, host: usize, input: Option<Input>) {
        let now = self.hosts[host].clock(self.now);
        // All wall clocks show the same time; monotonic clocks begin at boot.
        let apart = self.hosts[host].offset.as_micros();
        let offset_us = Self::EPOCH.as_us().saturating_sub(i64::try_from(apart).unwrap_or(0));
        let Some(engine) = &mut self.hosts[host].engine else { return };
        if let Some(tape) = self.tapes.get_mut(&host) {
            tape.begin(now, engine, input.as_ref(), offset_us);
        }
        match input {
            Some(input) => engine.handle(now, input),
            None => engine.handle_timeout(now),
        }
    }

    /// Adds what the engine said in that call.
    pub(super) fn tape<'a>(&mut self, host: usize, outputs: impl IntoIterator<Item = &'a Output>) {
        if let Some(tape) = self.tapes.get_mut(&host) {
            outputs.into_iter().for_each(|output| tape.said.add(output));
            let said = std::mem::take(&mut tape.said);
            let _ = tape.encoder.end(said.some().as_ref());
        }
    }

    /// Begins a new file for a new agent.
    pub(super) fn cut_tape(&mut self, host: usize) {
        if let Some(tape) = self.tapes.get_mut(&host) {
            tape.cut();
            tape.number = 0;
        }
    }
}
