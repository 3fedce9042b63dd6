//! Runs the core on a recording, and compares what it says with what it said then.

mod decision;
#[cfg(test)]
mod tests;

use super::recording::{Call, Header, Said};
use ringmon_core::Time;
use ringmon_core::engine::{Engine, Output};

pub use decision::{Decision, Decisions, What};

/// Runs recorded calls on an engine.
#[derive(Debug)]
pub struct Replay {
    header: Header,
    engine: Engine,
    /// The number of the next call.
    next: u64,
}

/// A call that was made again.
#[derive(Debug)]
pub struct Played {
    /// The number of the call, counted from 1 since the agent began.
    pub number: u64,
    /// The call as it was recorded.
    pub call: Call,
    /// What the engine says now.
    pub outputs: Vec<Output>,
    /// What the engine says now, in short.
    pub said: Option<Said>,
}

impl Played {
    /// Whether the engine said the same when the call was recorded.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.said == self.call.said
    }
}

/// How a file relates to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// It continues where that one ended, in the same state that the replay has reached.
    Seamless,
    /// It continues there, but in another state: the replay of the file before went astray.
    Astray,
    /// This many calls between the two were not recorded.
    Gap(u64),
    /// It is from another run of an agent, from another server, or from an earlier time.
    Afresh,
}

impl Replay {
    /// Begins with a file's checkpoint.
    #[must_use]
    pub const fn new(header: Header, engine: Engine) -> Self {
        let next = header.first;
        Self { header, engine, next }
    }

    /// Goes on with the next file.
    pub fn go_on(&mut self, header: Header, engine: Engine) -> Joint {
        let of_one_run = (&header.server, &header.pool) == (&self.header.server, &self.header.pool)
            && header.first >= self.next
            && header.first > 1
            && header.mono >= self.header.mono;
        let joint = match header.first.checked_sub(self.next).filter(|_| of_one_run) {
            None => Joint::Afresh,
            Some(0) if state(&engine) == state(&self.engine) => Joint::Seamless,
            Some(0) => Joint::Astray,
            Some(missing) => Joint::Gap(missing),
        };
        *self = Self::new(header, engine);
        joint
    }

    /// Makes a call again.
    pub fn play(&mut self, call: Call) -> Played {
        match call.input.clone() {
            Some(input) => self.engine.handle(call.at, input),
            None => self.engine.handle_timeout(call.at),
        }
        let outputs: Vec<Output> = std::iter::from_fn(|| self.engine.poll_output()).collect();
        let number = self.next;
        self.next += 1;
        Played { number, call, said: Said::of(&outputs), outputs }
    }

    /// Which agent recorded the calls that are played.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The engine as it is after the last call.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the engine shows of itself at this moment.
    #[must_use]
    pub fn snapshot(&self, at: Time) -> ringmon_core::Snapshot {
        self.engine.snapshot(at)
    }
}

/// An engine's whole state, to be compared. (A state that cannot be written would equal no other; there is none.)
fn state(engine: &Engine) -> Option<Vec<u8>> {
    rmp_serde::to_vec(engine).ok()
}
