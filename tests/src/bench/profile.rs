//! The agents' profiles, as far as a measurement has to know them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How fast agents probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// One probe a second.
    Gentle,
    /// Every 20 ms.
    Default,
    /// Every 10 ms.
    Fast,
    /// Every 3.3 ms.
    Turbo,
}

const NAMES: [(Profile, &str); 4] =
    [(Profile::Default, "default"), (Profile::Fast, "fast"), (Profile::Turbo, "turbo"), (Profile::Gentle, "gentle")];

/// A watch that has just been through a crash has it among its last probes. It rightly asks for more evidence until
/// those are older.
const PROBES_TO_FORGET: u32 = 70;
const CALM_AT_LEAST: Duration = Duration::from_millis(1500);

impl Profile {
    /// Between two probes of a watch.
    #[must_use]
    pub const fn interval(self) -> Duration {
        match self {
            Self::Gentle => Duration::from_secs(1),
            Self::Default => Duration::from_millis(20),
            Self::Fast => Duration::from_millis(10),
            Self::Turbo => Duration::from_micros(3300),
        }
    }

    /// How long a watch is left alone after a crash, before its server crashes again.
    #[must_use]
    pub fn calm(self) -> Duration {
        (self.interval() * PROBES_TO_FORGET).max(CALM_AT_LEAST)
    }

    /// How long a crash is waited for: far longer than it should take, also under loss.
    #[must_use]
    pub fn limit(self) -> Duration {
        (self.interval() * 100).max(Duration::from_secs(5))
    }

    /// Of the trials that were asked for, the number that this profile has patience for.
    #[must_use]
    pub fn trials(self, asked: usize) -> usize {
        if self == Self::Gentle { asked.min(10) } else { asked }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(NAMES.iter().find(|(profile, _)| profile == self).map_or("?", |(_, name)| name))
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || NAMES.map(|(_, name)| name).join(", ");
        let found = NAMES.iter().find(|(_, name)| *name == text).map(|(profile, _)| *profile);
        found.ok_or_else(|| format!("no such profile: {text}; there are {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for (profile, name) in NAMES {
            assert_eq!(name.parse(), Ok(profile));
            assert_eq!(profile.to_string(), name);
        }
        assert!("quick".parse::<Profile>().is_err_and(|text| text.contains("turbo")));
    }

    #[test]
    fn slow_probes_need_a_longer_calm() {
        assert_eq!(Profile::Turbo.calm(), Duration::from_millis(1500));
        assert_eq!(Profile::Gentle.calm(), Duration::from_secs(70));
    }
}
