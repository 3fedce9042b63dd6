//! Version 2: the history of a pool in its order, with the times, in one index.
//!
//! Forgetting old events reads the oldest of a pool with their times. Of version 1's indices `event_pool` has the order and `event_kind_at` the times;
//! MariaDB 10.11 takes the second, and sorts all of a pool's history for every thousand events that it forgets. The new index begins like
//! `event_pool` and takes its place, so that writing an event costs what it did.
//!
//! Version 1's programs miss nothing: an index is in no statement.

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
    /// First the new, then the old: at no moment is there none.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        bring_about(manager, NEW, true).await?;
        bring_about(manager, OLD, false).await
    }
}

/// That there is such an index, or none. MySQL and MariaDB have no `IF NOT EXISTS` in common for it, so it is looked for first; and afterwards,
/// since somebody else may have done it in between.
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
