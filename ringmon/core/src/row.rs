//! The rows of the server table and of the pool table, as the core sees them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

pub use ringmon_common::wire::Health;
use serde::{Deserialize, Serialize};

use super::{DbTime, Incarnation, PoolId, ServerId};
pub use crate::card::{Address, Card, Clients};
use crate::words;

/// The two directions around the ring. Of a vote: the side of the suspect on which its voter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Towards the first buddy, the next server on the ring.
    First,
    /// Towards the second buddy, the previous server on the ring.
    Second,
}

words!(Side: First = "first", Second = "second");

impl Side {
    /// Both sides, in the order of the table's columns.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// The other direction.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// What a voter says of a suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VoteKind {
    /// No reply of any kind.
    Host,
    /// Replies, but no fresh pulse.
    Agent,
}

words!(VoteKind: Host = "host", Agent = "agent");

/// A suspicion written into the suspected server's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who votes.
    pub voter: ServerId,
    /// Which life of the voter: a vote dies with it (R5).
    pub voter_incarnation: Incarnation,
    /// Begin of this uninterrupted accusation by this voter: what H and R5 count from.
    pub since: DbTime,
    /// When it was last renewed: what a vote's freshness (R4) and lifetime (R5, 30 s) count from.
    pub at: DbTime,
    /// What is said.
    pub kind: VoteKind,
}

impl Vote {
    /// Whether it counts: cast by this life of its voter (R5, R8), renewed within `lifetime`, and not stamped later
    /// than now (R7), but for what the reader's clock may be `behind`. `None`: the voter is not in the table.
    #[must_use]
    pub fn stands(&self, voter: Option<&ServerRow>, now: DbTime, lifetime: Duration, behind: Duration) -> bool {
        let lives = voter.is_some_and(|row| row.id == self.voter && row.incarnation == self.voter_incarnation);
        lives && self.is_fresh(now, lifetime, behind)
    }

    /// The same, whichever life cast it.
    #[must_use]
    pub fn is_fresh(&self, now: DbTime, lifetime: Duration, behind: Duration) -> bool {
        let latest = now + behind;
        self.since <= latest && self.at <= latest && now.since(self.at).unwrap_or_default() < lifetime
    }
}

words!(Health: Unknown = "unknown", Passing = "passing", Failing = "failing");

/// One row of `server`: every row is on the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRow {
    /// Never reused.
    pub id: ServerId,
    /// What it says of itself.
    pub card: Card,
    /// The next server on the ring; itself in a ring of one.
    pub first_buddy: ServerId,
    /// The previous server on the ring; itself in a ring of one.
    pub second_buddy: ServerId,
    /// Which life of this server.
    pub incarnation: Incarnation,
    /// Random, unique in its pool: for choosing a random server in O(log n).
    pub pick: i64,
    /// To be left alone by clients.
    pub draining: bool,
    /// What its service check says.
    pub health: Health,
    /// The vote by the server on its first-buddy side.
    pub vote_first: Option<Vote>,
    /// The vote by the server on its second-buddy side.
    pub vote_second: Option<Vote>,
    /// This server hears nobody, and says so (R2): renewed while true.
    pub alone_since: Option<DbTime>,
    /// When `alone_since` was last renewed.
    pub alone_at: Option<DbTime>,
    /// Grows with every change of the row: what compare-and-swap compares (R4, R8).
    pub version: i64,
}

impl ServerRow {
    /// The buddy on `side`.
    #[must_use]
    pub const fn buddy(&self, side: Side) -> ServerId {
        match side {
            Side::First => self.first_buddy,
            Side::Second => self.second_buddy,
        }
    }

    /// The vote by the server on `side`.
    #[must_use]
    pub const fn vote(&self, side: Side) -> Option<&Vote> {
        match side {
            Side::First => self.vote_first.as_ref(),
            Side::Second => self.vote_second.as_ref(),
        }
    }
}

/// How many witnesses a removal needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quorum {
    /// One buddy's report is enough.
    Single,
    /// Both buddies must have been deaf to the server at the same time.
    #[default]
    Both,
}

words!(Quorum: Both = "both", Single = "single");

/// Who may remove all the others when it hears nobody and the database answers (R2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alone {
    /// Only a server with one other in its pool.
    #[default]
    One,
    /// Any server.
    All,
}

words!(Alone: One = "one", All = "all");

/// Whether removals are made or only shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything.
    #[default]
    Act,
    /// Everything but votes' last consequence: nobody is removed.
    Observe,
}

words!(Mode: Act = "act", Observe = "observe");

/// The pool's rules (R11): they live in the pool's row, and an agent's own file cannot weaken them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Witnesses a removal needs.
    pub quorum: Quorum,
    /// How long a lost agent has to come back.
    pub agent_timeout: Duration,
    /// The largest share of the pool that is removed within ten minutes, in thousandths; 1000 is no brake.
    pub brake_permille: u16,
    /// Who may remove all the others.
    pub alone: Alone,
    /// Act or observe.
    pub mode: Mode,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            quorum: Quorum::Both,
            agent_timeout: Duration::from_secs(3),
            brake_permille: 500,
            alone: Alone::One,
            mode: Mode::Act,
        }
    }
}

/// A pool's secret. `Debug` never prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolKey {
    /// Travels in clear beside each tag, to tell the keys apart during a rotation.
    pub id: u8,
    /// 128 bits, as SipHash takes them.
    pub secret: [u8; 16],
}

impl fmt::Debug for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolKey {{ id: {}, secret: <hidden> }}", self.id)
    }
}

/// One row of `pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolRow {
    /// Its id.
    pub id: PoolId,
    /// Its name.
    pub name: String,
    /// Its rules.
    pub rules: Rules,
    /// Why nobody is removed just now; `None`: not frozen.
    pub frozen: Option<String>,
    /// The key in use, first; then the one it replaced, while both are accepted. Never serialised: no recording has
    /// them.
    #[serde(skip)]
    pub keys: Vec<PoolKey>,
    /// Grows with every change of the row.
    pub version: i64,
}
