//! Version 1: `pool`, `server`, `event`.
//!
//! Every step may run again: MySQL's DDL commits by itself, so an interrupted run leaves a part behind. There are no
//! foreign keys: splices pass through intermediate states, and keys add locks.

use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::prelude::*;

/// The number is the version of the schema after it.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_ring"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, pool(), &[Key::unique("pool_name", "pool", &["name"])]).await?;
        let keys = [
            Key::unique("server_name", "server", &["pool", "name"]),
            Key::unique("server_address", "server", &["pool", "address"]),
            Key::unique("server_pick", "server", &["pool", "pick"]),
        ];
        create(manager, server(), &keys).await?;
        let keys = [
            // For removals within a time, for the newest event of a server, and for the log in its order.
            Key::plain("event_kind_at", "event", &["pool", "kind", "at"]),
            Key::plain("event_subject", "event", &["subject", "id"]),
            Key::plain("event_pool", "event", &["pool", "id"]),
        ];
        create(manager, event(), &keys).await
    }
}

fn pool() -> TableCreateStatement {
    table("pool")
        .col(id())
        .col(text("name", 255).not_null())
        .col(text("quorum", 16).not_null())
        .col(big("agent_timeout_us").not_null())
        .col(small("brake_permille").not_null())
        .col(text("alone", 16).not_null())
        .col(text("mode", 16).not_null())
        .col(ColumnDef::new("frozen").text().null())
        .col(small("key_id").not_null())
        .col(ColumnDef::new("key_secret").binary_len(16).not_null())
        .col(small("old_key_id").null())
        .col(ColumnDef::new("old_key_secret").binary_len(16).null())
        .col(big("version").not_null())
        .col(big("created_at").not_null())
        .take()
}

fn server() -> TableCreateStatement {
    let mut table = table("server");
    table
        .col(id())
        .col(big("pool").not_null())
        .col(text("name", 255).not_null())
        .col(text("address", 45).not_null())
        .col(small("notice_port").not_null())
        .col(text("route_address", 45).null())
        .col(small("route_port").null())
        .col(small("weight").not_null())
        .col(big("first_buddy").not_null())
        .col(big("second_buddy").not_null())
        .col(big("incarnation").not_null())
        .col(text("boot", 64).not_null())
        .col(big("pick").not_null())
        .col(ColumnDef::new("draining").boolean().not_null())
        .col(text("health", 16).not_null());
    for side in ["first", "second"] {
        table
            .col(big(format!("vote_{side}_voter")).null())
            .col(big(format!("vote_{side}_incarnation")).null())
            .col(big(format!("vote_{side}_since")).null())
            .col(big(format!("vote_{side}_at")).null())
            .col(text(format!("vote_{side}_kind"), 16).null());
    }
    table.col(big("alone_since").null()).col(big("alone_at").null()).col(big("version").not_null()).take()
}

fn event() -> TableCreateStatement {
    table("event")
        .col(id())
        .col(big("pool").not_null())
        .col(big("at").not_null())
        .col(text("kind", 32).not_null())
        .col(big("subject").null())
        .col(text("subject_name", 255).not_null())
        .col(text("said_by", 255).not_null())
        .col(ColumnDef::new("detail").text().not_null())
        .take()
}

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).if_not_exists().take()
}

/// SQLite turns this into AUTOINCREMENT. Without it, ids would be used twice.
fn id() -> ColumnDef {
    ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key().take()
}

fn big(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

fn small(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).integer().take()
}

fn text(name: impl IntoIden, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).take()
}

struct Key {
    name: &'static str,
    table: &'static str,
    columns: &'static [&'static str],
    unique: bool,
}

impl Key {
    const fn unique(name: &'static str, table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, table, columns, unique: true }
    }

    const fn plain(name: &'static str, table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, table, columns, unique: false }
    }

    fn statement(&self) -> IndexCreateStatement {
        let mut index = Index::create().name(self.name).take();
        for column in self.columns {
            index.col(*column);
        }
        if self.unique {
            index.unique();
        }
        index
    }
}

/// MySQL takes indexes only together with the table if the step must be repeatable; SQLite takes them only separately.
/// Names are compared byte by byte: SQLite does that anyway, but MySQL's default collation ignores case.
async fn create(manager: &SchemaManager<'_>, mut table: TableCreateStatement, keys: &[Key]) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Sqlite {
        for key in keys {
            table.index(&mut key.statement());
        }
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        return manager.create_table(table).await;
    }
    manager.create_table(table).await?;
    for key in keys {
        manager.create_index(key.statement().table(key.table).if_not_exists().take()).await?;
    }
    Ok(())
}
