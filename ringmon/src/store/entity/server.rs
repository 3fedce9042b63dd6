//! One row for each server on the ring.
#![allow(missing_docs, reason = "sea-orm's derive makes undocumented public items")]

use sea_orm::entity::prelude::*;
use sea_orm::{Iterable, QuerySelect};

use crate::store::schema::{ALONE_KIND, ANSWERS};

/// A row of `server`. Times are the database's clock, in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "server")]
pub struct Model {
    /// Never reused.
    #[sea_orm(primary_key)]
    pub id: i64,
    pub pool: i64,
    /// Unique in its pool, case-sensitive.
    pub name: String,
    /// Unique in its pool, in the one canonical form of its family.
    pub address: String,
    pub notice_port: i32,
    pub route_address: Option<String>,
    pub route_port: Option<i32>,
    pub weight: i32,
    /// The next server on the ring.
    pub first_buddy: i64,
    /// The previous server on the ring.
    pub second_buddy: i64,
    pub incarnation: i64,
    /// Which installation has the name.
    pub boot: String,
    /// Random, unique in its pool.
    pub pick: i64,
    pub draining: bool,
    /// `unknown`, `passing`, `failing`.
    pub health: String,
    /// The vote by the server on the first-buddy side.
    pub vote_first_voter: Option<i64>,
    pub vote_first_incarnation: Option<i64>,
    /// The beginning of this accusation.
    pub vote_first_since: Option<i64>,
    /// When it was last renewed.
    pub vote_first_at: Option<i64>,
    /// `host`, `agent`.
    pub vote_first_kind: Option<String>,
    /// The vote by the server on the second-buddy side.
    pub vote_second_voter: Option<i64>,
    pub vote_second_incarnation: Option<i64>,
    pub vote_second_since: Option<i64>,
    pub vote_second_at: Option<i64>,
    pub vote_second_kind: Option<String>,
    pub alone_since: Option<i64>,
    pub alone_at: Option<i64>,
    /// Grows with every change.
    pub version: i64,
    /// Since schema version 3: the incarnation that wrote the next three.
    pub answer_life: Option<i64>,
    /// Milliseconds that this server needs to answer votes.
    pub answer_wait_ms: Option<i32>,
    pub answer_at: Option<i64>,
    /// The server that it heard then.
    pub answer_hears: Option<i64>,
    /// The newest version of the wire format that it knows.
    pub wire: Option<i16>,
    /// Since schema version 4: what the alone mark is about. `host`, `agent`.
    pub alone_kind: Option<String>,
}

impl Column {
    /// The columns of this version of the schema.
    pub fn of(schema: u32) -> impl Iterator<Item = Self> {
        use Column::{AloneKind, AnswerAt, AnswerHears, AnswerLife, AnswerWaitMs, Wire};
        let answers = |column: &Self| matches!(column, AnswerLife | AnswerWaitMs | AnswerAt | AnswerHears | Wire);
        let has = move |column: &Self| {
            (schema >= ANSWERS || !answers(column)) && (schema >= ALONE_KIND || !matches!(column, AloneKind))
        };
        Self::iter().filter(has)
    }
}

/// All columns of this version of the schema. (`SELECT *` would be shorter. But SQLite's driver keeps the names of a
/// statement's columns, and does not survive it when there are more.)
pub fn find(schema: u32) -> Select<Entity> {
    Entity::find().select_only().columns(Column::of(schema))
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
