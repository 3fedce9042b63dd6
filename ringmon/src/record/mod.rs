//! The flight recorder writes every call of an agent's engine into files. Each file can be replayed by itself.
//!
//! ```text
//!  the loop:   begin -> (engine) -> said ... -> end      encoded into memory
//!                                                |  a batch every 250 ms, or at once when something was told
//!                                                v
//!              bounded queue, never waited for --+--> writer thread --> DIR/NAME-TIME.rec, four quarters of the limit
//! ```
//!
//! What does not fit into the queue is lost and counted. Then the recording goes on in a new file with a new
//! checkpoint, so that no file has a hole in it. The same happens when the disk fails. The agent itself never waits for
//! a file.

mod folder;
mod recorder;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use crate::show::{ErrorKind, HasKind};
pub use recorder::Recorder;

/// What an agent records, and into which folder.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder is made if it is missing.
    pub dir: PathBuf,
    /// The limit for all files of this server together, in bytes.
    pub limit: u64,
    /// The server whose agent it is.
    pub server: String,
    /// The name of its pool.
    pub pool: String,
}

/// What failed at the start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was changed.
    #[error("cannot make the folder for recordings {path}: {source} (choose another with --record)")]
    Make {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing was changed.
    #[error("cannot write recordings into {path}: {source} (choose another folder with --record)")]
    Write {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing is recorded.
    #[error("cannot start the thread that writes recordings: {source}")]
    Thread {
        /// What the operating system said.
        source: io::Error,
    },
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Make { source, .. } | Self::Write { source, .. } => ErrorKind::of_named(source),
            Self::Thread { .. } => ErrorKind::Unexpected,
        }
    }
}
