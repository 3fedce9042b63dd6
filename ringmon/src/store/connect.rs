//! Connections: opened on demand, few, closed when idle, forgotten together when one breaks, never waited for longer than [`STATEMENT`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{ConnectOptions, Connection, Error as SqlxError, Executor};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, SqlxMySqlConnector, SqlxMySqlError, SqlxSqliteConnector};
use tokio::time::timeout;

use super::error::{Fault, classify, classify_sqlx};
use super::url::Engine;
use super::{DatabaseUrl, Error};

/// A statement, with everything it waits for, ends within this, or the database is taken for dead.
/// Longer than a lock wait ([`LOCK_WAIT`]), so that a held lock is told from a dead server.
pub(super) const STATEMENT: Duration = Duration::from_secs(2);

/// R7: lock waits end within a second. (MySQL counts in whole seconds.)
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(1);

/// How long a free or new connection of the pool is waited for, before the true cause is looked for outside it.
const ACQUIRE: Duration = Duration::from_secs(1);

/// Connecting, at start.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// Connecting to learn the true cause, after [`ACQUIRE`] has gone by already: together they are [`STATEMENT`].
const ASK_WHY: Duration = Duration::from_secs(1);

/// An unused connection is closed after this: connections cost a server more than queries do.
const IDLE: Duration = Duration::from_secs(10);

/// An agent has a few operations in flight, one for each of its concerns.
const CONNECTIONS: u32 = 4;

/// Said in errors; [`classify`] tells "unreachable" from "lost" by it.
pub(super) const CONNECTING: &str = "connecting";

/// A database and its connections.
pub(super) struct Database {
    url: DatabaseUrl,
    pool: Mutex<Option<DatabaseConnection>>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.url)
    }
}

impl Database {
    /// Nothing is opened yet.
    pub(super) const fn new(url: DatabaseUrl) -> Self {
        Self { url, pool: Mutex::new(None) }
    }

    pub(super) const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Which dialect.
    pub(super) const fn backend(&self) -> DbBackend {
        match self.url.engine() {
            Engine::Sqlite(_) => DbBackend::Sqlite,
            Engine::Mysql(_) => DbBackend::MySql,
        }
    }

