//! Faults of a large pool, by name, each with the right outcome. `docs/detector.md` has the outcomes in words.

mod report;
mod run;

pub use report::Report;
pub use run::{Setup, run};

use ringmon_core::words;

/// A story with a right outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// 30 % of the servers die at once.
    MassDeath,
    /// 40 neighbours on the ring die at once.
    Rack,
    /// Half of the servers do not hear the other half; all reach the table.
    Halves,
    /// Like [`Self::Halves`], but one half does not reach the table.
    HalvesOneTable,
    /// Three servers and the rest do not hear each other; all reach the table.
    Three,
    /// Like [`Self::Three`], but only the rest reaches the table.
    ThreeTableRest,
    /// Like [`Self::Three`], but only the three reach the table.
    ThreeTableThree,
    /// Between two neighbours frames pass in one direction only.
    OneWay,
    /// The database answers no server, and one server dies in the meantime.
    DatabasePaused,
    /// Every agent is killed and started again half a second later, one after the other.
    RollingRestart,
    /// One link in a hundred breaks for 50 to 400 ms, again and again.
    Flapping,
    /// For 80 ms, no server hears one server in a hundred.
    SharedOutage,
    /// All servers lose their power at once. Each but one comes back within 30 s.
    PowerCut,
    /// Like [`Self::PowerCut`], without a brake.
    PowerCutUnbraked,
    /// No server hears another for 2 s, then for 30 s, then for 120 s; all reach the table. The ports come back one
    /// after the other. One server dies during the last reboot.
    SwitchReboot,
    /// Like [`Self::SwitchReboot`], but the database is behind the switch too.
    SwitchRebootNoTable,
}

words! { Scenario:
    MassDeath = "mass-death",
    Rack = "rack",
    Halves = "halves",
    HalvesOneTable = "halves-one-table",
    Three = "three",
    ThreeTableRest = "three-table-rest",
    ThreeTableThree = "three-table-three",
    OneWay = "one-way",
    DatabasePaused = "database-paused",
    RollingRestart = "rolling-restart",
    Flapping = "flapping",
    SharedOutage = "shared-outage",
    PowerCut = "power-cut",
    PowerCutUnbraked = "power-cut-unbraked",
    SwitchReboot = "switch-reboot",
    SwitchRebootNoTable = "switch-reboot-no-table",
}

impl Scenario {
    /// What befalls the pool, and what is right then, in a sentence.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::MassDeath => "30 % die at once, brake off: exactly they are removed",
            Self::Rack => "40 neighbours die at once: exactly they are removed",
            Self::Halves => "cut into halves for 10 s, all reach the table: nobody is removed",
            Self::HalvesOneTable => "the same, one half without the table: nobody of the other half is removed",
            Self::Three => "3 cut off from the rest for 10 s, all reach the table: nobody of the rest is removed",
            Self::ThreeTableRest => "the same, the 3 without the table: nobody else is removed",
            Self::ThreeTableThree => "the same, the rest without the table: nobody is removed",
            Self::OneWay => "one link works one way only for 10 s: nobody is removed",
            Self::DatabasePaused => {
                "no database for 30 s, one server dies meanwhile: only that one is removed, afterwards"
            }
            Self::RollingRestart => "every agent restarts within 20 s: nobody is removed",
            Self::Flapping => "1 % of the links flap for 20 s: nobody is removed",
            Self::SharedOutage => "1 % of the servers silent for 80 ms: nobody is removed",
            Self::PowerCut => {
                "power cut, all but one back within 30 s: only that one is removed, and one that dies afterwards"
            }
            Self::PowerCutUnbraked => "the same, brake off",
            Self::SwitchReboot => {
                "no frames for 2, 30, 120 s, all reach the table, ports back within 5 s: only who died is removed"
            }
            Self::SwitchRebootNoTable => "the same, the table behind the switch",
        }
    }
}
