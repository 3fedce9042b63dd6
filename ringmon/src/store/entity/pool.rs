//! One row for each pool: its rules and its keys.
#![allow(missing_docs, reason = "sea-orm's derive makes undocumented public items")]

use sea_orm::entity::prelude::*;

/// A row of `pool`.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pool")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Unique, case-sensitive.
    pub name: String,
    /// `single`, `both`.
    pub quorum: String,
    pub agent_timeout_us: i64,
    /// Thousandths; 1000: no brake.
    pub brake_permille: i32,
    /// `one`, `all`.
    pub alone: String,
    /// `act`, `observe`.
    pub mode: String,
    /// Why no server may be removed just now.
    pub frozen: Option<String>,
    /// The id of the key in use.
    pub key_id: i32,
    /// Its 16 bytes.
    pub key_secret: Vec<u8>,
    /// The id of the key before it, while both are accepted.
    pub old_key_id: Option<i32>,
    /// Its 16 bytes.
    pub old_key_secret: Option<Vec<u8>>,
    /// Grows with every change.
    pub version: i64,
    /// The database's clock, in microseconds.
    pub created_at: i64,
}

// Written by hand: the derived one would print the keys.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("pool::Model").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
