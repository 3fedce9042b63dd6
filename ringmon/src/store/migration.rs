//! The schema's history. A migration that was released is never edited; new ones are appended.

use sea_orm_migration::{MigrationTrait, MigratorTrait};

mod m0001_ring;
mod m0002_history;
mod m0003_answers;
mod m0004_alone_kind;

/// All of them, the oldest first.
pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_ring::Migration),
            Box::new(m0002_history::Migration),
            Box::new(m0003_answers::Migration),
            Box::new(m0004_alone_kind::Migration),
        ]
    }
}
