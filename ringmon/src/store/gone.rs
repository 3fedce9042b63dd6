//! R11: which servers are gone and not back.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait as _, Statement};

use super::convert::{micros, past_event};
use super::entity::event;
use super::{Error, PastEvent, Store};
use ringmon_core::PoolId;
#[cfg(doc)]
use ringmon_core::law;

/// Who was removed longer ago is no longer expected back.
pub const MISSED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What the brake counts, or what it lists. It looks at the events of the window and, for each removal, at one row of
/// `server` and at what was forgotten since. So its cost does not grow with the pool.
fn statement(backend: DbBackend, what: &str, pool: PoolId, since: i64) -> Statement {
    let sql = format!(
        "SELECT {what} FROM event e WHERE e.pool = ? AND e.kind IN ('down', 'agent_lost') AND e.at >= ? \
         AND NOT EXISTS (SELECT 1 FROM server s WHERE s.pool = e.pool AND s.name = e.subject_name) \
         AND NOT EXISTS (SELECT 1 FROM event f WHERE f.pool = e.pool AND f.kind = 'forgotten' AND f.at >= e.at \
           AND f.subject_name = e.subject_name)"
    );
    Statement::from_sql_and_values(backend, sql, [pool.0, since].map(sea_orm::Value::from))
}

pub(super) async fn count(db: &impl ConnectionTrait, pool: PoolId, since: i64) -> Result<u64, DbErr> {
    let query = statement(db.get_database_backend(), "COUNT(DISTINCT e.subject_name)", pool, since);
    let row = db.query_one_raw(query).await?;
    let count = row.map_or(Ok(0), |row| row.try_get_by_index::<i64>(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

impl Store {
    /// The names of the servers that were removed within `window`, are not back, and were not given up. With
    /// [`law::BRAKE_WINDOW`] they are those that the brake counts now.
    ///
    /// # Errors
    /// The database's.
    pub async fn gone(&self, window: Duration) -> Result<Vec<String>, Error> {
        let since = self.now().await?.as_us().saturating_sub(micros(window));
        let database = &self.inner.database;
        let query = statement(database.backend(), "DISTINCT e.subject_name", self.inner.pool, since);
        let read = async |db: &DatabaseConnection| {
            let rows = db.query_all_raw(query.clone()).await?;
            rows.iter().map(|row| row.try_get_by_index::<String>(0)).collect::<Result<Vec<_>, DbErr>>()
        };
        let mut names = database.bounded("reading who is gone", read).await?;
        names.sort_unstable();
        Ok(names)
    }
    /// The removals of servers that are not back and were not given up (`pool forget`), as far back as `window`: the
    /// newest last.
    ///
    /// # Errors
    /// The database's.
    pub async fn missing(&self, window: Duration) -> Result<Vec<PastEvent>, Error> {
        let since = self.now().await?.as_us().saturating_sub(micros(window));
        let database = &self.inner.database;
        let query = statement(database.backend(), "e.*", self.inner.pool, since);
        let read = async |db: &DatabaseConnection| event::Entity::find().from_raw_sql(query.clone()).all(db).await;
        let mut events = database.bounded("reading who is missing", read).await?;
        events.sort_unstable_by_key(|event| event.id);
        events.into_iter().map(past_event).collect()
    }
}
