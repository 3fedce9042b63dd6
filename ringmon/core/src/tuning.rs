//! The constants of DESIGN section 6 that differ by profile.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Rule, Without, law};
use crate::words;

/// How fast an agent probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// One probe a second: for wide areas and batteries.
    Gentle,
    /// 50 probes a second.
    #[default]
    Default,
    /// 100 probes a second.
    Fast,
    /// 300 probes a second.
    Turbo,
}

words!(Profile: Gentle = "gentle", Default = "default", Fast = "fast", Turbo = "turbo");

/// What a profile means. Everything else is [`law`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Between two probes of a watch.
    pub interval: Duration,
    /// A probe is a miss after this, at least.
    pub deadline: Duration,
    /// Between two probes from the first miss on.
    pub burst: Duration,
    /// The event loop writes the pulse this often.
    pub pulse_every: Duration,
    /// An agent whose pulse is older than this is silent.
    pub pulse_gone: Duration,
    /// Rules that a simulation takes out; an agent has all of them.
    #[serde(skip)]
    pub without: Without,
}

impl Tuning {
    /// Whether this rule is in force: always, but in a simulation that shows what it is for.
    #[must_use]
    pub const fn keeps(&self, rule: Rule) -> bool {
        !self.without.takes_out(rule)
    }

    /// The grace after a link came up: time for a suspicion's worth of probes.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.interval * law::SUSPECT_MISSES + self.deadline
    }

    /// R2, of an agent without a pulse: heard this long after that began, somebody else proves this server's own ears.
    #[must_use]
    pub fn ears(&self) -> Duration {
        self.interval * 2 + self.deadline
    }
}

impl Profile {
    /// The profile's constants.
    #[must_use]
    pub fn tuning(self) -> Tuning {
        let ms = Duration::from_millis;
        let (interval, deadline, burst, pulse_every, pulse_gone) = match self {
            Self::Gentle => (ms(1000), ms(200), ms(50), ms(100), ms(1000)),
            Self::Default => (ms(20), ms(5), ms(2), ms(50), ms(500)),
            Self::Fast => (ms(10), ms(3), ms(2), ms(50), ms(500)),
            Self::Turbo => (Duration::from_micros(3300), ms(2), ms(2), ms(50), ms(500)),
        };
        Tuning { interval, deadline, burst, pulse_every, pulse_gone, without: Without::NOTHING }
    }
}
