//! The naive design: each change locks the pool's row first, and then reads and writes without conditions.
//!
//! ```sql
//! BEGIN; SELECT version FROM pool WHERE id = ? FOR UPDATE;
//! SELECT neighbours; UPDATE, INSERT, DELETE; INSERT event; COMMIT
//! ```
//!
//! On SQLite the lock is `BEGIN IMMEDIATE`. On Galera such a SELECT locks nothing on the other nodes. So there the
//! pool's row is written (`UPDATE pool SET version = version + 1`), and the second writer learns at COMMIT that it was
//! second.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringmon_tests::engine::Engine;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, QueryResult, RuntimeErr, SqliteTransactionMode,
    SqlxMySqlError, SqlxSqliteError, Statement, TransactionOptions, TransactionTrait, Value,
};

use crate::meter::Done;
use crate::writer::Writer;

/// How often a transaction that gave way is started again. The writers of a cluster give way often.
const ATTEMPTS: u32 = 1000;

pub struct Naive {
    db: DatabaseConnection,
    engine: Engine,
    pool: i64,
    rng: StdRng,
    number: u32,
    joins: u32,
    me: Option<i64>,
    pairs: Vec<(i64, i64)>,
    turn: usize,
}

/// What a transaction does once it has the lock.
enum Edit {
    Join {
        name: String,
        address: String,
        pick: i64,
        place: i64,
    },
    Leave {
        id: i64,
    },
    Vote {
        suspect: i64,
        voter: i64,
    },
    Withdraw {
        suspect: i64,
        voter: i64,
    },
    /// The second vote, and the removal.
    Remove {
        id: i64,
    },
}

impl Naive {
    /// With a connection that no other writer shares.
    pub fn new(db: DatabaseConnection, engine: Engine, pool: i64, number: u32) -> Self {
        let (rng, pairs) = (StdRng::seed_from_u64(number.into()), Vec::new());
        Self { db, engine, pool, rng, number, joins: 0, me: None, pairs, turn: 0 }
    }

