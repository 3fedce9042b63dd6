//! One JSON line for each transition, flushed at once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Error;
use ringmon_core::{Event, EventKind};

/// Where the event log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTarget {
    /// Lines are appended to this file.
    File(PathBuf),
    /// The standard output (`-`).
    Stdout,
}

/// An open event log.
#[derive(Debug)]
pub struct EventLog {
    target: EventTarget,
    /// `None`: the standard output.
    file: Option<File>,
    server: String,
    failures: u64,
}

/// The field names are a contract: users script against them.
#[derive(Serialize)]
struct Line<'a> {
    /// RFC 3339 in UTC, always with nine digits of a second, so that the lines of one machine sort as text.
    at: &'a str,
    mono_ns: u64,
    server: &'a str,
    event: EventKind,
    subject: &'a str,
    detail: Value,
}

impl EventLog {
    /// Opens `target` for appending; `server` is the name that each line carries.
    ///
    /// # Errors
    /// [`Error::OpenEvents`]: nothing was opened.
    pub fn open(target: &EventTarget, server: String) -> Result<Self, Error> {
        Ok(Self { target: target.clone(), file: opened(target)?, server, failures: 0 })
    }

    /// Opens the file at the same path again: the old one may have been moved away (logrotate(8)). If that fails, lines
    /// go on into the old one, and the log says so.
    pub fn reopen(&mut self) {
        match opened(&self.target) {
            Ok(file) => self.file = file,
            Err(error) => tracing::error!("{error}; going on with the old file"),
        }
    }

    /// From now on lines go to `new`. The count of failures goes on.
    pub fn replace(log: &mut Option<Self>, new: Option<Self>) {
        let failures = log.as_ref().map_or(0, Self::failures);
        *log = new.map(|new| Self { failures, ..new });
    }

    /// Appends one line and flushes it. Every failure is counted, the first one is logged, none is fatal.
    pub fn write(&mut self, event: &Event) {
        let at = format!("{:.9}", Timestamp::now());
        let line = line(&at, &self.server, event);
        // One write for each line: with O_APPEND, lines of several agents in one file do not mix.
        let done = match &mut self.file {
            Some(file) => file.write_all(line.as_bytes()),
            None => to_stdout(&line),
        };
        match done {
            Ok(()) => {}
            Err(error) => {
                if self.failures == 0 {
                    tracing::error!("cannot write to the event log {:?}: {error}; going on without it", self.target);
                }
                self.failures += 1;
            }
        }
    }

    /// Lines that could not be written.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.failures
    }
}

/// `None`: the standard output.
fn opened(target: &EventTarget) -> Result<Option<File>, Error> {
    let EventTarget::File(path) = target else { return Ok(None) };
    // A pipe that nobody reads is an error, and nothing to wait for.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().append(true).create(true).custom_flags(flags).open(path);
    file.map(Some).map_err(|source| Error::OpenEvents { path: path.clone(), source })
}

fn to_stdout(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

/// The line for an event of the time `at`, with its newline.
fn line(at: &str, server: &str, event: &Event) -> String {
    let line = Line {
        at,
        mono_ns: event.mono.as_ns(),
        server,
        event: event.kind(),
        subject: &event.subject,
        detail: event.body.detail(),
    };
    // It holds strings, numbers and a JSON value: all of that can be written as JSON.
    let mut text = serde_json::to_string(&line).expect("a line has only string keys");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
