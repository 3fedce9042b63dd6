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

/// The numbers of a profile. All other constants are in [`law`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Time between two probes of a watch.
    pub interval: Duration,
    /// A probe is a miss after this time at the earliest.
    pub deadline: Duration,
    /// Time between two probes after the first miss.
    pub burst: Duration,
    /// How often the event loop writes the pulse.
    pub pulse_every: Duration,
    /// An agent whose pulse is older than this counts as silent.
    pub pulse_gone: Duration,
    /// Rules that a simulation turns off. An agent has all rules.
    #[serde(skip)]
    pub without: Without,
}

impl Tuning {
    /// Whether this rule is in force. It always is, except in a simulation that shows what the rule is for.
    #[must_use]
    pub const fn keeps(&self, rule: Rule) -> bool {
        !self.without.takes_out(rule)
    }

    /// How long no silence counts after a link came up: time for as many probes as a suspicion needs.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.interval * law::SUSPECT_MISSES + self.deadline
    }

    /// R2, for an agent without a pulse: another server that is heard this long after the pulse was lost proves that
    /// this server can hear.
    #[must_use]
    pub fn ears(&self) -> Duration {
        self.interval * 2 + self.deadline
    }
}

impl Profile {
    /// The numbers of the profile.
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
