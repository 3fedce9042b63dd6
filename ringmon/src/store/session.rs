//! What one attempt speaks through: one connection from its first look to its COMMIT.
//!
//! A pool gives a connection back in the background, and asks the server for a sign of life first. Who takes one for each statement
//! therefore opens a second connection for the second statement, and asks twice as often as it has questions.

use sea_orm::{
    DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::Store;
use super::connect::STATEMENT;
use super::error::Fault;

/// A transaction under READ COMMITTED that has read, and has locked no row; or SQLite, which would take a transaction that has
/// read for a reader of what was then, and let it write no more.
pub(super) enum Session {
    Transaction(DatabaseTransaction),
    Sqlite(DatabaseConnection),
}

impl Session {
    /// For reading.
    pub(super) fn reader(&self) -> DatabaseExecutor<'_> {
        match self {
            Self::Transaction(transaction) => DatabaseExecutor::Transaction(transaction),
            Self::Sqlite(connection) => DatabaseExecutor::Connection(connection),
        }
    }

    /// For writing: the same transaction, or one that takes SQLite's one write lock at once, instead of failing half-way.
    pub(super) async fn into_writer(self) -> Result<DatabaseTransaction, DbErr> {
        match self {
            Self::Transaction(transaction) => Ok(transaction),
            Self::Sqlite(connection) => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                connection.begin_with_options(options).await
            }
        }
    }
}

impl Store {
    /// A new one. Dropped, it has written nothing.
    pub(super) async fn session(&self) -> Result<Session, Fault> {
        let database = &self.inner.database;
        if database.backend() == DbBackend::Sqlite {
            return Ok(Session::Sqlite(database.connections()));
        }
        // It begins with "reading": BEGIN waits for what reads would wait for.
        database.within(STATEMENT, "reading (BEGIN)", async |db| db.begin().await).await.map(Session::Transaction)
    }
}
