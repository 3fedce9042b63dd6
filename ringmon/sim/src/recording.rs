//! What a recording of an agent is made of: every call of its engine, in order, and what the engine said.
//!
//! An engine is a function of its inputs. So a state of the engine and the calls that followed *are* its history: see
//! [`replay`](super::replay). Nothing here opens a file: [`Encoder`] turns calls into bytes, [`Reader`] turns bytes
//! into calls. The format, byte by byte, is in `docs/recording.md`.

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

/// The format that this version writes and reads. Another one holds another engine.
pub const FORMAT: u16 = 6;

/// The first bytes of every recording. The format's number follows, in two bytes, the high one first.
pub const MAGIC: [u8; 6] = *b"ringm\0";

/// Which agent recorded, and how its two clocks relate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of ringmon that wrote the file.
    pub ringmon: String,
    /// The name of the server whose agent it was.
    pub server: String,
    /// The name of the server's pool.
    pub pool: String,
    /// The wall clock at the moment `mono`, in microseconds since 1970-01-01T00:00:00Z.
    pub wall_us: i64,
    /// The moment of the monotonic clock at which `wall_us` was the time.
    pub mono: Time,
    /// The number of the file's first call. Calls are counted from 1, including those that got lost.
    pub first: u64,
}

impl Header {
    /// The wall clock at a moment of the monotonic clock, in microseconds since 1970. It is right as far as the two
    /// clocks ran alike since the file began.
    #[must_use]
    pub fn wall_us_at(&self, at: Time) -> i64 {
        let ns = i128::from(at.as_ns()) - i128::from(self.mono.as_ns());
        i64::try_from(i128::from(self.wall_us) + ns / 1000).unwrap_or(i64::MAX)
    }
}

/// One call of an engine, and what the engine said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The time that was passed to the engine.
    pub at: Time,
    /// The input that was passed; `None`: `handle_timeout`.
    pub input: Option<Input>,
    /// What the engine said in this call; `None`: nothing.
    pub said: Option<Said>,
}

/// One record of a file.
#[derive(Debug)]
pub enum Record {
    /// The state of the engine before the calls that follow. It stands once in a file, before all calls.
    Checkpoint(Box<Engine>),
    /// A call, in the order in which the engine got it.
    Call(Box<Call>),
}

/// The numbers of the kinds of frames.
mod kind {
    pub const HEADER: u8 = 0;
    /// Readings are written without the names of their fields. This frame holds one reading with the names.
    pub const LAYOUT: u8 = 1;
    pub const CHECKPOINT: u8 = 2;
    pub const READING: u8 = 3;
    /// The same reading of that watch as last time.
    pub const AGAIN: u8 = 4;
    pub const INPUT: u8 = 5;
    pub const TIMEOUT: u8 = 6;
}

/// A reading with the names of its fields. It keeps a file whose readings have another layout from being misread.
fn layout() -> Vec<u8> {
    // A struct of numbers is written to memory: nothing in that can fail, and an empty layout matches no file.
    rmp_serde::to_vec_named(&WatchReading::default()).unwrap_or_default()
}
