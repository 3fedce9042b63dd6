//! One attempt uses one connection, from its first look to its COMMIT.
//!
//! A pool takes a connection back in the background, and pings the server first. So if each statement took a
//! connection, the second statement would open a second connection, and the server would get twice as many questions.

use sea_orm::{
    DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::Store;
use super::connect::STATEMENT;
use super::error::Fault;

/// A transaction under READ COMMITTED that has read, and has locked no row. For SQLite it is only a connection: SQLite
/// would take a transaction that has read for a reader of an old state, and would not let it write.
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

    /// For writing: the same transaction. For SQLite, one that takes the only write lock at once, instead of failing
    /// half-way.
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
    /// A new session. If it is dropped, it has written nothing.
    pub(super) async fn session(&self) -> Result<Session, Fault> {
        let database = &self.inner.database;
        if database.backend() == DbBackend::Sqlite {
            return Ok(Session::Sqlite(database.connections()));
        }
        // It begins with "reading", because BEGIN waits for the same things as reads.
        database.within(STATEMENT, "reading (BEGIN)", async |db| db.begin().await).await.map(Session::Transaction)
    }
}
