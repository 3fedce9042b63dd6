//! The flight recorder: every call of an agent's engine, in files of which each can be replayed by itself.
//!
//! ```text
//!  the loop:   begin -> (engine) -> said ... -> end      encoded into memory
//!                                                |  a batch every 250 ms, or at once when something was told
//!                                                v
//!              bounded queue, never waited for --+--> writer thread --> DIR/NAME-TIME.rec, four of a quarter of the limit
//! ```
//!
//! What the queue does not take is lost, and counted; the recording goes on in a new file with a new checkpoint, so that no file has
//! a hole in it. So it is when the disk fails. The agent itself never waits for a file.

mod folder;
mod recorder;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use recorder::Recorder;

/// What is recorded, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; made if it is not there.
    pub dir: PathBuf,
    /// All files of this server together have at most this many bytes.
    pub limit: u64,
    /// Whose agent it is.
    pub server: String,
    /// Its pool.
    pub pool: String,
}

/// What could not be done at the start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was changed.
    #[error("cannot make the folder for recordings {path}: {source} (choose another with --record)")]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing was changed.
    #[error("cannot write recordings into {path}: {source} (choose another folder with --record)")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing is recorded.
    #[error("cannot start the thread that writes recordings: {source}")]
    Thread {
        /// Why.
        source: io::Error,
    },
}