    /// One connection outside the pool, opened and closed: succeeds, or says the true cause, which a pool hides behind "timed out".
    pub(super) async fn probe(&self, limit: Duration) -> Result<(), Error> {
        self.url.certificates().check()?;
        let attempt = async {
            match self.url.engine() {
                Engine::Sqlite(path) => SqliteConnection::connect_with(&sqlite_options(path)).await?.close().await,
                Engine::Mysql(options) => MySqlConnection::connect_with(&mysql_options(options)).await?.close().await,
            }
        };
        match timeout(limit, attempt).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(classify_sqlx(&self.url, CONNECTING, error)),
            Err(_) => Err(Error::TimedOut { place: self.url.to_string(), doing: CONNECTING, limit }),
        }
    }

    /// Do something with a connection, within [`STATEMENT`].
    ///
    /// # Errors
    /// The true cause. A conflict, for callers that do not try again themselves, is [`Error::Contended`].
    pub(super) async fn bounded<T>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, DbErr>,
    ) -> Result<T, Error> {
        self.once(STATEMENT, doing, work).await
    }

    /// The same for work of many statements that an operator waits for.
    pub(super) async fn patiently<T>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, DbErr>,
    ) -> Result<T, Error> {
        self.once(Duration::from_secs(60), doing, work).await
    }

    /// The same within `limit`.
    pub(super) async fn once<T>(
        &self,
        limit: Duration,
        doing: &'static str,
        work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, DbErr>,
    ) -> Result<T, Error> {
        self.within(limit, doing, work).await.map_err(|fault| match fault {
            Fault::Conflict(cause) => Error::Contended { attempts: 1, within: limit, cause },
            Fault::Failed(error) => error,
        })
    }

    /// Do something with a connection, within `limit`. After an error that breaks them, all connections are forgotten.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        doing: &'static str,
        work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, DbErr>,
    ) -> Result<T, Fault> {
        let db = self.connections();
        let fault = match timeout(limit, work(&db)).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => classify(&self.url, doing, error),
            Err(_) => Error::TimedOut { place: self.url.to_string(), doing, limit }.into(),
        };
        Err(self.judge(fault).await)
    }

    /// Forget the connections if this fault says they are useless, and find the true cause where the pool hides it.
    pub(super) async fn judge(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Failed(Error::Busy { place }) => match self.probe(ASK_WHY).await {
                Ok(()) => Error::Busy { place }.into(),
                Err(cause) => {
                    self.forget();
                    cause.into()
                }
            },
            Fault::Failed(error) => {
                if error.breaks_connections() {
                    self.forget();
                }
                error.into()
            }
            Fault::Conflict(cause) => Fault::Conflict(cause),
        }
    }

    /// The pool, made when there is none. It opens nothing by itself.
    pub(super) fn connections(&self) -> DatabaseConnection {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.get_or_insert_with(|| self.new_pool()).clone()
    }

    /// The next caller gets new connections; what still runs on the old ones may end by itself.
    pub(super) fn forget(&self) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The tests hear every statement as it is sent.
    #[cfg(test)]
    pub(super) fn overhear(&self, listener: impl Fn(&sea_orm::Statement) + Send + Sync + 'static) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.get_or_insert_with(|| self.new_pool()).set_metric_callback(move |info| listener(info.statement));
    }

    fn new_pool(&self) -> DatabaseConnection {
        match self.url.engine() {
            Engine::Sqlite(path) => {
                let options = SqlitePoolOptions::new()
                    .max_connections(1) // SQLite has one writer
                    .acquire_timeout(ACQUIRE + LOCK_WAIT)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(false);
                SqlxSqliteConnector::from_sqlx_sqlite_pool(options.connect_lazy_with(sqlite_options(path)))
            }
            Engine::Mysql(mysql) => {
                let options = MySqlPoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .min_connections(0)
                    .acquire_timeout(ACQUIRE)
                    .idle_timeout(IDLE)
                    // A ping each time would double every round trip; a connection that broke while idle costs one retry instead.
                    .test_before_acquire(false)
                    .after_connect(|connection, _| Box::pin(begin_session(connection)));
                SqlxMySqlConnector::from_sqlx_mysql_pool(options.connect_lazy_with(mysql_options(mysql)))
            }
        }
    }
}

/// Compare-and-swap needs to see what others committed, and no gap locks. The second time is for the lock on a table's definition, which
/// a change of the schema wants: whoever waits for it keeps everybody who comes later waiting.
const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                       SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1";

/// A node of a Galera cluster may lag behind, and say that a row is not there which is: it answers once it has what the others had when it
/// was asked, or not at all. (<https://mariadb.com/kb/en/galera-cluster-system-variables/#wsrep_sync_wait>; 1: reads and
/// BEGIN. What is written is compared with the others at COMMIT anyway.) To a MariaDB outside a cluster it means nothing.
const READ_THE_LATEST: &str = "SET SESSION wsrep_sync_wait = 1";

/// ER_UNKNOWN_SYSTEM_VARIABLE: it can be no node of a cluster.
const UNKNOWN_VARIABLE: u16 = 1193;

async fn begin_session(connection: &mut MySqlConnection) -> Result<(), SqlxError> {
    connection.execute(SESSION).await?;
    // Asking first whether it is a cluster costs a MariaDB more than all the rest of a new connection.
    match connection.execute(READ_THE_LATEST).await {
        Err(SqlxError::Database(said))
            if said.try_downcast_ref::<SqlxMySqlError>().is_some_and(|said| said.number() == UNKNOWN_VARIABLE) =>
        {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

fn mysql_options(options: &MySqlConnectOptions) -> MySqlConnectOptions {
    options.clone().disable_statement_logging()
}

fn sqlite_options(path: &std::path::Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // With a write-ahead log this loses the last commits at a power cut, and breaks nothing. The agents are on the same machine,
        // so their pool went with them; a sync at each COMMIT would hold every other agent's vote up.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging()
}
