//! The settings of a world, and the counts of what its agents sent.

use std::time::Duration;

use ringmon_core::{Profile, Without};

/// The settings of a world.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed from which everything random follows.
    pub seed: u64,
    /// The number of servers; none has an agent at first.
    pub servers: usize,
    /// The profile of all servers: how fast they probe.
    pub profile: Profile,
    /// Least and most time of one statement.
    pub statement: (Duration, Duration),
    /// Whether to print everything that happens to standard error.
    pub loud: bool,
    /// Whether what cannot go wrong is computed when it is needed, and not simulated probe by probe.
    pub lazy: bool,
    /// The rules that are taken out, to see what goes wrong then.
    pub without: Without,
}

impl Settings {
    /// This many servers, the default profile, a quick database.
    #[must_use]
    pub fn new(seed: u64, servers: usize) -> Self {
        let us = Duration::from_micros;
        Self {
            seed,
            servers,
            profile: Profile::Default,
            statement: (us(100), us(800)),
            loud: false,
            lazy: false,
            without: Without::NOTHING,
        }
    }
}

/// What the agents sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of echo requests.
    pub probes: u64,
    /// The number of notices, without the retries.
    pub notices: u64,
    /// The number of table statements; a transaction counts as one.
    pub statements: u64,
}
