//! Which version of the schema a database has, and whether this program may work with it.

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use super::Error;
use super::connect::Database;
use super::migration::Migrator;

/// The version that this program makes: the number of the newest migration.
pub const SCHEMA_VERSION: u32 = 4;

/// The oldest version that it works with: at least the one before. So the programs of a pool are exchanged first, one
/// machine after the other, and the schema follows once they all know the new one. So what a program needs is in the
/// schema one version before it is used, or it does without.
pub const OLDEST_SCHEMA: u32 = 2;

/// The version since which a row has room for its server's answer. Before, no statement names these columns.
pub(super) const ANSWERS: u32 = 3;

/// The version since which a row says what its alone mark is about. Before, no mark has a kind.
pub(super) const ALONE_KIND: u32 = 4;

/// An index over many events takes time; nobody waits for it.
const MIGRATION: Duration = Duration::from_secs(600);

/// How often it looks again when others write the schema at the same time.
const TRIES: u32 = 20;

const PAUSE: Duration = Duration::from_millis(100);

const TABLE: &str = "seaql_migrations";

impl Database {
    /// The version in the database; 0 if there is none. It writes nothing, not even the table of the migrations.
    pub(super) async fn schema_version(&self) -> Result<u32, Error> {
        let found = self
            .bounded("reading the schema's version", async |db| {
                if SchemaManager::new(db).has_table(TABLE).await? { newest(db).await } else { Ok(0) }
            })
            .await?;
        self.seen_schema.store(found, Ordering::Relaxed);
        Ok(found)
    }

    /// The version for the next statements. As long as it is older than this program, it is looked up each time:
    /// somebody may raise it while this program runs.
    pub(super) async fn schema(&self, db: &impl ConnectionTrait) -> Result<u32, Error> {
        let seen = self.seen_schema.load(Ordering::Relaxed);
        if seen >= SCHEMA_VERSION {
            return Ok(seen);
        }
        let found = self.bounded("reading the schema's version", async |_| newest(db).await).await?;
        self.seen_schema.store(found, Ordering::Relaxed);
        Ok(found)
    }

    /// Whether this program can work with the schema.
    ///
    /// # Errors
    /// [`Error::SchemaMissing`], [`Error::SchemaTooOld`], [`Error::SchemaTooNew`]: both versions, and what to do.
    pub(super) async fn check_schema(&self) -> Result<(), Error> {
        let (place, found) = (self.url().to_string(), self.schema_version().await?);
        if found != 0 && found < SCHEMA_VERSION {
            tracing::info!(
                "{place} holds schema version {found}: when all machines have this ringmon, \
                 run `ringmon init` for version {SCHEMA_VERSION}"
            );
        }
        judge(place, found, OLDEST_SCHEMA..=SCHEMA_VERSION)
    }

    /// Brings the schema up to [`SCHEMA_VERSION`]. It may run at any time, and several times at once.
    ///
    /// # Errors
    /// [`Error::SchemaTooNew`] before anything is written. After any other error some of the steps may be done, and may
    /// run again.
    pub(super) async fn migrate(&self) -> Result<u32, Error> {
        let found = self.schema_version().await?;
        if found > SCHEMA_VERSION {
            return Err(Error::SchemaTooNew { place: self.url().to_string(), found, ours: SCHEMA_VERSION });
        }
        let mut tries = 0;
        while self.schema_version().await? < SCHEMA_VERSION {
            tries += 1;
            match self.once(MIGRATION, "writing the schema", async |db| Migrator::up(db, None).await).await {
                // Somebody else writes it too: look again how far it is.
                Err(Error::Contended { .. } | Error::Locked { .. }) if tries < TRIES => tokio::time::sleep(PAUSE).await,
                other => other?,
            }
        }
        Ok(found)
    }
}

async fn newest(db: &impl ConnectionTrait) -> Result<u32, DbErr> {
    let mut newest = 0;
    for row in db.query_all(Query::select().expr(Expr::col("version")).from(TABLE)).await? {
        newest = newest.max(number(&row.try_get_by_index::<String>(0)?));
    }
    Ok(newest)
}

/// What a program that works with the versions `known` does with a schema of this version.
pub(super) fn judge(place: String, found: u32, known: RangeInclusive<u32>) -> Result<(), Error> {
    let (oldest, ours) = known.into_inner();
    match found {
        0 => Err(Error::SchemaMissing { place, ours }),
        _ if found < oldest => Err(Error::SchemaTooOld { place, found, oldest, ours }),
        _ if found > ours => Err(Error::SchemaTooNew { place, found, ours }),
        _ => Ok(()),
    }
}

/// `m0001_ring` is 1. A name that does not begin like this is not ours, and counts as newer than anything known.
pub(super) fn number(migration: &str) -> u32 {
    let digits = migration.strip_prefix('m').and_then(|rest| rest.split('_').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}
