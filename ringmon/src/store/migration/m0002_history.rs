//! Version 2: one index with the history of a pool in its order, and with the times.
//!
//! Deleting old events reads the oldest ones of a pool with their times. Of version 1's indexes, `event_pool` has the
//! order and `event_kind_at` has the times. MariaDB 10.11 takes the second one, and sorts the whole history of a pool
//! for every thousand events that it deletes. The new index has the same first columns as `event_pool` and replaces it,
//! so that writing an event costs as much as before.
//!
//! Programs of version 1 miss nothing: no statement names an index.

use sea_orm::DbErr;
use sea_orm_migration::prelude::*;

/// The number is the version of the schema after it.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_history"
    }
}

const TABLE: &str = "event";
const OLD: &str = "event_pool";
const NEW: &str = "event_history";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// First the new one, then the old one: so there is always one.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        bring_about(manager, NEW, true).await?;
        bring_about(manager, OLD, false).await
    }
}

/// Makes sure that this index exists, or that it does not. MySQL and MariaDB have no common `IF NOT EXISTS` for it, so
/// it looks first. It looks again afterwards, because somebody else may have done it in between.
async fn bring_about(manager: &SchemaManager<'_>, index: &'static str, wanted: bool) -> Result<(), DbErr> {
    if manager.has_index(TABLE, index).await? == wanted {
        return Ok(());
    }
    let done = if wanted {
        let create = Index::create().name(index).table(TABLE).col("pool").col("id").col("at").take();
        manager.create_index(create).await
    } else {
        manager.drop_index(Index::drop().name(index).table(TABLE).to_owned()).await
    };
    match done {
        Err(_) if manager.has_index(TABLE, index).await? == wanted => Ok(()),
        other => other,
    }
}
