//! The circumstances of events. A field that only some tellers know is optional, and left out where it is not known:
//! so what an older version wrote can be read too.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EventBody, EventKind};
use crate::outcome::Removal;
use crate::row::{Address, Health, Quorum, VoteKind};
use crate::{Incarnation, ServerId, Word as _};

/// Spliced in, or in its place again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Where it is probed: the table says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// How many places it tried: the server itself says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The new life.
    #[serde(default)]
    pub incarnation: Incarnation,
    /// Its row was still there, with its place on the ring.
    #[serde(default)]
    pub kept_place: bool,
}

/// What made a suspicion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspected {
    /// Share of its probes that the watch loses by itself, as it is counted upon.
    pub loss: f64,
    /// Misses in a row.
    pub misses: u32,
    /// How many were needed.
    pub needed: u32,
    /// Silence that a removal asks for (R6).
    pub silence_asked_ms: f64,
    /// Silence so far.
    pub silence_ms: f64,
}

/// What the one who tells of a removal knew of its subject. From the table: what the remover knew.
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

/// A removal. Agents tell `voters` and `evidence`; the table has all but `evidence`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// Where the removed server was probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Which life of the remover removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_incarnation: Option<Incarnation>,
    /// The servers that are buddies now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<(ServerId, ServerId)>,
    /// What the one who tells it saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// How old each vote had to be (R3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
    /// Which life was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    /// The remover's misses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misses: Option<u32>,
    /// How many witnesses the pool asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
    /// What the remover's outcome says: it is read back when the answer to its COMMIT was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// The remover's silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
    /// The names of those who said so, the remover first.
    pub voters: Vec<String>,
    /// The votes it rests on, as the remover read them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<Vec<VoteSeen>>,
}

impl Removed {
    /// What the remover saw, for those who learn of it from the table.
    #[must_use]
    pub fn witnessed(&self) -> Option<Evidence> {
        let silence_ms = self.silence_ms.map(|ms| ms as f64);
        let known = self.misses.is_some() || silence_ms.is_some();
        known.then_some(Evidence { misses: self.misses, pulseless_ms: None, silence_ms })
    }
}

/// A vote as a remover read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteSeen {
    /// Since it was cast; `None`: its stamp is from the future.
    pub age_ms: Option<u64>,
    /// What it says.
    pub kind: VoteKind,
    /// Since it was last renewed.
    pub renewed_ms: Option<u64>,
    /// The voter's name.
    pub voter: String,
}

/// A clean leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Left {
    /// Where it was probed: the table says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Whose word it was: agents say so, the table has a column for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Which life of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
}

/// Why a server that finds itself off the ring is: the event in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Who wrote it.
    pub by: String,
    /// What it says.
    #[serde(flatten)]
    pub body: EventBody,
}

/// Why nobody is removed now (R11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frozen {
    /// Of the brake: the names of those who would have gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Vec<String>>,
    /// Of the brake: how many may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Of the brake: how many went before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
    /// In words.
    pub why: String,
}

/// What a repair of the ring changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repaired {
    /// The first of the rows that have other links now.
    pub changed: Vec<Relinked>,
    /// The first of what was wrong, in words.
    pub damages: Vec<String>,
    /// How many rows have other links now.
    pub rows: usize,
}

/// A row whose links a repair changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relinked {
    /// Its id.
    pub id: ServerId,
    /// Its links now.
    pub is: LinkPair,
    /// Its name.
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

/// A service check changed, or clients are to go elsewhere, or come back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// The check that fails, as it was configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// Whether clients are to go elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draining: Option<bool>,
    /// What the checks say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Why the check fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Characters of a name or a sentence that a detail keeps where it has to be short.
const SHORT: usize = 250;

impl EventBody {
    /// The circumstances as JSON: an object, its keys in alphabetical order.
    #[must_use]
    pub fn detail(&self) -> Value {
        // Names, numbers and strings in a map with string keys: nothing in it could not be written as JSON.
        let whole = serde_json::to_value(self).unwrap_or_default();
        whole.get("detail").cloned().unwrap_or_default()
    }

    /// From what [`Self::detail`] made.
    ///
    /// # Errors
    /// What an event of this kind must say is missing, or is something else.
    pub fn read(kind: EventKind, detail: Value) -> Result<Self, serde_json::Error> {
        let mut whole = serde_json::Map::new();
        whole.insert("kind".to_string(), kind.word().into());
        whole.insert("detail".to_string(), detail);
        serde_json::from_value(Value::Object(whole))
    }

    /// The same in a few kilobytes: lists are dropped and texts cut, what an operation reads back stays. Only events of
    /// the table get long: those with names, which a hand may have written there, and with lists of them.
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
            frozen.due = None;
            cut(&mut frozen.why);
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
