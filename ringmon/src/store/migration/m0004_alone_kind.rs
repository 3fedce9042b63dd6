//! Version 4: a column for what a server's alone mark is about, with the words of a vote's kind: whether no host
//! answers on the whole ring, or perhaps only agents are gone.
//!
//! It is nullable and comes last, as those of version 3. Programs of version 3 do not name it, and leave it as it is. A
//! kind that they leave behind when they take a mark back says nothing: without a mark it is not read, and no program
//! of version 3 starts on this schema to write another mark over it.

use sea_orm::DbErr;
use sea_orm_migration::prelude::*;

use super::m0003_answers::add;

/// The number is the version of the schema after it.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_alone_kind"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // As long as a vote's kind.
        add(manager, "server", &[ColumnDef::new("alone_kind").string_len(16).take()]).await
    }
}
