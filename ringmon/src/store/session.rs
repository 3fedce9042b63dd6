//! One attempt uses one connection, from its first look to its end.
//!
//! A pool takes a connection back in the background, and pings the server first. So if each statement took a
//! connection, the second statement would open a second connection, and the server would get twice as many questions.
//!
//! A transaction begins with the first of several writes. Reads need none: under READ COMMITTED each of them sees what
//! is committed at its own moment, inside a transaction or not. One write alone commits by itself. So a vote takes
//! three round trips where BEGIN and COMMIT made it five, and no look, vote or answer can leave a lock behind.
//! sea-orm lends a connection only together with a transaction, so for MySQL this is a connection of the driver.

use std::sync::Arc;

use sea_orm::prelude::async_trait;
use sea_orm::sqlx::mysql::MySqlConnection;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{AssertSqlSafe, Error as SqlxError, Executor, MySql, Transaction};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Values,
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

use super::connect::{Database, STATEMENT};
use super::error::Fault;
use super::{Error, Store};

const CONNECTION: &str = "reading (a connection)";

/// It begins with "reading", because BEGIN waits for the same things as reads.
const BEGIN: &str = "reading (BEGIN)";

/// A connection, and the version of the schema that its statements are made for.
pub(super) struct Session {
    schema: u32,
    way: Way,
    #[cfg(test)]
    heard: Option<super::connect::Listener>,
}

enum Way {
    MySql(Mutex<Lent>),
    /// SQLite would take a transaction that has read for a reader of an old state, and would not let it write.
    Sqlite(DatabaseConnection),
    SqliteBegun(DatabaseTransaction),
}

/// A connection of the pool. If a transaction is dropped, it is rolled back before anybody gets the connection next.
enum Lent {
    Free(PoolConnection<MySql>),
    Begun(Transaction<'static, MySql>),
}

impl Lent {
    fn connection(&mut self) -> &mut MySqlConnection {
        match self {
            Self::Free(connection) => connection,
            Self::Begun(transaction) => transaction,
        }
    }
}

impl Session {
    /// For which version of the schema its statements are.
    pub(super) const fn schema(&self) -> u32 {
        self.schema
    }

    /// The driver's form of a statement, as sea-orm makes it.
    fn query(&self, statement: Statement) -> Query<'static, MySql, SqlxValues> {
        #[cfg(test)]
        self.heard.iter().for_each(|heard| heard(&statement));
        let values = statement.values.unwrap_or(Values(Vec::new()));
        sea_orm::sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
    }

    /// The same with a transaction. For SQLite it takes the only write lock at once, instead of failing half-way.
    async fn begin(self) -> Result<Self, DbErr> {
        let way = match self.way {
            Way::MySql(lent) => Way::MySql(Mutex::new(match lent.into_inner() {
                Lent::Free(connection) => Lent::Begun(Transaction::begin(connection, None).await.map_err(failed)?),
                begun @ Lent::Begun(_) => begun,
            })),
            Way::Sqlite(connection) => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                Way::SqliteBegun(connection.begin_with_options(options).await?)
            }
            begun @ Way::SqliteBegun(_) => begun,
        };
        Ok(Self { way, ..self })
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self.way {
            Way::MySql(lent) => match lent.into_inner() {
                Lent::Begun(transaction) => transaction.commit().await.map_err(failed),
                Lent::Free(_) => Ok(()),
            },
            Way::SqliteBegun(transaction) => transaction.commit().await,
            Way::Sqlite(_) => Ok(()),
        }
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        match self.way {
            Way::MySql(lent) => match lent.into_inner() {
                Lent::Begun(transaction) => transaction.rollback().await.map_err(failed),
                Lent::Free(_) => Ok(()),
            },
            Way::SqliteBegun(transaction) => transaction.rollback().await,
            Way::Sqlite(_) => Ok(()),
        }
    }
}

impl Store {
    /// A new session. If it is dropped, it has written nothing.
    pub(super) async fn session(&self) -> Result<Session, Fault> {
        let database = &self.inner.database;
        let lend = async || database.within(STATEMENT, CONNECTION, async |db| lend(database, db).await).await;
        let way = match lend().await {
            // The database answers by now, and the connections that could not be opened are forgotten.
            Err(Fault::Failed(Error::Busy { .. })) => lend().await?,
            way => way?,
        };
        let mut session = Session {
            schema: 0,
            way,
            #[cfg(test)]
            heard: database.listener(),
        };
        session.schema = database.schema(&session).await?;
        Ok(session)
    }

    /// Begins the transaction of a session that is to write more than once.
    pub(super) async fn begin(&self, session: Session) -> Result<Session, Fault> {
        self.inner.database.within(STATEMENT, BEGIN, async |_| session.begin().await).await
    }
}

async fn lend(database: &Database, db: &DatabaseConnection) -> Result<Way, DbErr> {
    if database.backend() == DbBackend::Sqlite {
        return Ok(Way::Sqlite(db.clone()));
    }
    let lent = db.get_mysql_connection_pool().acquire().await.map_err(failed)?;
    Ok(Way::MySql(Mutex::new(Lent::Free(lent))))
}

fn failed(error: SqlxError) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))
}

#[async_trait::async_trait]
impl ConnectionTrait for Session {
    fn get_database_backend(&self) -> DbBackend {
        match self.way {
            Way::MySql(_) => DbBackend::MySql,
            Way::Sqlite(_) | Way::SqliteBegun(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.way {
            Way::MySql(lent) => {
                let done = self.query(statement).execute(lent.lock().await.connection()).await;
                done.map(ExecResult::from).map_err(failed)
            }
            Way::Sqlite(connection) => connection.execute_raw(statement).await,
            Way::SqliteBegun(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.way {
            Way::MySql(lent) => {
                let done = lent.lock().await.connection().execute(AssertSqlSafe(sql.to_owned())).await;
                done.map(ExecResult::from).map_err(failed)
            }
            Way::Sqlite(connection) => connection.execute_unprepared(sql).await,
            Way::SqliteBegun(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.way {
            Way::MySql(lent) => {
                let row = self.query(statement).fetch_optional(lent.lock().await.connection()).await;
                row.map(|row| row.map(QueryResult::from)).map_err(failed)
            }
            Way::Sqlite(connection) => connection.query_one_raw(statement).await,
            Way::SqliteBegun(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.way {
            Way::MySql(lent) => {
                let rows = self.query(statement).fetch_all(lent.lock().await.connection()).await;
                rows.map(|rows| rows.into_iter().map(QueryResult::from).collect()).map_err(failed)
            }
            Way::Sqlite(connection) => connection.query_all_raw(statement).await,
            Way::SqliteBegun(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}
