//! A server as others watch it, and the list of two buddies that an agent keeps on disk.

use alloc::string::{String, ToString};

use ringmon_common::wire::FIRST_VERSION;
use serde::{Deserialize, Serialize};

use crate::row::{Address, ServerRow};
use crate::{Incarnation, ServerId};

/// A server as an agent keeps it on disk and watches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buddy {
    /// Id of its row.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// UDP port on which it takes notices.
    pub notice_port: u16,
    /// Its incarnation, as last read.
    pub incarnation: Incarnation,
    /// In which version of the wire format it is probed. A list that an older agent kept does not say.
    #[serde(default = "first_version")]
    pub wire: u8,
    /// Whether its probes show that it gets answers ([`ServerRow::proves`]).
    #[serde(default)]
    pub proves: bool,
}

const fn first_version() -> u8 {
    FIRST_VERSION
}

impl Buddy {
    /// A server of which only the address is known.
    #[must_use]
    pub(crate) fn stranger(address: Address) -> Self {
        let (name, wire) = (address.to_string(), FIRST_VERSION);
        Self { id: ServerId::NEW, name, address, notice_port: 0, incarnation: Incarnation(0), wire, proves: false }
    }
}

impl From<&ServerRow> for Buddy {
    fn from(row: &ServerRow) -> Self {
        Self {
            id: row.id,
            name: row.card.name.clone(),
            address: row.card.address,
            notice_port: row.card.notice_port,
            incarnation: row.incarnation,
            wire: row.wire(),
            proves: row.proves(),
        }
    }
}

/// The buddy list. It is kept on disk and used at start while the database does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuddyList {
    /// Id of this server's row.
    pub id: ServerId,
    /// Incarnation of this server.
    pub incarnation: Incarnation,
    /// The next server on the ring; `None` in a ring of one.
    pub first: Option<Buddy>,
    /// The previous server on the ring; `None` in a ring of one.
    pub second: Option<Buddy>,
    /// An operator wants no new clients here. If the row is gone at the next start, the next row says so too.
    #[serde(default)]
    pub drained: bool,
}
