//! Logs a thing once, not every second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::error::Error;

/// A problem that was gone for this long is logged again.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What was logged about one target.
pub(super) struct Voice {
    target: String,
    /// Since when HAProxy has been away.
    away: Option<Instant>,
    /// Problems, and when each was last seen.
    said: BTreeMap<String, Instant>,
}

impl Voice {
    pub(super) const fn new(target: String) -> Self {
        Self { target, away: None, said: BTreeMap::new() }
    }

    /// A pass failed as a whole.
    pub(super) fn failed(&mut self, error: &Error) {
        if !error.is_away() {
            self.back();
            self.problem(&error.to_string());
        } else if self.away.is_none() {
            self.away = Some(Instant::now());
            tracing::warn!(target = %self.target, "{error}; it keeps what it has, and is tried on");
        }
    }

    /// HAProxy answers again.
    pub(super) fn back(&mut self) {
        if let Some(away) = self.away.take() {
            tracing::info!(target = %self.target, "HAProxy is back after {:.1?}", away.elapsed());
        }
    }

    /// HAProxy answers, but this problem remains.
    pub(super) fn problem(&mut self, problem: &str) {
        let now = Instant::now();
        self.said.retain(|_, last| now.duration_since(*last) < FORGOTTEN);
        if self.said.insert(problem.to_owned(), now).is_none() {
            tracing::warn!(target = %self.target, "{problem}");
        }
    }
}
