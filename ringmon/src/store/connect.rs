//! Connections are opened on demand, few, closed when idle, and forgotten together when one breaks. Nobody waits for
//! one longer than [`STATEMENT`].

use std::sync::atomic::{AtomicU32, Ordering};
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

/// A statement, with everything that it waits for, ends within this time. If it does not, the database counts as dead.
/// It is longer than a lock wait ([`LOCK_WAIT`]), so that a held lock does not look like a dead server.
pub(super) const STATEMENT: Duration = Duration::from_secs(2);

/// R7: lock waits end within a second. (MySQL counts whole seconds.)
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(1);

/// How long to wait for a free or new connection of the pool, before the true cause is looked for outside the pool.
const ACQUIRE: Duration = Duration::from_secs(1);

/// The limit for connecting at the start.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// The limit for connecting to learn the true cause, after [`ACQUIRE`] has passed already. Together they are
/// [`STATEMENT`].
const ASK_WHY: Duration = Duration::from_secs(1);

/// An unused connection is closed after this time or, as the driver looks only now and then, after twice this time. For
/// a server, connections cost more than queries. Who looks often, looks every second or more often.
const IDLE: Duration = Duration::from_secs(2);

/// An agent needs as many as its [lanes](ringmon_core::op::Lane) are wide.
const CONNECTIONS: u32 = 4;

/// A word for errors. [`classify`] uses it to tell "unreachable" from "lost".
pub(super) const CONNECTING: &str = "connecting";

pub(super) struct Database {
    url: DatabaseUrl,
    pool: Mutex<Option<DatabaseConnection>>,
    /// The version of the schema that was seen last; 0: none yet. [`Database::schema`] reads it.
    pub(super) seen_schema: AtomicU32,
    #[cfg(test)]
    heard: Mutex<Option<Listener>>,
}

/// A test that hears of statements.
#[cfg(test)]
pub(super) type Listener = std::sync::Arc<dyn Fn(&sea_orm::Statement) + Send + Sync>;

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.url)
    }
}

impl Database {
    /// Opens nothing yet.
    pub(super) const fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            pool: Mutex::new(None),
            seen_schema: AtomicU32::new(0),
            #[cfg(test)]
            heard: Mutex::new(None),
        }
    }

    pub(super) const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Which SQL dialect it speaks.
    pub(super) const fn backend(&self) -> DbBackend {
        match self.url.engine() {
            Engine::Sqlite(_) => DbBackend::Sqlite,
            Engine::Mysql(_) => DbBackend::MySql,
        }
    }

    /// Opens and closes one connection outside the pool. It succeeds, or returns the true cause, which a pool hides
    /// behind "timed out".
    pub(super) async fn probe(&self, limit: Duration) -> Result<(), Error> {
        self.url.certificates().check()?;
        let attempt = async {
            match self.url.engine() {
                Engine::Sqlite(path) => SqliteConnection::connect_with(&sqlite_options(path)).await?.close().await,
                Engine::Mysql(options) => {
                    MySqlConnection::connect_with(&self.mysql_options(options)).await?.close().await
                }
            }
        };
        match timeout(limit, attempt).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(classify_sqlx(&self.url, CONNECTING, error)),
            Err(_) => Err(Error::TimedOut { place: self.url.to_string(), doing: CONNECTING, limit }),
        }
    }

    /// Does something with a connection, within [`STATEMENT`].
    ///
    /// # Errors
    /// The true cause. A conflict is [`Error::Contended`] or [`Error::Locked`], for callers that do not try again
    /// themselves.
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
        self.within(limit, doing, work).await.map_err(|fault| fault.after(1, limit))
    }

    /// Does something with a connection, within `limit`. After an error that breaks connections, all of them are
    /// forgotten.
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

    /// Forgets the connections if this fault shows that they are useless, and finds the true cause where the pool hides
    /// it.
    pub(super) async fn judge(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Failed(Error::Busy { place }) => {
                // What was begun while the way was cut never ends: it waits for the answer to a lost packet.
                let cause = self.probe(ASK_WHY).await.err().unwrap_or(Error::Busy { place });
                self.forget();
                cause.into()
            }
            Fault::Failed(error) => {
                if error.breaks_connections() {
                    self.forget();
                }
                // Perhaps a column is missing, because an older backup was put back.
                if matches!(error, Error::Database { .. }) {
                    self.seen_schema.store(0, Ordering::Relaxed);
                }
                error.into()
            }
            met @ (Fault::Conflict(_) | Fault::Locked(_)) => met,
        }
    }

    /// The pool. It is made when there is none, and opens nothing by itself.
    pub(super) fn connections(&self) -> DatabaseConnection {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.get_or_insert_with(|| self.new_pool()).clone()
    }

    /// The next caller gets new connections, perhaps to another server with another schema. What still runs on the old
    /// ones may finish.
    pub(super) fn forget(&self) {
        self.seen_schema.store(0, Ordering::Relaxed);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Tests hear of every statement that is sent.
    #[cfg(test)]
    pub(super) fn overhear(&self, listener: impl Fn(&sea_orm::Statement) + Send + Sync + 'static) {
        let listener: Listener = std::sync::Arc::new(listener);
        *self.heard.lock().unwrap() = Some(std::sync::Arc::clone(&listener));
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.get_or_insert_with(|| self.new_pool()).set_metric_callback(move |info| listener(info.statement));
    }

    #[cfg(test)]
    pub(super) fn listener(&self) -> Option<Listener> {
        self.heard.lock().unwrap().clone()
    }

    /// A login that is refused makes a new pool, and so reads the password's file again.
    fn mysql_options(&self, options: &MySqlConnectOptions) -> MySqlConnectOptions {
        self.url.login(options).disable_statement_logging()
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
                    // A ping each time would double every round trip. A connection that broke while idle costs one
                    // retry instead.
                    .test_before_acquire(false)
                    .after_connect(|connection, _| Box::pin(begin_session(connection)));
                SqlxMySqlConnector::from_sqlx_mysql_pool(options.connect_lazy_with(self.mysql_options(mysql)))
            }
        }
    }
}

