//! Whether a target has the newest list.

use std::time::Duration;

use serde::Serialize;

/// What is known of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name, as in the configuration.
    pub target: String,
    /// It has the newest list.
    pub in_step: bool,
    /// Why it does not have it, in one sentence.
    pub problem: Option<String>,
    /// How often it was changed.
    pub applied: u64,
    /// How long the last change took, if known: from the new list, or from the look that found a difference, to the
    /// answer.
    pub applied_in: Duration,
}

impl Status {
    /// For a target that has nothing yet.
    #[must_use]
    pub fn named(target: impl Into<String>) -> Self {
        Self { target: target.into(), ..Self::default() }
    }
}
