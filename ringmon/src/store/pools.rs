//! Pools as a whole: the pools of a database, a new one, the end of one, its keys, and how long its events are kept.

use std::io;
use std::time::{Duration, Instant};

use rand::TryRngCore;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::connect::Database;
use super::convert::{micros, pool_row};
use super::entity::{event, pool, server};
use super::{DatabaseUrl, Error, Store, clock};
use ringmon_core::row::{PoolKey, Quorum};
use ringmon_core::{DbTime, PoolRow, Rules, TableSnapshot, Time, Word as _};

/// Events in one DELETE: few enough that nobody waits for it, and that a cluster replicates it in one piece.
const BATCH: u64 = 1000;

/// How often it tries again when others change the pool's row.
const ATTEMPTS: u32 = 20;

/// A pool and the number of its servers.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSummary {
    /// Its row, with its keys.
    pub pool: PoolRow,
    /// How many servers are in its table.
    pub servers: u64,
}

impl Store {
    /// All pools of a database, by name. It counts their servers: it is for operators, not for agents.
    ///
    /// # Errors
    /// As [`Store::open`], except for the pool.
    pub async fn pools(url: &DatabaseUrl) -> Result<Vec<PoolSummary>, Error> {
        let database = Database::ready(url).await?;
        let query = pool::Entity::find().order_by_asc(pool::Column::Name);
        let rows = database.bounded("reading the pools", async |db| query.all(db).await).await?;
        let mut pools = Vec::with_capacity(rows.len());
        for row in rows {
            let servers = database.count_servers(row.id).await?;
            pools.push(PoolSummary { pool: pool_row(row)?, servers });
        }
        Ok(pools)
    }

    /// Makes a pool with a random key, in a database that has the schema.
    ///
    /// # Errors
    /// [`Error::PoolThere`]; as [`Store::open`], except for the pool. Nothing was changed then. If a connection broke,
    /// it is unknown whether something was.
    pub async fn create(url: &DatabaseUrl, pool: &str, quorum: Quorum) -> Result<(), Error> {
        let database = Database::ready(url).await?;
        if database.create_pool(pool, quorum).await? {
            return Ok(());
        }
        Err(Error::PoolThere { pool: pool.to_owned(), place: url.to_string() })
    }

    /// Deletes the pool with its rules, keys and events, and returns how many events there were. A pool with servers
    /// stays as it is.
    ///
    /// # Errors
    /// [`Error::PoolInUse`]: nothing was changed, or its events are gone if a server joined meanwhile.
    /// [`Error::NoSuchPool`]: it is gone already. After any other error some events may be gone, and it may run again.
    pub async fn delete(&self) -> Result<u64, Error> {
        let database = &self.inner.database;
        self.must_be_empty().await?;
        let events = self.forget_events_before(None, &mut |_| {}).await?;
        let began = Instant::now();
        for _ in 0..ATTEMPTS {
            let row = self.pool().await?;
            let members = Query::select()
                .expr(Expr::val(1))
                .from(server::Entity)
                .and_where(Expr::col(server::Column::Pool).eq(row.id.0))
                .take();
            // The first server of a pool writes the pool's row. So of that join and this deletion, the later one
            // notices the other.
            let delete = Query::delete()
                .from_table(pool::Entity)
                .and_where(Expr::col(pool::Column::Id).eq(row.id.0))
                .and_where(Expr::col(pool::Column::Version).eq(row.version))
                .and_where(Expr::exists(members).not())
                .take();
            let done = database.bounded("deleting the pool", async |db| db.execute(&delete).await).await?;
            if done.rows_affected() == 1 {
                return Ok(events);
            }
            self.must_be_empty().await?;
        }
        let cause = "the pool's row changed".to_owned();
        Err(Error::Contended { attempts: ATTEMPTS, within: began.elapsed(), cause })
    }

    async fn must_be_empty(&self) -> Result<(), Error> {
        let servers = self.inner.database.count_servers(self.inner.pool.0).await?;
        if servers == 0 {
            return Ok(());
        }
        Err(Error::PoolInUse { pool: self.pool_name().to_owned(), place: self.place(), servers })
    }

