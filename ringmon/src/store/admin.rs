//! For operators and for the start of programs: open, init, rules, lists.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::connect::{CONNECT, Database};
use super::convert::{PastEvent, micros, past_event, pool_row, server_row};
use super::entity::{event, pool, server};
use super::schema::SCHEMA_VERSION;
use super::{DatabaseUrl, Error, Inner, Store};
use crate::disk;
use ringmon_core::row::{Address, Alone, Mode, Quorum};
use ringmon_core::{PoolId, PoolRow, Rules, ServerRow, Word as _};

/// What [`Store::init`] found, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitReport {
    /// The database, without its password.
    pub place: String,
    /// Whether it made the file of an embedded database.
    pub created_file: bool,
    /// The schema's version before; 0: there was no schema.
    pub schema_found: u32,
    /// The schema's version afterwards.
    pub schema_now: u32,
    /// The name of the pool.
    pub pool: String,
    /// Whether it made the pool, with a new key. An existing pool stays as it is, with its rules.
    pub created_pool: bool,
    /// The quorum of the pool afterwards.
    pub quorum: Quorum,
}

impl fmt::Display for InitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.created_file {
            writeln!(f, "created {}", self.place)?;
        }
        match self.schema_found {
            0 => writeln!(f, "wrote the schema, version {}, to {}", self.schema_now, self.place)?,
            found if found < self.schema_now => {
                writeln!(f, "upgraded the schema in {} from version {found} to {}", self.place, self.schema_now)?;
            }
            _ => writeln!(f, "the schema in {} is up to date, version {}", self.place, self.schema_now)?,
        }
        let quorum = self.quorum.word();
        if self.created_pool {
            write!(f, "created pool '{}' with a new key, quorum {quorum}", self.pool)
        } else {
            write!(f, "pool '{}' was there already, quorum {quorum}: left as it is", self.pool)
        }
    }
}

/// Changes of a pool's rules; `None` leaves a rule as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleChanges {
    /// How many witnesses a removal needs.
    pub quorum: Option<Quorum>,
    /// How long a lost agent has to come back.
    pub agent_timeout: Option<Duration>,
    /// The largest share that may be removed within ten minutes, in thousandths; 1000: no brake.
    pub brake_permille: Option<u16>,
    /// Who may remove all the others.
    pub alone: Option<Alone>,
    /// Whether agents act or only observe.
    pub mode: Option<Mode>,
}

impl RuleChanges {
    /// The rules with these changes.
    #[must_use]
    pub fn applied_to(&self, rules: &Rules) -> Rules {
        Rules {
            quorum: self.quorum.unwrap_or(rules.quorum),
            agent_timeout: self.agent_timeout.unwrap_or(rules.agent_timeout),
            brake_permille: self.brake_permille.unwrap_or(rules.brake_permille),
            alone: self.alone.unwrap_or(rules.alone),
            mode: self.mode.unwrap_or(rules.mode),
        }
    }
}

/// Which events to list. The list always has the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// The newest events, at most this many.
    Newest(u32),
    /// The events after a given one, for following.
    After {
        /// The id of the last event seen.
        id: i64,
        /// At most this many.
        limit: u32,
    },
}

