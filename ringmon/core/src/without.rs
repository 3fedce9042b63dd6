//! The rules R1 to R12, and the switch that turns one of them off: in a simulation, and nowhere else.
//!
//! A rule is worth its cost only if something goes wrong without it. [`Without`] travels in [`Tuning`](super::Tuning),
//! is read where each rule is enforced, and is empty in every agent. Only the core can make one that is not empty, and
//! only for its simulator. It is left out of everything that is serialised, so neither a configuration nor a recording
//! can bring one in.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::{Word, words};

/// A rule of removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Look ahead.
    R1,
    /// Healthy voter.
    R2,
    /// Vote at once, then wait.
    R3,
    /// Mutual accusation is a broken link.
    R4,
    /// Same silence.
    R5,
    /// Enough silence.
    R6,
    /// The clock of the database, and the last look before COMMIT.
    R7,
    /// This life only.
    R8,
    /// A server without a pulse is no witness.
    R9,
    /// Unknown prober.
    R10,
    /// The brake.
    R11,
    /// Asked witnesses.
    R12,
}

words! { Rule:
    R1 = "R1",
    R2 = "R2",
    R3 = "R3",
    R4 = "R4",
    R5 = "R5",
    R6 = "R6",
    R7 = "R7",
    R8 = "R8",
    R9 = "R9",
    R10 = "R10",
    R11 = "R11",
    R12 = "R12",
}

impl Rule {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::read(&word.to_ascii_uppercase()).ok_or_else(|| format!("there is no rule {word}; they are R1 to R12"))
    }
}

/// Rules that are turned off: none, except in a simulation that asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Without(u16);

impl Without {
    /// All rules are in force.
    pub const NOTHING: Self = Self(0);

    /// These rules are turned off. For the simulator.
    #[cfg(any(test, feature = "simulation"))]
    #[must_use]
    pub fn rules(rules: &[Rule]) -> Self {
        Self(rules.iter().fold(0, |bits, rule| bits | rule.bit()))
    }

    /// Whether this rule is turned off.
    #[must_use]
    pub const fn takes_out(self, rule: Rule) -> bool {
        self.0 & rule.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Profile, Tuning};

    #[test]
    fn a_set_has_the_rules_it_was_made_of_and_no_others() {
        let set = Without::rules(&[Rule::R4, Rule::R12]);
        let out: Vec<Rule> = Rule::ALL.iter().copied().filter(|rule| set.takes_out(*rule)).collect();
        assert_eq!(out, [Rule::R4, Rule::R12]);
        assert!(Rule::ALL.iter().all(|rule| !Without::NOTHING.takes_out(*rule)));
    }

    #[test]
    fn rules_are_known_by_their_names() {
        for &rule in Rule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
            assert_eq!(rule.to_string().to_lowercase().parse(), Ok(rule));
        }
        assert!("R13".parse::<Rule>().is_err_and(|why| why.contains("R1 to R12")));
    }

    /// What is written down (a recording, a checkpoint) and read again has every rule in force.
    #[test]
    fn nothing_serialised_takes_a_rule_out() {
        for profile in Profile::ALL {
            assert_eq!(profile.tuning().without, Without::NOTHING);
            let tuning = Tuning { without: Without::rules(Rule::ALL), ..profile.tuning() };
            let written = serde_json::to_value(&tuning).expect("serialisable");
            assert!(written.get("without").is_none(), "{written}");
            let read: Tuning = serde_json::from_value(written).expect("deserialisable");
            assert_eq!(read, profile.tuning());
        }
    }
}
