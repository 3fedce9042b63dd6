//! From a plan to one transaction: compare-and-swap, row by row.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use tokio::time::timeout;

use super::connect::STATEMENT;
use super::error::{Fault, classify};
use super::session::Session;
use super::{Error, Store};
use ringmon_core::edit::{EventDraft, NewRow, PoolWrite};
use ringmon_core::{Plan, RowWrite, ServerId};

mod statement;

use statement::Writer;

/// A word for errors: after such an error it is unknown whether the plan was written.
pub(super) const COMMITTING: &str = "committing";

const WRITING: &str = "writing the server table";

/// Events in one INSERT. SQLite takes 500 parts of a UNION.
const EVENTS: usize = 50;

/// How a transaction ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Everything is written.
    Committed {
        /// The id of the row that was inserted.
        inserted: Option<ServerId>,
    },
    /// The caller's check said no: nothing is written.
    Overtaken,
}

/// One statement of a plan.
enum Work<'p> {
    Pool(&'p PoolWrite),
    Insert(&'p NewRow, [ServerId; 2]),
    /// The inserted row's links to itself.
    OwnLinks(&'p NewRow, [ServerId; 2]),
    Row(&'p RowWrite),
    Events(&'p [EventDraft]),
}

impl Store {
    /// Writes the whole plan, or nothing.
    ///
    /// # Errors
    /// A conflict if a row was not as its guard says or the deadline has passed. Nothing was written. If a connection
    /// broke or was silent while [`COMMITTING`], it is unknown whether something was.
    pub(super) async fn write<K>(&self, session: Session, plan: &Plan, check: &K) -> Result<Written, Fault>
    where
        K: Fn() -> bool + Send + Sync,
    {
        let txn = self.in_time(WRITING, session.into_writer()).await?;
        match self.fill(&txn, plan, check).await {
            Ok(Written::Committed { inserted }) => {
                self.in_time(COMMITTING, txn.commit()).await?;
                Ok(Written::Committed { inserted })
            }
            Ok(Written::Overtaken) => {
                self.undo(txn).await;
                Ok(Written::Overtaken)
            }
            Err(fault) => {
                self.undo(txn).await;
                Err(fault)
            }
        }
    }

    /// Every statement of the plan, and the caller's checks, but not the COMMIT.
    async fn fill<K>(&self, txn: &DatabaseTransaction, plan: &Plan, check: &K) -> Result<Written, Fault>
    where
        K: Fn() -> bool + Send + Sync,
    {
        let mut writer = Writer::new(self.inner.database.backend(), self.inner.pool, plan.deadline);
        let work = in_order(plan);
        let overtaken = || plan.recheck && !check();
        for (done, part) in work.iter().enumerate() {
            if done + 1 == work.len() && overtaken() {
                return Ok(Written::Overtaken);
            }
            self.do_one(txn, &mut writer, part).await?;
        }
        if overtaken() {
            return Ok(Written::Overtaken);
        }
        Ok(Written::Committed { inserted: writer.inserted() })
    }

    async fn do_one(&self, txn: &DatabaseTransaction, writer: &mut Writer, part: &Work<'_>) -> Result<(), Fault> {
        let done = match part {
            Work::Pool(write) => self.in_time(WRITING, txn.execute(&writer.pool(write))).await?,
            Work::Insert(row, links) => {
                let done = self.in_time(WRITING, txn.execute(&writer.insert(row, *links))).await?;
                writer.set_inserted(i64::try_from(done.last_insert_id()).unwrap_or_default());
                done
            }
            Work::OwnLinks(_, links) => self.in_time(WRITING, txn.execute(&writer.own_links(*links))).await?,
            Work::Row(RowWrite::Insert { .. }) => unreachable!("inserts are Work::Insert"),
            Work::Row(RowWrite::Update { guard, set }) => {
                self.in_time(WRITING, txn.execute(&writer.update(guard, set))).await?
            }
            Work::Row(RowWrite::Delete(guard)) => self.in_time(WRITING, txn.execute(&writer.delete(guard))).await?,
            Work::Events(drafts) => self.in_time(WRITING, txn.execute(&writer.events(drafts))).await?,
        };
        let (expected, what) = part.expects();
        if done.rows_affected() == expected {
            Ok(())
        } else {
            Err(Fault::Conflict(format!("{what} is not as it was read, or the deadline has passed")))
        }
    }

    /// One step of the transaction, within the time of a statement.
    async fn in_time<T>(&self, doing: &'static str, step: impl Future<Output = Result<T, DbErr>>) -> Result<T, Fault> {
        let database = &self.inner.database;
        let fault = match timeout(STATEMENT, step).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => classify(database.url(), doing, error),
            Err(_) => Error::TimedOut { place: database.url().to_string(), doing, limit: STATEMENT }.into(),
        };
        Err(database.judge(fault).await)
    }

    /// Rolls back. If that fails the connection is useless, and the server rolls back by itself when it sees it closed.
    async fn undo(&self, txn: DatabaseTransaction) {
        const ROLLBACK: Duration = Duration::from_millis(500);
        if !matches!(timeout(ROLLBACK, txn.rollback()).await, Ok(Ok(()))) {
            self.inner.database.forget();
        }
    }
}

impl Work<'_> {
    /// How many rows it must match, and a name for the log.
    fn expects(&self) -> (u64, String) {
        match self {
            Self::Pool(_) => (1, "the pool".to_owned()),
            Self::Insert(new, _) | Self::OwnLinks(new, _) => (1, format!("the new row of {}", new.card.name)),
            Self::Row(RowWrite::Insert { new, .. }) => (1, format!("the new row of {}", new.card.name)),
            Self::Row(RowWrite::Update { guard, .. } | RowWrite::Delete(guard)) => (1, format!("server {}", guard.id)),
            Self::Events(drafts) => (drafts.len() as u64, "the pool".to_owned()),
        }
    }
}

/// The same order everywhere, so that writers queue instead of deadlocking: pool, insert, rows by id, events.
fn in_order(plan: &Plan) -> Vec<Work<'_>> {
    let mut work: Vec<Work<'_>> = plan.pool.iter().map(Work::Pool).collect();
    let mut rows = Vec::new();
    for write in &plan.writes {
        match write {
            RowWrite::Insert { new, first_buddy, second_buddy } => {
                let links = [*first_buddy, *second_buddy];
                work.push(Work::Insert(new, links));
                if links.contains(&ServerId::NEW) {
                    work.push(Work::OwnLinks(new, links));
                }
            }
            RowWrite::Update { guard, .. } | RowWrite::Delete(guard) => rows.push((guard.id, Work::Row(write))),
        }
    }
    rows.sort_by_key(|(id, _)| *id);
    work.extend(rows.into_iter().map(|(_, part)| part));
    work.extend(plan.events.chunks(EVENTS).map(Work::Events));
    work
}
