//! Ids of different things, as types that cannot be mixed up.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// A server's id in the table. The database assigns it and never reuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub i64);

impl ServerId {
    /// In a [`Plan`](super::Plan): the row that this plan inserts, whose id is not known yet. The executor replaces it
    /// with the real id wherever a link has this value. Databases count from 1.
    pub const NEW: Self = Self(0);
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A pool's id in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolId(pub i64);

/// A life of a server: max(database time in microseconds, own last + 1), so it grows at each join (R8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub i64);

/// Distinguishes one installation of an agent from another with the same name. It is drawn once and kept in the state
/// directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootToken(pub String);
