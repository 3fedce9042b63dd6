//! The rows of the server table and of the pool table, as the core sees them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

pub use ringmon_common::wire::Health;
use ringmon_common::wire::{FIRST_VERSION, SPOKEN, VERSION};
use serde::{Deserialize, Serialize};

use super::{DbTime, Incarnation, PoolId, ServerId};
pub use crate::card::{Address, Card, Clients};
use crate::{law, words};

/// The two directions around the ring. In a vote, it is the side of the suspect on which the voter is.
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

/// What a voter says about a suspect.
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
    /// Id of the voter's row.
    pub voter: ServerId,
    /// Incarnation of the voter. A vote ends with it (R5).
    pub voter_incarnation: Incarnation,
    /// When this voter's uninterrupted accusation began. The accused's wait (R3) and R5 count from here.
    pub since: DbTime,
    /// When it was last renewed. A vote's freshness (R4) and lifetime (R5, 30 s) count from here.
    pub at: DbTime,
    /// Whether the host is silent or only its agent.
    pub kind: VoteKind,
}

impl Vote {
    /// Whether the vote counts: cast by this life of its voter (R5, R8), renewed within `lifetime`, and not stamped
    /// later than now (R7), except for as much as the reader's clock may be `behind`. `None`: the voter is not in the
    /// table.
    #[must_use]
    pub fn stands(&self, voter: Option<&ServerRow>, now: DbTime, lifetime: Duration, behind: Duration) -> bool {
        let lives = voter.is_some_and(|row| row.id == self.voter && row.incarnation == self.voter_incarnation);
        lives && self.is_fresh(now, lifetime, behind)
    }

    /// The same, but a vote by any life counts.
    #[must_use]
    pub fn is_fresh(&self, now: DbTime, lifetime: Duration, behind: Duration) -> bool {
        let latest = now + behind;
        self.since <= latest && self.at <= latest && now.since(self.at).unwrap_or_default() < lifetime
    }
}

words!(Health: Unknown = "unknown", Passing = "passing", Failing = "failing");

/// What a server writes into its own row about votes against it. A vote is a challenge; this is the accused's side of
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answering {
    /// The incarnation that wrote this. For another life of the server it counts for nothing.
    pub life: Incarnation,
    /// How long the server needs to notice that it is accused and to write an answer. No removal counts a vote before
    /// it is that old.
    pub wait: Duration,
    /// The newest version of the probes' wire format that it knows. [`SPOKEN`]: and its probes show that it gets
    /// answers.
    pub wire: u8,
    /// The last answer: another server that this one hears.
    pub answer: Option<Answer>,
}

/// An answer to all votes against a server: it hears another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When it was written, by the database's clock.
    pub at: DbTime,
    /// Id of the server that it hears. Its own: it hears nobody, and has just found that out.
    pub hears: ServerId,
}

/// One row of `server`: every row is on the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRow {
    /// Never reused.
    pub id: ServerId,
    /// Name, addresses, ports, weight and boot token.
    pub card: Card,
    /// The next server on the ring; itself in a ring of one.
    pub first_buddy: ServerId,
    /// The previous server on the ring; itself in a ring of one.
    pub second_buddy: ServerId,
    /// Incarnation of this server.
    pub incarnation: Incarnation,
    /// Random and unique in its pool, for choosing a random server in O(log n).
    pub pick: i64,
    /// Whether new clients should stay away.
    pub draining: bool,
    /// The result of its service checks.
    pub health: Health,
    /// The vote by the server on its first-buddy side.
    pub vote_first: Option<Vote>,
    /// The vote by the server on its second-buddy side.
    pub vote_second: Option<Vote>,
    /// Since when this server has reported that it hears no other server (R2). The report is renewed while it is true.
    pub alone_since: Option<DbTime>,
    /// When `alone_since` was last renewed.
    pub alone_at: Option<DbTime>,
    /// What that report is about, since `alone_since`. `Host`: it has looked at the whole ring, and no host answers.
    /// `Agent`: some may. `None`: there is no report, or an agent of an older version or an older schema has it.
    pub alone_kind: Option<VoteKind>,
    /// Its answer to votes, as some life of it wrote it; `None`: an agent of an older version, or an older schema. See
    /// [`Self::answering`].
    pub answering: Option<Answering>,
    /// Grows with every change of the row. Compare-and-swap compares it (R4, R8).
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

    /// Whether this life of the server votes against `other`.
    #[must_use]
    pub fn accuses(&self, other: &Self) -> bool {
        let own = |vote: &&Vote| vote.voter == self.id && vote.voter_incarnation == self.incarnation;
        Side::BOTH.into_iter().any(|side| other.vote(side).filter(own).is_some())
    }

    /// R3: how long this server needs to answer a vote. It is not known of an agent that cannot answer.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.answering().map_or(law::WAIT_MOST, |answering| answering.wait.clamp(law::WAIT_LEAST, law::WAIT_MOST))
    }

    /// How old a vote by this server may be before it counts as not renewed: one that is far from the database is late.
    #[must_use]
    pub fn renewal(&self) -> Duration {
        law::RENEWED + self.answering().map_or(Duration::ZERO, |_| self.wait())
    }

    /// Since when this server answers this vote no more: it did, or was about to when the vote was cast.
    #[must_use]
    pub fn ceased(&self, vote: &Vote) -> Option<DbTime> {
        let last = self.answering()?.answer?.at;
        (last + law::RENEWED > vote.since).then_some(last)
    }

    /// In which version of the wire format this life of the server is probed: the newest one that both know.
    #[must_use]
    pub fn wire(&self) -> u8 {
        self.answering().map_or(FIRST_VERSION, |answering| answering.wire.clamp(FIRST_VERSION, VERSION))
    }

    /// Whether the probes of this life of the server show that it gets answers, which nobody can who sends them again.
    #[must_use]
    pub fn proves(&self) -> bool {
        self.answering().is_some_and(|answering| answering.wire >= SPOKEN)
    }

    /// What this life of the server says to votes. `None`: it does not know how to answer.
    #[must_use]
    pub fn answering(&self) -> Option<&Answering> {
        self.answering.as_ref().filter(|answering| answering.life == self.incarnation)
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

/// Which server may remove all others when it hears none of them and the database answers (R2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alone {
    /// Only a server whose pool has one other server.
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
    /// Removals are made.
    #[default]
    Act,
    /// Everything but the last step: votes are cast, and no server is removed.
    Observe,
}

words!(Mode: Act = "act", Observe = "observe");

/// The pool's rules (R11): they live in the pool's row, and an agent's own file cannot weaken them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Witnesses a removal needs.
    pub quorum: Quorum,
    /// How long an agent without a pulse has to come back.
    pub agent_timeout: Duration,
    /// The largest share of the pool that may be removed within ten minutes, in thousandths; 1000 turns the brake off.
    pub brake_permille: u16,
    /// Which server may remove all others.
    pub alone: Alone,
    /// Whether removals are made or only shown.
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

/// A pool's secret key. `Debug` never prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolKey {
    /// Sent in clear text beside each tag, to tell the keys apart during a rotation.
    pub id: u8,
    /// 128 bits, as SipHash needs them.
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
    /// Id of the pool's row.
    pub id: PoolId,
    /// Name of the pool.
    pub name: String,
    /// Rules of the pool.
    pub rules: Rules,
    /// Why no server is removed now; `None`: not frozen.
    pub frozen: Option<String>,
    /// The current key first, then the one that it replaced, while both are accepted. Never serialised, so no recording
    /// contains them.
    #[serde(skip)]
    pub keys: Vec<PoolKey>,
    /// Grows with every change of the row.
    pub version: i64,
}
