//! Which version of the schema a database holds, and whether this program may work on it.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Expr, Query};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use super::Error;
use super::connect::Database;
use super::migration::Migrator;

/// The version this program knows: the number of the newest migration.
pub const SCHEMA_VERSION: u32 = 2;

/// How often to look again when others write the schema at the same time.
const TRIES: u32 = 20;

const PAUSE: Duration = Duration::from_millis(100);

const TABLE: &str = "seaql_migrations";

impl Database {
    /// The version in the database; 0 if there is none. Writes nothing, not even migrations' own table.
    pub(super) async fn schema_version(&self) -> Result<u32, Error> {
        self.bounded("reading the schema's version", async |db| {
            if !SchemaManager::new(db).has_table(TABLE).await? {
                return Ok(0);
            }
            let rows = db.query_all(Query::select().expr(Expr::col("version")).from(TABLE)).await?;
            let mut newest = 0;
            for row in rows {
                newest = newest.max(number(&row.try_get_by_index::<String>(0)?));
            }
            Ok(newest)
        })
        .await
    }

    /// Whether the schema is the one this program knows.
    ///
    /// # Errors
    /// [`Error::SchemaMissing`], [`Error::SchemaTooOld`], [`Error::SchemaTooNew`]: both versions, and what to do.
    pub(super) async fn check_schema(&self) -> Result<(), Error> {
        let (place, ours) = (self.url().to_string(), SCHEMA_VERSION);
        match self.schema_version().await? {
            0 => Err(Error::SchemaMissing { place, ours }),
            found if found < ours => Err(Error::SchemaTooOld { place, found, ours }),
            found if found > ours => Err(Error::SchemaTooNew { place, found, ours }),
            _ => Ok(()),
        }
    }

    /// Bring the schema up to [`SCHEMA_VERSION`]; may be run at any time, by several at once.
    ///
    /// # Errors
    /// [`Error::SchemaTooNew`] before anything is written. After any other a part of the steps may be done; they may be run again.
    pub(super) async fn migrate(&self) -> Result<u32, Error> {
        let found = self.schema_version().await?;
        if found > SCHEMA_VERSION {
            return Err(Error::SchemaTooNew { place: self.url().to_string(), found, ours: SCHEMA_VERSION });
        }
        let mut tries = 0;
        while self.schema_version().await? < SCHEMA_VERSION {
            tries += 1;
            match self.patiently("writing the schema", async |db| Migrator::up(db, None).await).await {
                // Somebody else writes it too: look again how far it is.
                Err(Error::Contended { .. }) if tries < TRIES => tokio::time::sleep(PAUSE).await,
                other => other?,
            }
        }
        Ok(found)
    }
}

/// `m0001_ring` is 1. A name that does not begin like this is none of ours, and newer than anything known.
fn number(migration: &str) -> u32 {
    let digits = migration.strip_prefix('m').and_then(|rest| rest.split('_').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}
