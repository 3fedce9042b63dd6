//! Ways to break a lab, and what follows.

mod blow;
mod outcome;

use std::fmt;
use std::str::FromStr;

use crate::lab::Lab;
use crate::ring::Ring;
use crate::server::State;

pub use blow::Blow;
pub use outcome::Outcome;

/// A fault, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All its frames are dropped, its carrier stays up, and its agent is frozen: as if the machine had lost its power.
    Crash,
    /// All its frames are dropped, except those to and from the database.
    Isolated,
    /// Its agent is killed; its host lives.
    AgentKill,
    /// Its agent is frozen for good; its kernel still answers.
    AgentStop,
    /// Its agent is frozen for a second, or longer if no other has missed it by then.
    AgentPause,
    /// Its agent is told to stop.
    Leave,
    /// A new server joins.
    Join,
    /// Two neighbours crash at once.
    AdjacentCrash,
    /// All servers that are away come back.
    Return,
}

const NAMES: [(Fault, &str); 9] = [
    (Fault::Crash, "crash"),
    (Fault::Isolated, "isolated"),
    (Fault::AgentKill, "agent-kill"),
    (Fault::AgentStop, "agent-stop"),
    (Fault::AgentPause, "agent-pause"),
    (Fault::Leave, "leave"),
    (Fault::Join, "join"),
    (Fault::AdjacentCrash, "adjacent-crash"),
    (Fault::Return, "return"),
];

impl Fault {
    /// What is done, and what is right then.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Crash => "its frames are dropped and its agent is frozen; it leaves the table after about 0.1 s",
            Self::Isolated => {
                "only the database's frames reach it; it says there that it hears nobody, and is removed within 5 s"
            }
            Self::AgentKill => "its agent is killed, its host lives; no clients after 0.5 s, removed after 3 s",
            Self::AgentStop => {
                "its agent is frozen for good, its host lives; no clients after 0.5 s, removed after 3 s"
            }
            Self::AgentPause => "its agent is frozen for a second; it keeps its place",
            Self::Leave => "its agent is told to stop; it leaves when its clients are gone, and no request fails",
            Self::Join => "a new server joins at a random place",
            Self::AdjacentCrash => "two neighbours crash at once; both leave the table together",
            Self::Return => {
                "those who are away come back; for a while the pool waits longer before it removes them again"
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(fault, _)| fault == self).map_or("?", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || NAMES.map(|(_, name)| name).join(", ");
        let found = NAMES.iter().find(|(_, name)| *name == text).map(|(fault, _)| *fault);
        found.ok_or_else(|| format!("no such fault: {text}; there are {}", known()))
    }
}

impl Fault {
    /// How many servers are on the ring afterwards, if `members` were on it and `away` were not. `None` if too few are
    /// left for the fault: in a ring of one, no server could see anything.
    #[must_use]
    pub fn members_after(self, members: usize, away: usize) -> Option<(usize, usize)> {
        let gone = match self {
            Self::Crash | Self::Isolated | Self::AgentKill | Self::AgentStop | Self::Leave => 1,
            Self::AdjacentCrash => 2,
            Self::AgentPause => 0,
            Self::Join => return Some((members + 1, away)),
            Self::Return => return Some((members + away, 0)),
        };
        // Two must see the end of one, so three are needed. Only leaving needs no other.
        let needed = if self == Self::Leave { 2 } else { 2 + gone.max(1) };
        (members >= needed).then_some((members - gone, away + gone))
    }

    /// The next victims: `turn` picks another place on the ring each time.
    #[must_use]
    pub fn subjects(self, lab: &Lab, ring: &Ring, turn: usize) -> Vec<String> {
        let order = ring.order();
        let at = |place: usize| order.get(place % order.len().max(1)).cloned();
        match self {
            Self::Crash | Self::Isolated | Self::AgentKill | Self::AgentStop | Self::AgentPause | Self::Leave => {
                at(turn).into_iter().collect()
            }
            Self::AdjacentCrash => at(turn).into_iter().chain(at(turn + 1)).collect(),
            Self::Join => vec![format!("s{}", lab.servers().count() + 1)],
            Self::Return => {
                let away = lab.servers().filter(|server| !matches!(server.state, State::Running | State::New));
                away.map(|server| server.name.clone()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_is_written() {
        for (fault, name) in NAMES {
            assert_eq!(name.parse(), Ok(fault));
            assert_eq!(fault.to_string(), name);
        }
        assert!("cras".parse::<Fault>().is_err_and(|text| text.contains("agent-kill")));
    }

    #[test]
    fn a_fault_that_would_leave_nobody_to_see_it_is_refused() {
        assert_eq!(Fault::Crash.members_after(3, 0), Some((2, 1)));
        assert_eq!(Fault::Crash.members_after(2, 1), None);
        assert_eq!(Fault::AdjacentCrash.members_after(3, 0), None);
        assert_eq!(Fault::Return.members_after(2, 1), Some((3, 0)));
        assert_eq!(Fault::AgentPause.members_after(3, 0), Some((3, 0)));
    }
}
