//! How a target is doing.

use std::time::Duration;

use serde::Serialize;

/// What is known of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What it is called.
    pub target: String,
    /// It has the newest list.
    pub in_step: bool,
    /// Why it has not, in a sentence.
    pub problem: Option<String>,
    /// How often it was changed.
    pub applied: u64,
    /// How long the last change took, where that is known: from the new list, or the look that found a difference, to the answer.
    pub applied_in: Duration,
}

impl Status {
    /// Of a target that has nothing yet.
    #[must_use]
    pub fn named(target: impl Into<String>) -> Self {
        Self { target: target.into(), ..Self::default() }
    }
}
