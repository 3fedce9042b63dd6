//! What can be measured, by its name on the command line.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::condition::{self, Condition};

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// What a quiet pool costs.
    Quiet,
    /// A silent crash: nothing passes, the carrier stays up, the processes are frozen.
    Crash,
    /// The same, seen by a server that loses a fifth of all packets each way.
    CrashLoss,
    /// The same, under processor hogs.
    CrashHogs,
    /// The agent is killed; its host lives.
    AgentKill,
    /// The agent is frozen; its kernel is not.
    AgentStop,
    /// From a crash to the removal in the table.
    CrashCommit,
    /// Healthy servers under processor hogs.
    Hogs,
    /// Healthy servers on a network that loses a fifth of all packets each way.
    Loss,
    /// Healthy servers under hogs and loss together.
    Both,
    /// Healthy servers on hosts that are not well.
    Sick(Condition),
    /// A silent crash, seen from hosts that are not well.
    CrashSick(Condition),
}

/// In the order of measurement, without those of hosts that are not well.
pub const ALL: [Case; 10] = [
    Case::Quiet,
    Case::Crash,
    Case::AgentKill,
    Case::AgentStop,
    Case::CrashHogs,
    Case::CrashLoss,
    Case::Hogs,
    Case::Loss,
    Case::Both,
    Case::CrashCommit,
];

impl Case {
    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Crash => "crash",
            Self::CrashLoss => "crash-loss",
            Self::CrashHogs => "crash-hogs",
            Self::AgentKill => "agent-kill",
            Self::AgentStop => "agent-stop",
            Self::CrashCommit => "crash-commit",
            Self::Hogs => "hogs",
            Self::Loss => "loss",
            Self::Both => "both",
            Self::Sick(condition) => condition.names().0,
            Self::CrashSick(condition) => condition.names().1,
        }
    }

    /// What is wrong with the hosts during it.
    #[must_use]
    pub const fn condition(self) -> Option<Condition> {
        match self {
            Self::Sick(condition) | Self::CrashSick(condition) => Some(condition),
            Self::Quiet
            | Self::Crash
            | Self::CrashLoss
            | Self::CrashHogs
            | Self::AgentKill
            | Self::AgentStop
            | Self::CrashCommit
            | Self::Hogs
            | Self::Loss
            | Self::Both => None,
        }
    }

    /// Whether processor hogs run during it.
    #[must_use]
    pub const fn has_hogs(self) -> bool {
        matches!(self, Self::CrashHogs | Self::Hogs | Self::Both)
    }

    /// Whether the network loses packets during it.
    #[must_use]
    pub const fn has_loss(self) -> bool {
        matches!(self, Self::CrashLoss | Self::Loss | Self::Both)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Those of hosts that are not well: first the crashes, then the healthy servers.
pub fn sick() -> impl Iterator<Item = Case> {
    condition::ALL.into_iter().map(Case::CrashSick).chain(condition::ALL.into_iter().map(Case::Sick))
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || ALL.into_iter().chain(sick()).map(Self::name).collect::<Vec<_>>().join(", ");
        let found = ALL.into_iter().chain(sick()).find(|case| case.name() == text);
        found.ok_or_else(|| format!("no such case: {text}; there are {}", known()))
    }
}

/// What one word of `--only` asks for: a case; `sick`: all of hosts that are not well; or one such condition, which is
/// both its crashes and its healthy servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked(pub Vec<Case>);

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "sick" {
            return Ok(Self(sick().collect()));
        }
        let case: Case = text.parse()?;
        Ok(Self(match case.condition().filter(|condition| case == Case::Sick(*condition)) {
            Some(condition) => vec![Case::CrashSick(condition), case],
            None => vec![case],
        }))
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for case in ALL.into_iter().chain(sick()) {
            assert_eq!(case.to_string().parse(), Ok(case));
        }
        assert!("crush".parse::<Case>().is_err_and(|text| text.contains("crash-loss")));
    }

    #[test]
    fn a_condition_is_its_crashes_and_its_healthy_servers() {
        let asked = |text: &str| text.parse::<Asked>().map(|asked| asked.0);
        assert_eq!(asked("fifo"), Ok(vec![Case::CrashSick(Condition::Fifo), Case::Sick(Condition::Fifo)]));
        assert_eq!(asked("crash-fifo"), Ok(vec![Case::CrashSick(Condition::Fifo)]));
        assert_eq!(asked("hogs"), Ok(vec![Case::Hogs]));
        assert_eq!(asked("sick").map(|all| all.len()), Ok(12));
        assert!(asked("ill").is_err());
    }
}
