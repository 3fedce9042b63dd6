//! Version 3: columns for a server's answer to votes, and for what is promised next.
//!
//! `answer_*` is what a server writes into its own row when it is accused: which life of it wrote that, how many
//! milliseconds it needs to answer, and when it heard which other server.
//!
//! The rest has no reader yet. It is there already because a program must find what it uses in the schema one version
//! before: `rules` and `wire` of a server say which rules and which version of the wire format its agent knows; `rules`
//! of a pool, by which of them it is judged; `identity` tells a pool from one of the same name that was made anew, and
//! `epoch` the table from itself before a restore.
//!
//! All are nullable and come last, which MariaDB (10.3) and MySQL (8.0.12) do without copying the table. Programs of
//! version 2 miss nothing: they name every column that they read or write, and what they write leaves these NULL.

use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::prelude::*;

/// The number is the version of the schema after it.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_answers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new;
        let server = [
            column("answer_life").big_integer().take(),
            column("answer_wait_ms").integer().take(),
            column("answer_at").big_integer().take(),
            column("answer_hears").big_integer().take(),
            column("rules").small_integer().take(),
            column("wire").small_integer().take(),
        ];
        let pool = [
            // As long as a server's boot token.
            column("identity").string_len(64).take(),
            column("epoch").big_integer().take(),
            column("rules").small_integer().take(),
        ];
        add(manager, "server", &server).await?;
        add(manager, "pool", &pool).await
    }
}

/// Makes sure that the table has these columns. MySQL has no `IF NOT EXISTS` for it, so it looks first. It looks again
/// afterwards, because somebody else may have done it in between.
pub(super) async fn add(manager: &SchemaManager<'_>, table: &'static str, columns: &[ColumnDef]) -> Result<(), DbErr> {
    let missing = missing(manager, table, columns).await?;
    // All at once means one lock on the table; SQLite takes only one at a time.
    let at_once = if manager.get_database_backend() == DbBackend::Sqlite { 1 } else { columns.len() };
    for some in missing.chunks(at_once) {
        let mut alter = Table::alter().table(table).take();
        for column in some {
            alter.add_column(column.clone().null());
        }
        match manager.alter_table(alter).await {
            Err(_) if self::missing(manager, table, some).await?.is_empty() => {}
            other => other?,
        }
    }
    Ok(())
}

async fn missing(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[ColumnDef],
) -> Result<Vec<ColumnDef>, DbErr> {
    let mut missing = Vec::new();
    for column in columns {
        if !manager.has_column(table, column.get_column_name()).await? {
            missing.push(column.clone());
        }
    }
    Ok(missing)
}
