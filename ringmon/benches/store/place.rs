//! Where one database is, for the store and for plain SQL.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use ringmon::store::DatabaseUrl;
use ringmon_tests::engine::{PASSWORD, USER};
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions, Executor};
use sea_orm::{DatabaseConnection, SqlxMySqlConnector, SqlxSqliteConnector};

/// One node's view of one database.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A server on loopback.
    Server {
        port: u16,
        database: String,
        /// Whether it is a node of a cluster.
        replicated: bool,
    },
}

/// The session of the naive design: the store's own isolation level, and patience for a queue of writers.
const SESSION: &str =
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION innodb_lock_wait_timeout = 10";

impl Place {
    /// For the store.
    pub fn url(&self) -> anyhow::Result<DatabaseUrl> {
        match self {
            Self::Sqlite(path) => Ok(DatabaseUrl::sqlite(path)),
            Self::Server { port, database, .. } => {
                let url: DatabaseUrl = format!("mysql://{USER}@127.0.0.1:{port}/{database}").parse()?;
                Ok(url.with_password(PASSWORD))
            }
        }
    }

    /// Opens one connection for plain SQL.
    pub async fn connect(&self) -> anyhow::Result<DatabaseConnection> {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    .busy_timeout(Duration::from_secs(1))
                    .disable_statement_logging();
                let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
                let pool = pool.test_before_acquire(false).connect_with(options).await;
                Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.context("cannot open the file")?))
            }
            Self::Server { port, database, replicated } => {
                let options = MySqlConnectOptions::new()
                    .host("127.0.0.1")
                    .port(*port)
                    .username(USER)
                    .password(PASSWORD)
                    .database(database)
                    .disable_statement_logging();
                let wait = if *replicated { "; SET SESSION wsrep_sync_wait = 1" } else { "" };
                let session = format!("{SESSION}{wait}");
                let pool = MySqlPoolOptions::new()
                    .max_connections(1)
                    .idle_timeout(None)
                    .test_before_acquire(false)
                    .after_connect(move |connection, _| {
                        let session = session.clone();
                        Box::pin(async move {
                            connection.execute(sea_orm::sqlx::AssertSqlSafe(session)).await?;
                            Ok(())
                        })
                    })
                    .connect_with(options)
                    .await;
                Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool.context("cannot connect")?))
            }
        }
    }
}