impl Store {
    /// Opens an existing pool.
    ///
    /// # Errors
    /// The true cause of a failed connection; [`Error::SchemaMissing`], [`Error::SchemaTooOld`],
    /// [`Error::SchemaTooNew`] with both versions; [`Error::NoSuchPool`]. It never writes anything.
    pub async fn open(url: &DatabaseUrl, pool: &str) -> Result<Self, Error> {
        let database = Database::ready(url).await?;
        let row = database
            .find_pool(pool)
            .await?
            .ok_or_else(|| Error::NoSuchPool { pool: pool.to_owned(), place: url.to_string() })?;
        let inner = Inner { database, pool: PoolId(row.id), pool_name: row.name };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes what is missing: the file (0600) and its directory (0700), the schema, the pool with a random key. It does
    /// not touch what exists, so it may run again, and several times at once.
    ///
    /// # Errors
    /// As [`Store::open`]. After an error a part may be done, and running it again does the rest.
    pub async fn init(url: &DatabaseUrl, pool: &str, quorum: Quorum) -> Result<InitReport, Error> {
        let created_file = match url.file() {
            Some(path) => create_file(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?,
            None => false,
        };
        let database = Database::new(url.clone());
        let began = Instant::now();
        while let Err(error) = database.probe(CONNECT).await {
            // The first connection to a new file changes how the file is written (WAL). Another connection at that
            // moment is told "locked" at once, however long it would have waited.
            let locked = matches!(&error, Error::Unavailable { cause, .. } if cause.contains("database is locked"));
            if url.file().is_none() || !locked || began.elapsed() > CONNECT {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let schema_found = database.migrate().await?;
        let created_pool = match database.find_pool(pool).await? {
            Some(_) => false,
            None => database.create_pool(pool, quorum).await?,
        };
        let row = database
            .find_pool(pool)
            .await?
            .ok_or_else(|| Error::NoSuchPool { pool: pool.to_owned(), place: url.to_string() })?;
        Ok(InitReport {
            place: url.to_string(),
            created_file,
            schema_found,
            schema_now: SCHEMA_VERSION,
            pool: pool.to_owned(),
            created_pool,
            quorum: pool_row(row)?.rules.quorum,
        })
    }

    /// The pool's row, keys included.
    ///
    /// # Errors
    /// [`Error::NoSuchPool`] if it was deleted; or the database's.
    pub async fn pool(&self) -> Result<PoolRow, Error> {
        let id = self.inner.pool.0;
        let row = self
            .inner
            .database
            .bounded("reading the pool", async |db| pool::Entity::find_by_id(id).one(db).await)
            .await?;
        pool_row(row.ok_or_else(|| self.no_such_pool())?)
    }

    pub(super) fn no_such_pool(&self) -> Error {
        Error::NoSuchPool { pool: self.inner.pool_name.clone(), place: self.place() }
    }

    /// Changes the pool's rules, and returns the row afterwards.
    ///
    /// # Errors
    /// [`Error::Contended`] if others change the pool's row all the time; or the database's. Nothing was changed then.
    pub async fn set_rules(&self, changes: &RuleChanges) -> Result<PoolRow, Error> {
        const ATTEMPTS: u32 = 20;
        let begun = std::time::Instant::now();
        for _ in 0..ATTEMPTS {
            let row = self.pool().await?;
            let rules = changes.applied_to(&row.rules);
            if rules == row.rules {
                return Ok(row);
            }
            if self.write_rules(&row, &rules).await? {
                return Ok(PoolRow { rules, version: row.version + 1, ..row });
            }
        }
        let cause = "the pool's row changed".to_owned();
        Err(Error::Contended { attempts: ATTEMPTS, within: begun.elapsed(), cause })
    }

    async fn write_rules(&self, row: &PoolRow, rules: &Rules) -> Result<bool, Error> {
        let update = Query::update()
            .table(pool::Entity)
            .value(pool::Column::Quorum, rules.quorum.word())
            .value(pool::Column::AgentTimeoutUs, micros(rules.agent_timeout))
            .value(pool::Column::BrakePermille, i32::from(rules.brake_permille))
            .value(pool::Column::Alone, rules.alone.word())
            .value(pool::Column::Mode, rules.mode.word())
            .value(pool::Column::Version, row.version + 1)
            .and_where(Expr::col(pool::Column::Id).eq(row.id.0))
            .and_where(Expr::col(pool::Column::Version).eq(row.version))
            .take();
        let done =
            self.inner.database.bounded("writing the pool's rules", async |db| db.execute(&update).await).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Every row of the pool, by id. Its cost grows with the pool: it is for operators, not for agents.
    ///
    /// # Errors
    /// [`Error::Damaged`] names a row with an unknown value; or the database's.
    pub async fn servers(&self) -> Result<Vec<ServerRow>, Error> {
        let database = &self.inner.database;
        let schema = database.schema(&database.connections()).await?;
        let query =
            server::find(schema).filter(server::Column::Pool.eq(self.inner.pool.0)).order_by_asc(server::Column::Id);
        let rows = database.patiently("reading all servers", async |db| query.all(db).await).await?;
        rows.into_iter().map(server_row).collect()
    }

    /// The address in the row of this name, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`] names a row with an unknown value; or the database's.
    pub async fn address_of(&self, name: &str) -> Result<Option<Address>, Error> {
        let database = &self.inner.database;
        let schema = database.schema(&database.connections()).await?;
        let query = server::find(schema)
            .filter(server::Column::Pool.eq(self.inner.pool.0))
            .filter(server::Column::Name.eq(name));
        let rows = database.patiently("reading a server's row", async |db| query.all(db).await).await?;
        rows.into_iter().next().map(server_row).transpose().map(|row| row.map(|row| row.card.address))
    }

    /// Events of the pool, the oldest first.
    ///
    /// # Errors
    /// [`Error::Damaged`] names a row with an unknown value; or the database's.
    pub async fn events(&self, which: Events) -> Result<Vec<PastEvent>, Error> {
        let query = event::Entity::find().filter(event::Column::Pool.eq(self.inner.pool.0));
        let query = match which {
            Events::Newest(limit) => query.order_by_desc(event::Column::Id).limit(u64::from(limit)),
            Events::After { id, limit } => {
                query.filter(event::Column::Id.gt(id)).order_by_asc(event::Column::Id).limit(u64::from(limit))
            }
        };
        let mut rows = self.inner.database.bounded("reading events", async |db| query.all(db).await).await?;
        if matches!(which, Events::Newest(_)) {
            rows.reverse();
        }
        rows.into_iter().map(past_event).collect()
    }
}

impl Database {
    /// Returns a store whose database answers and has this version's schema.
    ///
    /// # Errors
    /// The true cause of a failed connection; [`Error::SchemaMissing`], [`Error::SchemaTooOld`],
    /// [`Error::SchemaTooNew`]. Nothing is written.
    pub(super) async fn ready(url: &DatabaseUrl) -> Result<Self, Error> {
        if let Some(path) = url.file() {
            match std::fs::metadata(path) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    return Err(Error::SchemaMissing { place: url.to_string(), ours: SCHEMA_VERSION });
                }
                Err(source) => return Err(Error::Unreadable { path: path.to_owned(), source }),
            }
        }
        let database = Self::new(url.clone());
        database.probe(CONNECT).await?;
        database.check_schema().await?;
        Ok(database)
    }

    async fn find_pool(&self, name: &str) -> Result<Option<pool::Model>, Error> {
        let query = pool::Entity::find().filter(pool::Column::Name.eq(name));
        self.bounded("reading the pool", async |db| query.one(db).await).await
    }
}

/// True if it made the file. Only its owner may read it, because the pool's key will be in it.
fn create_file(path: &Path) -> io::Result<bool> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // SQLite gives the files beside it to the same user.
        Ok(file) => disk::give(&file, disk::folder(path)).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}
