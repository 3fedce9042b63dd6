//! What a world is like, and what went on in it.

use std::time::Duration;

use ringmon_core::{Profile, Without};

/// What the world is like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Everything random follows from it.
    pub seed: u64,
    /// Servers there are; none has an agent at first.
    pub servers: usize,
    /// How fast they probe.
    pub profile: Profile,
    /// Least and most time of one statement.
    pub statement: (Duration, Duration),
    /// Tell everything on standard error.
    pub loud: bool,
    /// Whatever cannot go wrong is computed when it is asked for, and not simulated probe by probe.
    pub lazy: bool,
    /// Rules that are taken out, to see what goes wrong then.
    pub without: Without,
}

impl Settings {
    /// So many servers, the default profile, a quick database.
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
    /// Echo requests.
    pub probes: u64,
    /// Notices, without the retries.
    pub notices: u64,
    /// Table statements; a transaction counts as one.
    pub statements: u64,
}
