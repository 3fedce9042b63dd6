//! One row for each change of the ring: history, which is in no other table.
#![allow(missing_docs, reason = "sea-orm's derive makes undocumented public items")]

use sea_orm::entity::prelude::*;

/// A row of `event`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub pool: i64,
    /// The database's clock, in microseconds.
    pub at: i64,
    /// A word of `EventKind`.
    pub kind: String,
    /// The row that it is about; null: it is about the pool.
    pub subject: Option<i64>,
    pub subject_name: String,
    /// The server that says so. (`by` is a word of SQL.)
    pub said_by: String,
    /// A JSON object.
    pub detail: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
