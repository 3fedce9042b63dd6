//! The agents' event logs, followed live.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

/// One line of an agent's event log.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// Wall clock time, RFC 3339.
    pub at: String,
    /// The machine's monotonic clock, in nanoseconds. All agents of a lab share it.
    pub mono_ns: u64,
    /// The server that writes it.
    pub server: String,
    /// The event's name.
    pub event: String,
    /// The server that it is about.
    pub subject: String,
    /// More about it, by event.
    #[serde(default)]
    pub detail: Value,
}

/// Both buddies, by name; `None` in a ring of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buddies {
    /// The next server.
    pub first: Option<String>,
    /// The previous server.
    pub second: Option<String>,
}

impl Buddies {
    /// Whether this is one of the two.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        [&self.first, &self.second].into_iter().flatten().any(|buddy| buddy == name)
    }
}

impl Event {
    /// Whether it is this event about this subject.
    #[must_use]
    pub fn is(&self, event: &str, subject: &str) -> bool {
        self.event == event && self.subject == subject
    }

    /// The buddies in a `buddies` event.
    #[must_use]
    pub fn buddies(&self) -> Option<Buddies> {
        let name = |key: &str| {
            let buddy = self.detail.get(key)?;
            buddy.as_str().or_else(|| buddy.get("name")?.as_str()).map(str::to_owned)
        };
        (self.event == "buddies").then(|| Buddies { first: name("first"), second: name("second") })
    }
}

/// Reads a log while it grows.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    read: u64,
}

impl Tail {
    /// From the beginning of this file, which need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// The path of the log.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The lines that were finished since the last call.
    ///
    /// # Errors
    /// The file cannot be read, or a line is no event.
    pub fn read(&mut self) -> anyhow::Result<Vec<Event>> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(Vec::new()) };
        let mut text = String::new();
        file.seek(SeekFrom::Start(self.read))
            .and_then(|_| file.read_to_string(&mut text))
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        text[..whole]
            .lines()
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("no event in {}: {line}", self.path.display()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_finished_lines_are_read_and_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let mut tail = Tail::new(path.clone());
        assert!(tail.read().unwrap().is_empty(), "no file yet");
        let mut file = File::create(&path).unwrap();
        let line = concat!(
            r#"{"at":"2026-01-01T00:00:00Z","mono_ns":7,"server":"a","event":"buddies","subject":"a","#,
            r#""detail":{"first":"b","second":null}}"#
        );
        write!(file, "{line}\n{}", &line[..20]).unwrap();
        let events = tail.read().unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].buddies(), Some(Buddies { first: Some("b".to_owned()), second: None }));
        writeln!(file, "{}", &line[20..]).unwrap();
        assert_eq!(tail.read().unwrap().len(), 1);
        assert!(tail.read().unwrap().is_empty());
    }
}