    /// Runs until it is committed.
    async fn run(&self, edit: &Edit) -> anyhow::Result<(Done, i64)> {
        let begin = Instant::now();
        for attempts in 1..=ATTEMPTS {
            match self.attempt(edit).await {
                Ok(id) => return Ok((Done { took: begin.elapsed(), attempts, errors: 0 }, id)),
                Err(error) if gave_way(&error) => {
                    let longest = Duration::from_millis(10 << attempts.min(5)).min(Duration::from_millis(250));
                    tokio::time::sleep(longest.mul_f64(rand::random())).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        bail!("a transaction gave way {ATTEMPTS} times")
    }

    async fn attempt(&self, edit: &Edit) -> Result<i64, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let txn = Locked { txn: self.db.begin_with_options(options).await?, pool: self.pool };
        match txn.fill(self.engine, edit).await {
            Ok(id) => txn.txn.commit().await.map(|()| id),
            Err(error) => {
                // If the server has rolled it back already, this only returns an error again.
                let _ = txn.txn.rollback().await;
                Err(error)
            }
        }
    }
}

struct Locked {
    txn: DatabaseTransaction,
    pool: i64,
}

impl Locked {
    async fn fill(&self, engine: Engine, edit: &Edit) -> Result<i64, DbErr> {
        match engine {
            // It has the only lock there is.
            Engine::Sqlite => {}
            Engine::MariaDb | Engine::MySql => {
                self.row("SELECT version FROM pool WHERE id = ? FOR UPDATE", [self.pool.into()]).await?;
            }
            Engine::Galera => {
                self.write("UPDATE pool SET version = version + 1 WHERE id = ?", [self.pool.into()]).await?;
            }
        }
        match edit {
            Edit::Join { name, address, pick, place } => self.join(name, address, *pick, *place).await,
            Edit::Leave { id } => self.splice_out(*id, "left").await,
            Edit::Remove { id } => {
                self.row("SELECT vote_second_voter FROM server WHERE id = ?", [(*id).into()]).await?;
                self.splice_out(*id, "down").await
            }
            Edit::Vote { suspect, voter } => {
                let now = now_us();
                let sql = "UPDATE server SET vote_second_voter = ?, vote_second_incarnation = 1, \
                           vote_second_since = ?, vote_second_at = ?, vote_second_kind = 'host', \
                           version = version + 1 WHERE id = ?";
                self.row("SELECT * FROM server WHERE id = ?", [(*suspect).into()]).await?;
                self.write(sql, [(*voter).into(), now.into(), now.into(), (*suspect).into()]).await
            }
            Edit::Withdraw { suspect, voter } => {
                let sql = "UPDATE server SET vote_second_voter = NULL, vote_second_incarnation = NULL, \
                           vote_second_since = NULL, vote_second_at = NULL, vote_second_kind = NULL, \
                           version = version + 1 WHERE id = ? AND vote_second_voter = ?";
                self.row("SELECT * FROM server WHERE id = ?", [(*suspect).into()]).await?;
                self.write(sql, [(*suspect).into(), (*voter).into()]).await
            }
        }
    }

    /// It looks for the place in the same way as ringmon, because this is about locks.
    async fn join(&self, name: &str, address: &str, pick: i64, place: i64) -> Result<i64, DbErr> {
        let pool = || Value::from(self.pool);
        let sql = "SELECT id, first_buddy FROM server WHERE pool = ? AND pick = COALESCE(\
                   (SELECT MIN(pick) FROM server WHERE pool = ? AND pick >= ?), \
                   (SELECT MIN(pick) FROM server WHERE pool = ?))";
        let at = self.row(sql, [pool(), pool(), place.into(), pool()]).await?;
        let (at, next): (i64, i64) = (at.try_get_by_index(0)?, at.try_get_by_index(1)?);
        let sql = "INSERT INTO server (pool, name, address, notice_port, weight, first_buddy, second_buddy, \
                   incarnation, boot, pick, draining, health, version) \
                   VALUES (?, ?, ?, 7464, 1, ?, ?, ?, 'bench', ?, 0, 'unknown', 1)";
        let values: [Value; 7] =
            [pool(), name.into(), address.into(), next.into(), at.into(), now_us().into(), pick.into()];
        let id = self.write(sql, values).await?;
        self.link("first_buddy", at, id).await?;
        self.link("second_buddy", next, id).await?;
        self.event("joined", id).await?;
        Ok(id)
    }

    async fn splice_out(&self, id: i64, kind: &str) -> Result<i64, DbErr> {
        let own = self.row("SELECT first_buddy, second_buddy FROM server WHERE id = ?", [id.into()]).await?;
        let (first, second): (i64, i64) = (own.try_get_by_index(0)?, own.try_get_by_index(1)?);
        self.write("DELETE FROM server WHERE id = ?", [id.into()]).await?;
        self.link("first_buddy", second, first).await?;
        self.link("second_buddy", first, second).await?;
        self.event(kind, id).await?;
        Ok(id)
    }

    async fn link(&self, column: &str, from: i64, to: i64) -> Result<i64, DbErr> {
        let sql = format!("UPDATE server SET {column} = ?, version = version + 1 WHERE id = ?");
        self.write(&sql, [to.into(), from.into()]).await
    }

    async fn event(&self, kind: &str, subject: i64) -> Result<i64, DbErr> {
        let sql = "INSERT INTO event (pool, at, kind, subject, subject_name, said_by, detail) \
                   VALUES (?, ?, ?, ?, 'bench', 'bench', '{}')";
        self.write(sql, [self.pool.into(), now_us().into(), kind.into(), subject.into()]).await
    }

    async fn write(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<i64, DbErr> {
        let statement = Statement::from_sql_and_values(self.txn.get_database_backend(), sql, values);
        let done = self.txn.execute_raw(statement).await?;
        Ok(i64::try_from(done.last_insert_id()).unwrap_or_default())
    }

    async fn row(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<QueryResult, DbErr> {
        let statement = Statement::from_sql_and_values(self.txn.get_database_backend(), sql, values);
        let row = self.txn.query_one_raw(statement).await?;
        row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))
    }
}

impl Writer for Naive {
    async fn prepare(&mut self, ids: &[i64]) -> anyhow::Result<()> {
        let backend = self.db.get_database_backend();
        for id in ids {
            let sql = "SELECT first_buddy FROM server WHERE id = ?";
            let statement = Statement::from_sql_and_values(backend, sql, [Value::from(*id)]);
            let row = self.db.query_one_raw(statement).await?.context("a server is not on the ring")?;
            self.pairs.push((*id, row.try_get_by_index(0)?));
        }
        Ok(())
    }

    async fn join(&mut self) -> anyhow::Result<Done> {
        self.joins += 1;
        let (number, join) = (self.number, self.joins);
        let (name, address) =
            (format!("n{number}-{join}"), format!("fd02::{number:x}:{:x}:{:x}", join >> 16, join & 0xffff));
        let edit = Edit::Join { name, address, pick: self.rng.random(), place: self.rng.random() };
        let (done, id) = self.run(&edit).await?;
        self.me = Some(id);
        Ok(done)
    }

    async fn leave(&mut self) -> anyhow::Result<Option<Done>> {
        let Some(id) = self.me.take() else { return Ok(None) };
        Ok(Some(self.run(&Edit::Leave { id }).await?.0))
    }

    async fn remove(&mut self) -> anyhow::Result<Option<Done>> {
        let id = self.me.take().context("no server that could be removed")?;
        let (vote, _) = self.run(&Edit::Vote { suspect: id, voter: 1 }).await?;
        let (removal, _) = self.run(&Edit::Remove { id }).await?;
        let (took, attempts) = (vote.took + removal.took, vote.attempts + removal.attempts);
        Ok(Some(Done { took, attempts, errors: 0 }))
    }

    async fn vote(&mut self) -> anyhow::Result<Done> {
        self.turn += 1;
        let (voter, suspect) = *self.pairs.get(self.turn % self.pairs.len().max(1)).context("nobody to vote about")?;
        Ok(self.run(&Edit::Vote { suspect, voter }).await?.0)
    }

    async fn withdraw(&mut self) -> anyhow::Result<Done> {
        let (voter, suspect) = *self.pairs.get(self.turn % self.pairs.len().max(1)).context("nobody has voted")?;
        Ok(self.run(&Edit::Withdraw { suspect, voter }).await?.0)
    }

    /// Without a lock, because it changes nothing.
    async fn pick(&mut self) -> anyhow::Result<Done> {
        let random = if self.engine == Engine::Sqlite { "RANDOM()" } else { "RAND()" };
        let sql = format!("SELECT * FROM server WHERE pool = ? ORDER BY {random} LIMIT 1");
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, [Value::from(self.pool)]);
        let begin = Instant::now();
        self.db.query_one_raw(statement).await?.context("the pool is empty")?;
        Ok(Done { took: begin.elapsed(), attempts: 1, errors: 0 })
    }
}

/// Deadlock, certification, lock wait, changed since read, no quorum for a moment; or SQLite is busy.
#[expect(clippy::wildcard_enum_match_arm, reason = "the driver's enums grow with it")]
fn gave_way(error: &DbErr) -> bool {
    let inner = match error {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => inner,
        _ => return false,
    };
    let Some(said) = inner.as_database_error() else { return false };
    if let Some(mysql) = said.try_downcast_ref::<SqlxMySqlError>() {
        return matches!(mysql.number(), 1213 | 1205 | 1020 | 1180);
    }
    let code = said.try_downcast_ref::<SqlxSqliteError>().and_then(|_| said.code());
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}
