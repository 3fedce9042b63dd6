//! What a recording of an agent is made of: every call of its engine, in order, and what came of each.
//!
//! An engine is a function of its inputs, so a state of it and the calls that followed *are* its history: see
//! [`replay`](super::replay). Nothing here opens a file: [`Encoder`] makes bytes of calls, [`Reader`] calls of bytes.
//! The format, byte by byte, is in `docs/recording.md`.

mod encode;
mod frame;
mod read;
mod said;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use ringmon_core::engine::{Engine, Input};
use ringmon_core::{Time, WatchReading};

pub use encode::{Encoder, TooMuch};
pub use read::{Damage, Foreign, Reader, Wrong};
pub use said::Said;

/// The format this version writes, and the newest one it reads.
pub const FORMAT: u16 = 1;

/// What every recording begins with; the format's number follows, in two bytes, the high one first.
pub const MAGIC: [u8; 6] = *b"ringm\0";

/// Who recorded, and which clock is which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of ringmon that wrote the file.
    pub ringmon: String,
    /// The name of the server whose agent it was.
    pub server: String,
    /// Its pool.
    pub pool: String,
    /// The wall clock, in microseconds since 1970-01-01T00:00:00Z, at...
    pub wall_us: i64,
    /// ... this moment of the monotonic clock.
    pub mono: Time,
    /// The number of the file's first call: they are counted from 1, those that got lost included.
    pub first: u64,
}

impl Header {
    /// The wall clock at a moment of the monotonic one, in microseconds since 1970, as far as the two ran alike since
    /// the file began.
    #[must_use]
    pub fn wall_us_at(&self, at: Time) -> i64 {
        let ns = i128::from(at.as_ns()) - i128::from(self.mono.as_ns());
        i64::try_from(i128::from(self.wall_us) + ns / 1000).unwrap_or(i64::MAX)
    }
}

/// One call of an engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The moment it was told.
    pub at: Time,
    /// What was handed over; `None`: `handle_timeout`.
    pub input: Option<Input>,
    /// What came of it, if anything did.
    pub said: Option<Said>,
}

/// One record of a file.
#[derive(Debug)]
pub enum Record {
    /// The state of the engine before the calls that follow: once in a file, before all of them.
    Checkpoint(Box<Engine>),
    /// A call.
    Call(Box<Call>),
}

/// The kinds of frames.
mod kind {
    pub const HEADER: u8 = 0;
    /// Readings are written without the names of their fields: this is one with them.
    pub const LAYOUT: u8 = 1;
    pub const CHECKPOINT: u8 = 2;
    pub const READING: u8 = 3;
    /// The same reading of that watch as last time.
    pub const AGAIN: u8 = 4;
    pub const INPUT: u8 = 5;
    pub const TIMEOUT: u8 = 6;
}

/// A reading with the names of its fields. A file whose readings are laid out otherwise is not to be misread.
fn layout() -> Vec<u8> {
    // A struct of numbers written to memory: nothing in it can fail, and an empty layout matches no file.
    rmp_serde::to_vec_named(&WatchReading::default()).unwrap_or_default()
}
