//! What a target could not do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a target does not have the newest list. It has the one from before, if nothing else is said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be written; the one from before is as it was.
    #[error("cannot {step} {path}: {source}; {}", advice(.path, .source))]
    File {
        /// E.g. `write`.
        step: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The task that writes was ended from outside: the runtime shuts down. The file is the old one or the new one.
    #[error("writing {0} was cut short")]
    CutShort(PathBuf),
    /// A template is wrong, or cannot make anything of this list.
    #[error("template {path}: {}", chain(.source))]
    Template {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<minijinja::Error>,
    },
    /// A command line is none.
    #[error("`{0}` is not a command line: a quote is not closed, or there is no word")]
    CommandLine(String),
    /// A program could not be started.
    #[error("cannot run the {what} `{program}`: {source}")]
    Spawn {
        /// E.g. `check`.
        what: &'static str,
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program ran and said no.
    #[error("the {what} `{program}` failed ({how}){said}")]
    Failed {
        /// E.g. `check`.
        what: &'static str,
        /// Which.
        program: String,
        /// E.g. `exit status: 1`.
        how: String,
        /// The end of what it printed.
        said: String,
    },
    /// A program did not end in time, and was killed with all its children.
    #[error("the {what} `{program}` was killed after {limit:?}{said}")]
    TimedOut {
        /// E.g. `hook`.
        what: &'static str,
        /// Which.
        program: String,
        /// How long it had.
        limit: Duration,
        /// The end of what it printed.
        said: String,
    },
}

/// What a person can do about it.
fn advice(path: &Path, source: &io::Error) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match source.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::ENOENT) => format!("is there a folder {folder}?"),
        Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM) => {
            format!("ringmon's user needs to write in {folder}, and to own what it replaces")
        }
        Some(nix::errno::Errno::EROFS) => format!("{folder} is read-only (under systemd: ReadWritePaths=)"),
        Some(nix::errno::Errno::ENOSPC | nix::errno::Errno::EDQUOT) => format!("make room in {folder}"),
        _ => "name a plain file in a folder that ringmon may write to".to_owned(),
    }
}

/// An error and its causes in a line.
fn chain(error: &minijinja::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
