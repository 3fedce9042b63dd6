//! Which worlds are searched: how many servers, which faults, which rules.

use std::fmt;
use std::time::Duration;

use super::age::Borders;
use ringmon_core::row::{Alone, Mode};
use ringmon_core::{Profile, Rule, Rules, Tuning, Without};

/// A fault that may happen in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The link between two servers is cut.
    Link,
    /// A server neither hears others nor is heard. It reaches the database.
    Isolated,
    /// Two neighbours and the other two do not hear each other.
    Halves,
    /// A server is dead. If it comes back, it takes its row again in a new life.
    Dead,
    /// A server does not reach the database.
    Database,
    /// Whatever is written may be written too late.
    Late,
    /// A removal is committed, and its answer is lost.
    LostAnswer,
}

/// A world: the search goes through everything that can happen in it.
#[derive(Clone, Debug)]
pub struct World {
    /// Servers: 2 to 4.
    pub servers: u8,
    /// How many faults happen, at most.
    pub faults: u8,
    /// Which kinds of faults.
    pub kinds: Vec<Kind>,
    /// Whether faults end.
    pub heals: bool,
    /// Whether a server hears everybody again at the same moment. Otherwise in every order.
    pub at_once: bool,
    /// Rules that are out.
    pub without: Vec<Rule>,
    /// Which server may remove all others.
    pub alone: Alone,
    /// Whether an operator has frozen the pool.
    pub frozen: bool,
    /// Whether removals are made.
    pub mode: Mode,
    /// Whether a removal that met another's change goes on with what it began with, as in an earlier version.
    pub stubborn: bool,
}

impl World {
    /// The most servers that a world can have.
    pub const MOST: usize = 4;

    /// Every kind of fault but [`Kind::Late`], which no rule can bear. All rules hold.
    #[must_use]
    pub fn new(servers: u8, faults: u8) -> Self {
        let mut kinds = vec![Kind::Link, Kind::Isolated, Kind::Dead, Kind::Database, Kind::LostAnswer];
        if servers == 4 {
            kinds.push(Kind::Halves);
        }
        Self {
            servers,
            faults,
            kinds,
            heals: true,
            at_once: servers == 4,
            without: Vec::new(),
            alone: Alone::One,
            frozen: false,
            mode: Mode::Act,
            stubborn: false,
        }
    }

    /// The same world with only these kinds of faults.
    #[must_use]
    pub fn only(self, kinds: &[Kind]) -> Self {
        Self { kinds: kinds.to_vec(), ..self }
    }

    /// The same world without these rules.
    #[must_use]
    pub fn without(self, rules: &[Rule]) -> Self {
        Self { without: rules.to_vec(), ..self }
    }

    /// The same world, in which no fault ends.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { heals: false, ..self }
    }

    pub(super) fn keeps(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }

    pub(super) fn tuning(&self) -> Tuning {
        Tuning { without: Without::rules(&self.without), ..Profile::Default.tuning() }
    }

    pub(super) fn rules(&self) -> Rules {
        Rules { alone: self.alone, brake_permille: 1000, mode: self.mode, ..Rules::default() }
    }

    /// Longer than a removal otherwise takes: the accused is far from the database, and says so.
    pub(super) const WAIT: Duration = Duration::from_millis(400);

    pub(super) fn borders(&self) -> Borders {
        let alone = if self.alone == Alone::One { 1_000 } else { 2_000 };
        let few = self.servers.saturating_sub(self.faults) < 2;
        let lonely = self.servers == 2 || few || self.alone == Alone::All || !self.keeps(Rule::R2);
        Borders { wait: 400, alone, lonely }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self.kinds.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
        write!(f, "{} servers, {} faults of {}", self.servers, self.faults, kinds.join(", "))?;
        if !self.heals {
            write!(f, ", none ends")?;
        }
        if self.frozen {
            write!(f, ", frozen")?;
        }
        if self.mode == Mode::Observe {
            write!(f, ", observed")?;
        }
        if self.stubborn {
            write!(f, ", removals go on after a conflict")?;
        }
        let out: Vec<String> = self.without.iter().map(Rule::to_string).collect();
        if !out.is_empty() {
            write!(f, ", without {}", out.join(", "))?;
        }
        Ok(())
    }
}