    /// Changes the pool's keys: the first is used, the second is accepted as well. False if the row is not as it was
    /// read any more: then nothing was changed.
    ///
    /// # Errors
    /// The database's. Nothing was changed. If a connection broke, it is unknown whether something was.
    pub async fn set_keys(&self, read: &PoolRow, used: PoolKey, accepted: Option<PoolKey>) -> Result<bool, Error> {
        let update = Query::update()
            .table(pool::Entity)
            .value(pool::Column::KeyId, i32::from(used.id))
            .value(pool::Column::KeySecret, used.secret.to_vec())
            .value(pool::Column::OldKeyId, accepted.map(|key| i32::from(key.id)))
            .value(pool::Column::OldKeySecret, accepted.map(|key| key.secret.to_vec()))
            .value(pool::Column::Version, read.version + 1)
            .and_where(Expr::col(pool::Column::Id).eq(read.id.0))
            .and_where(Expr::col(pool::Column::Version).eq(read.version))
            .take();
        let done = self.inner.database.bounded("writing the pool's keys", async |db| db.execute(&update).await).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes the pool's events that are older than this by the database's clock, the oldest first and a thousand at a
    /// time. `told` hears how many are gone so far. The cost depends on what is deleted, not on what is kept.
    ///
    /// # Errors
    /// The database's. What was deleted by then is gone; it may run again.
    pub async fn forget_events(&self, keep: Duration, told: &mut dyn FnMut(u64)) -> Result<u64, Error> {
        let oldest = self.now().await?.as_us().saturating_sub(micros(keep));
        self.forget_events_before(Some(oldest), told).await
    }

    /// The database's clock.
    ///
    /// # Errors
    /// The database's.
    pub async fn now(&self) -> Result<DbTime, Error> {
        let mut seen = TableSnapshot::default();
        let read = async { self.read_clock(&self.session().await?, Time::ZERO, &mut seen).await };
        match read.await {
            Ok(()) => Ok(seen.db_now),
            Err(fault) => Err(fault.after(1, Duration::ZERO)),
        }
    }

    async fn forget_events_before(&self, oldest: Option<i64>, told: &mut dyn FnMut(u64)) -> Result<u64, Error> {
        let (database, pool) = (&self.inner.database, self.inner.pool.0);
        let mut gone = 0;
        loop {
            // By number, not by time: numbers grow with time, and the first event to keep ends the search.
            let query = event::Entity::find()
                .select_only()
                .columns([event::Column::Id, event::Column::At])
                .filter(event::Column::Pool.eq(pool))
                .order_by_asc(event::Column::Id)
                .limit(BATCH)
                .into_tuple::<(i64, i64)>();
            let batch = database.bounded("reading events", async |db| query.all(db).await).await?;
            let old = batch.iter().take_while(|(_, at)| oldest.is_none_or(|oldest| *at < oldest));
            let Some((last, _)) = old.last() else { return Ok(gone) };
            let delete =
                event::Entity::delete_many().filter(event::Column::Pool.eq(pool)).filter(event::Column::Id.lte(*last));
            gone += database.bounded("deleting events", async |db| delete.exec(db).await).await?.rows_affected;
            told(gone);
        }
    }
}

/// A random key with this id.
///
/// # Errors
/// [`Error::Random`].
pub fn new_key(id: u8) -> Result<PoolKey, Error> {
    let mut secret = [0_u8; 16];
    rand::rngs::OsRng
        .try_fill_bytes(&mut secret)
        .map_err(|e| Error::Random { source: io::Error::other(e.to_string()) })?;
    Ok(PoolKey { id, secret })
}

impl Database {
    async fn count_servers(&self, pool: i64) -> Result<u64, Error> {
        // Only what every version of the schema has.
        let query =
            server::Entity::find().select_only().column(server::Column::Id).filter(server::Column::Pool.eq(pool));
        self.patiently("counting servers", async |db| query.count(db).await).await
    }

    /// True if it made the pool; false if the pool existed, or somebody else was faster.
    pub(super) async fn create_pool(&self, name: &str, quorum: Quorum) -> Result<bool, Error> {
        let rules = Rules { quorum, ..Rules::default() };
        let key = new_key(1)?;
        let insert = Query::insert()
            .into_table(pool::Entity)
            .columns([
                pool::Column::Name,
                pool::Column::Quorum,
                pool::Column::AgentTimeoutUs,
                pool::Column::BrakePermille,
                pool::Column::Alone,
                pool::Column::Mode,
                pool::Column::KeyId,
                pool::Column::KeySecret,
                pool::Column::Version,
                pool::Column::CreatedAt,
            ])
            .values_panic([
                name.into(),
                rules.quorum.word().into(),
                micros(rules.agent_timeout).into(),
                i32::from(rules.brake_permille).into(),
                rules.alone.word().into(),
                rules.mode.word().into(),
                i32::from(key.id).into(),
                key.secret.to_vec().into(),
                1_i64.into(),
                clock::now(self.backend()),
            ])
            .take();
        match self.bounded("creating the pool", async |db| db.execute(&insert).await).await {
            Ok(_) => Ok(true),
            Err(Error::Contended { .. } | Error::Locked { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
