//! The circumstances of events. A field that only some reporters know is optional and left out where it is unknown, so
//! details that an older version wrote can be read too.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EventBody, EventKind};
use crate::outcome::Removal;
use crate::row::{Address, Health, Quorum, VoteKind};
use crate::{Incarnation, ServerId, Word as _};

/// The server was spliced in, or took its place again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The address that is probed. Only the table has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// How many places the server tried. Only the server itself reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The new incarnation.
    #[serde(default)]
    pub incarnation: Incarnation,
    /// Whether its row was still there, with its place on the ring.
    #[serde(default)]
    pub kept_place: bool,
}

/// The row that shows that the table went back in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WentBack {
    /// What was known of it; `None`: its server was removed.
    pub known: Option<RowSeen>,
    /// Name of the server, or of the pool, whose row it is.
    pub row: String,
    /// What the table shows; `None`: the row is not there, and no event says why.
    pub seen: Option<RowSeen>,
}

/// What identifies one state of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSeen {
    /// Incarnation of the server. A pool has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    /// The name in the row, if the row with this id is another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of the row; `None`: it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// What led to a suspicion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspected {
    /// The share of probes (0 to 1) that the watch is assumed to lose by itself.
    pub loss: f64,
    /// Misses in a row.
    pub misses: u32,
    /// How many were needed.
    pub needed: u32,
    /// The silence that a removal requires (R6).
    pub silence_asked_ms: f64,
    /// The silence so far.
    pub silence_ms: f64,
}

/// What the reporter of a removal knew about its subject. In an event from the table: what the remover knew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Misses in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misses: Option<u32>,
    /// Time without a pulse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulseless_ms: Option<f64>,
    /// Time without a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<f64>,
}

/// A removal. Agents report `voters` and `evidence`; the table has everything except `evidence`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// Where the removed server was probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The incarnation of the remover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_incarnation: Option<Incarnation>,
    /// The servers that are buddies now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<(ServerId, ServerId)>,
    /// What the reporter saw itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// How long the accused had to have to answer (R3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
    /// The incarnation that was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    /// What the other witness's kernel said, if it took the place of that server's vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Evidence>,
    /// How many misses the remover counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misses: Option<u32>,
    /// How many witnesses the pool requires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
    /// The outcome for the remover. It is read back when the answer to its COMMIT was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// How long the remover had not heard the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
    /// The names of the accusers, the remover first.
    pub voters: Vec<String>,
    /// The votes that the removal rests on, as the remover read them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<Vec<VoteSeen>>,
}

impl Removed {
    /// What the remover saw, for agents that learn of the removal from the table.
    #[must_use]
    pub fn witnessed(&self) -> Option<Evidence> {
        let silence_ms = self.silence_ms.map(|ms| ms as f64);
        let known = self.misses.is_some() || silence_ms.is_some();
        known.then_some(Evidence { misses: self.misses, pulseless_ms: None, silence_ms })
    }
}

/// A vote as the remover read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteSeen {
    /// Time since it was cast; `None`: its stamp is from the future.
    pub age_ms: Option<u64>,
    /// Whether the host is silent or only its agent.
    pub kind: VoteKind,
    /// Time since it was last renewed.
    pub renewed_ms: Option<u64>,
    /// Name of the voter.
    pub voter: String,
}

/// A clean leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Left {
    /// The address that was probed. Only the table has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Name of the server or operator that made it leave. Only agents report it; the table has a column for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The incarnation that left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
}

/// Why a server finds itself off the ring: the event in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Name of the server or operator that wrote it.
    pub by: String,
    /// What happened, and how.
    #[serde(flatten)]
    pub body: EventBody,
}

/// Why no server is removed until the pool is thawed (R11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frozen {
    /// The reason in words.
    pub why: String,
}

/// What the brake holds back (R11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Braked {
    /// The names of the servers that would have been removed.
    pub due: Vec<String>,
    /// How many servers are gone.
    pub gone: u64,
    /// How many may be.
    pub limit: u64,
}

/// What a repair of the ring changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repaired {
    /// The first of the rows that now have other links.
    pub changed: Vec<Relinked>,
    /// The first of the damages, in words.
    pub damages: Vec<String>,
    /// How many rows now have other links.
    pub rows: usize,
}

/// A row whose links a repair changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relinked {
    /// Id of the row.
    pub id: ServerId,
    /// Its links now.
    pub is: LinkPair,
    /// Name of the server.
    pub server: String,
    /// Its links before.
    pub was: LinkPair,
}

/// Both links of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPair {
    /// The first buddy.
    pub first: ServerId,
    /// The second buddy.
    pub second: ServerId,
}

/// A service check changed, new clients should stay away or come again, or this server gets another share of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// The failing check, as it was configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// Whether new clients should stay away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draining: Option<bool>,
    /// The result of the checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Its new share of the clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Why the check fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How many characters of a name or sentence are kept in a detail that must be short.
const SHORT: usize = 250;

impl EventBody {
    /// The circumstances as a JSON object, with its keys in alphabetical order.
    #[must_use]
    pub fn detail(&self) -> Value {
        // The map has string keys and contains names, numbers and strings, so all of it can be written as JSON.
        let whole = serde_json::to_value(self).unwrap_or_default();
        whole.get("detail").cloned().unwrap_or_default()
    }

    /// Reads what [`Self::detail`] wrote.
    ///
    /// # Errors
    /// A field that an event of this kind must have is missing or has another type.
    pub fn read(kind: EventKind, detail: Value) -> Result<Self, serde_json::Error> {
        let mut whole = serde_json::Map::new();
        whole.insert("kind".to_string(), kind.word().into());
        whole.insert("detail".to_string(), detail);
        serde_json::from_value(Value::Object(whole))
    }

    /// The same in a few kilobytes: lists are dropped and texts cut, but fields that an operation reads back stay. Only
    /// events from the table get long: those with names that were written there by hand, and with lists of names.
    #[must_use]
    pub fn brief(mut self) -> Self {
        if let Self::Down(removed) | Self::AgentLost(removed) = &mut self {
            removed.votes = None;
            removed.voters.truncate(2);
            removed.voters.iter_mut().for_each(cut);
            if let Some(removal) = &mut removed.removal {
                cut(&mut removal.name);
                removal.voters.clone_from(&removed.voters);
            }
        } else if let Self::Frozen(frozen) = &mut self {
            cut(&mut frozen.why);
        } else if let Self::Braked(braked) = &mut self {
            braked.due.clear();
        } else if let Self::Thawed { why: Some(why) } = &mut self {
            cut(why);
        } else if let Self::Repaired(repaired) = &mut self {
            repaired.changed.clear();
            repaired.damages.clear();
        }
        self
    }
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(SHORT) {
        text.truncate(end);
    }
}
