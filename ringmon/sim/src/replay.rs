//! Runs the core on a recording, and holds what it says against what was said then.

mod decision;
#[cfg(test)]
mod tests;

use super::recording::{Call, Header, Said};
use ringmon_core::Time;
use ringmon_core::engine::{Engine, Output};

pub use decision::{Decision, Decisions, What};

/// Runs recorded calls.
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
    /// Its number.
    pub number: u64,
    /// As recorded.
    pub call: Call,
    /// What the engine says now.
    pub outputs: Vec<Output>,
    /// The same in short.
    pub said: Option<Said>,
}

impl Played {
    /// Whether it said the same then.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.said == self.call.said
    }
}

/// How a file stands to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// It goes on where that one ended, in the state to which the replay has come too.
    Seamless,
    /// It goes on there, in another state: the replay of the file before it went astray.
    Astray,
    /// So many calls between the two were not recorded.
    Gap(u64),
    /// Another run of an agent began, or another server's file, or an earlier one.
    Afresh,
}

impl Replay {
    /// Begins with a file's checkpoint.
    #[must_use]
    pub const fn new(header: Header, engine: Engine) -> Self {
        let next = header.first;
        Self { header, engine, next }
    }

    /// The next file.
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

    /// Who recorded what is played.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The engine, as it is after the last call.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the engine shows of itself, at a moment.
    #[must_use]
    pub fn snapshot(&self, at: Time) -> ringmon_core::Snapshot {
        self.engine.snapshot(at)
    }
}

/// All of an engine's state, to be compared. (A state that cannot be written, which none is, equals no other.)
fn state(engine: &Engine) -> Option<Vec<u8>> {
    rmp_serde::to_vec(engine).ok()
}