/// Compare-and-swap must see what others committed, and needs no gap locks. The second setting is for the lock on a
/// table's definition, which a change of the schema takes: whoever waits for it makes everybody who comes later wait.
///
/// The next two are for the locks of a machine that dies. It closes no connection, so its server waits for the next
/// statement: by default for eight hours, and in a transaction with its rows locked. `wait_timeout` is longer than any
/// connection here is idle (twice [`IDLE`]), so that it closes none that is still used. MariaDB ends a transaction that
/// has written sooner, and all others read a comment there
/// (<https://mariadb.com/kb/en/transaction-timeouts/>, <https://mariadb.com/kb/en/comment-syntax/>).
///
/// TCP could not do it from here: the driver neither sets keepalive or `TCP_USER_TIMEOUT` nor takes a socket that has
/// them, and it is the server's side that has to notice. This side gives up after [`STATEMENT`] anyway.
///
/// The last variable is for a node of a Galera cluster. It may lag behind, and say that a row is missing which is
/// there. With this setting it answers only once it has what the others had at the moment of the question, or not at
/// all. (<https://mariadb.com/kb/en/galera-cluster-system-variables/#wsrep_sync_wait>; 1: reads and BEGIN. What is
/// written is compared with the others at COMMIT anyway.) It means nothing to a MariaDB outside a cluster.
const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                       SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1, wait_timeout = 6 \
                       /*M!100300 , idle_write_transaction_timeout = 2 */; \
                       SET SESSION wsrep_sync_wait = 1";

/// ER_UNKNOWN_SYSTEM_VARIABLE: such a server is no node of a cluster. The statements before that one are done.
const UNKNOWN_VARIABLE: u16 = 1193;

async fn begin_session(connection: &mut MySqlConnection) -> Result<(), SqlxError> {
    // To ask first whether it is a cluster would cost a MariaDB more than all the rest of a new connection.
    match connection.execute(SESSION).await {
        Err(SqlxError::Database(said))
            if said.try_downcast_ref::<SqlxMySqlError>().is_some_and(|said| said.number() == UNKNOWN_VARIABLE) =>
        {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

fn sqlite_options(path: &std::path::Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // With a write-ahead log this loses the last commits at a power cut, and breaks nothing. The agents are on the
        // same machine, so their pool stopped with it. A sync at each COMMIT would delay every other agent's vote.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging()
}
