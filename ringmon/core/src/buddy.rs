//! A server as others watch it, and the list of two that an agent keeps on disk.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::row::{Address, ServerRow};
use crate::{Incarnation, ServerId};

/// A server as an agent keeps it on disk and watches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buddy {
    /// Its row.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Its notice port.
    pub notice_port: u16,
    /// Its incarnation, as last read.
    pub incarnation: Incarnation,
}

impl From<&ServerRow> for Buddy {
    fn from(row: &ServerRow) -> Self {
        Self {
            id: row.id,
            name: row.card.name.clone(),
            address: row.card.address,
            notice_port: row.card.notice_port,
            incarnation: row.incarnation,
        }
    }
}

/// The buddy list: kept on disk, used at start when the database is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuddyList {
    /// Own row.
    pub id: ServerId,
    /// Own incarnation.
    pub incarnation: Incarnation,
    /// Next on the ring; `None` in a ring of one.
    pub first: Option<Buddy>,
    /// Previous on the ring; `None` in a ring of one.
    pub second: Option<Buddy>,
}
