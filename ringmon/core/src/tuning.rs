//! The constants of DESIGN section 6, by profile.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Rule, Without};

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

/// What a profile means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Between two probes of a watch.
    pub interval: Duration,
    /// A probe is a miss after this, at least.
    pub deadline: Duration,
    /// The event loop writes the pulse this often.
    pub pulse_every: Duration,
    /// An agent whose pulse is older than this is silent.
    pub pulse_gone: Duration,
    /// Between two probes from the first miss on.
    pub burst: Duration,
    /// Consecutive misses before a suspicion, on a watch that loses nothing else.
    pub suspect_misses: u32,
    /// R6: misses before a removal, at least.
    pub removal_misses: u32,
    /// R6: silence before a removal, at least.
    pub removal_silence: Duration,
    /// R6: no more silence than this is asked for, whatever outages were seen.
    pub removal_silence_most: Duration,
    /// R5: how long a vote lives.
    pub vote_lifetime: Duration,
    /// Between two writes of the same vote, +- 20 %.
    pub revote: Duration,
    /// R4: a counter-vote younger than this makes it a broken link.
    pub mutual_fresh: Duration,
    /// R4: after this long a counter-vote that nobody seconded protects no longer.
    pub mutual_limit: Duration,
    /// R2: alone votes of a server with one other in its pool must be this old.
    pub alone_one: Duration,
    /// R2: and with more.
    pub alone_more: Duration,
    /// R7: a vote or removal commits within this time of its first look at the database's clock, or not at all.
    pub write_within: Duration,
    /// R11: the window over which removals are counted.
    pub brake_window: Duration,
    /// R11: this many removals are always allowed.
    pub brake_floor: u32,
    /// R1: how many servers the first look ahead probes at a time.
    pub ahead: u16,
    /// The row is read again this often when nothing happens, +- jitter.
    pub reread: Duration,
    /// R10: an unknown prober makes the row be read again at most this often.
    pub stranger_every: Duration,
    /// How long a join waits for its proof before it tries another place.
    pub join_proof: Duration,
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
        Tuning {
            interval,
            deadline,
            pulse_every,
            pulse_gone,
            burst,
            suspect_misses: 3,
            removal_misses: 16,
            removal_silence: ms(100),
            removal_silence_most: Duration::from_secs(2),
            vote_lifetime: Duration::from_secs(30),
            revote: ms(500),
            mutual_fresh: ms(1500),
            mutual_limit: Duration::from_secs(3),
            alone_one: Duration::from_secs(1),
            alone_more: Duration::from_secs(2),
            write_within: ms(500),
            brake_window: Duration::from_secs(600),
            brake_floor: 3,
            ahead: 16,
            reread: Duration::from_secs(30),
            stranger_every: ms(100),
            join_proof: Duration::from_secs(1),
            without: Without::NOTHING,
        }
    }
}
