//! What can go wrong with a target.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a target does not have the newest list. It still has the one before, if nothing else is said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file was not written; the old content is unchanged.
    #[error("cannot {step} {path}: {source}{}", advice(.step, .path, .source))]
    File {
        /// What was being done, such as `write`.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The task that writes was stopped from outside, because the runtime shuts down. The file has the old or the new
    /// content.
    #[error("writing {0} was cut short")]
    CutShort(PathBuf),
    /// A template is wrong, or cannot be rendered with this list.
    #[error("template {path}: {}", chain(.source))]
    Template {
        /// The template's file.
        path: PathBuf,
        /// With the line, and why.
        source: Box<minijinja::Error>,
    },
    /// A text is no command line.
    #[error("`{0}` is not a command line: a quote is not closed, or there is no word")]
    CommandLine(String),
    /// A program could not be started.
    #[error("cannot run the {what} `{program}`: {source}")]
    Spawn {
        /// Its purpose, such as `check`.
        what: &'static str,
        /// The command line's first word.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A program ran, and failed.
    #[error("the {what} `{program}` failed ({how}){said}")]
    Failed {
        /// Its purpose, such as `check`.
        what: &'static str,
        /// The command line's first word.
        program: String,
        /// How it ended, such as `exit status: 1`.
        how: String,
        /// The end of its output.
        said: String,
    },
    /// A program did not end in time, and was killed with all its children.
    #[error("the {what} `{program}` was killed after {limit:?}{said}")]
    TimedOut {
        /// Its purpose, such as `hook`.
        what: &'static str,
        /// The command line's first word.
        program: String,
        /// How long it had.
        limit: Duration,
        /// The end of its output.
        said: String,
    },
}

fn advice(step: &str, path: &Path, source: &io::Error) -> String {
    let folder = path.parent().unwrap_or(path).display();
    // Only what is to be written needs a folder.
    if step == READ {
        return String::new();
    }
    let advice = match source.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::ENOENT) => format!("is there a folder {folder}?"),
        Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM) => {
            format!("ringmon's user needs to write in {folder}, and to own what it replaces")
        }
        Some(nix::errno::Errno::EROFS) => format!("{folder} is read-only (under systemd: ReadWritePaths=)"),
        Some(nix::errno::Errno::ENOSPC | nix::errno::Errno::EDQUOT) => format!("make room in {folder}"),
        _ => "name a plain file in a folder that ringmon may write to".to_owned(),
    };
    format!("; {advice}")
}

/// The step in which a template is read.
pub(super) const READ: &str = "read the template";

/// An error and its causes in one line.
fn chain(error: &minijinja::Error) -> String {
    if error.kind() == minijinja::ErrorKind::OutOfFuel {
        return "it runs too long".to_owned();
    }
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
