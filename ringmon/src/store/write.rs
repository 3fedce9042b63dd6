//! From a plan to one transaction: compare-and-swap, row by row.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};
use tokio::time::timeout;

use super::connect::STATEMENT;
use super::error::{Fault, classify};
use super::schema::{ANSWERS, SCHEMA_VERSION};
use super::session::Session;
use super::{Error, Store};
use ringmon_core::edit::{EventDraft, Guard, NewRow, PoolWrite};
use ringmon_core::{Plan, RowWrite, ServerId};

mod holder;
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
        /// Whether there was anything to write. An older schema has no room for an answer.
        wrote: bool,
    },
    /// The caller's check said no: nothing is written.
    Overtaken,
    /// An answer for a row that is gone, or of another life: nothing is written.
    Stale,
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
        self.still_of(&session).await?;
        let work = in_order(plan, session.schema());
        let writer = Writer::new(self.inner.database.backend(), self.inner.pool, plan.deadline, session.schema());
        let overtaken = || plan.recheck && !check();
        match &work[..] {
            [] => Ok(Written::Committed { inserted: None, wrote: false }),
            [only @ Work::Row(_)] => self.write_one(&session, writer, only, &overtaken).await,
            _ => self.write_all(session, writer, &work, &overtaken).await,
        }
    }

    /// What was read from an older schema had no answers. If it has been raised since, they are to be read first.
    async fn still_of(&self, session: &Session) -> Result<(), Fault> {
        if session.schema() < SCHEMA_VERSION && self.inner.database.schema(session).await? != session.schema() {
            return Err(Fault::Conflict("the schema was upgraded".to_owned()));
        }
        Ok(())
    }

    /// A statement that commits by itself: the caller is asked once, and there is no lock that could stay behind.
    async fn write_one<K>(
        &self,
        session: &Session,
        mut writer: Writer,
        part: &Work<'_>,
        overtaken: &K,
    ) -> Result<Written, Fault>
    where
        K: Fn() -> bool + Send + Sync,
    {
        if overtaken() {
            return Ok(Written::Overtaken);
        }
        match (self.do_one(session, &mut writer, part, COMMITTING).await, part) {
            // Another attempt would find the same. Or it was only late.
            (Err(Fault::Conflict(cause)), Work::Row(RowWrite::Answer { id, life, .. })) => {
                let there = self.lives(session, *id, *life).await?;
                if there { Err(Fault::Conflict(cause)) } else { Ok(Written::Stale) }
            }
            (done, _) => done.map(|()| Written::Committed { inserted: None, wrote: true }),
        }
    }

    async fn write_all<K>(
        &self,
        session: Session,
        writer: Writer,
        work: &[Work<'_>],
        overtaken: &K,
    ) -> Result<Written, Fault>
    where
        K: Fn() -> bool + Send + Sync,
    {
        let session = self.begin(session).await?;
        match self.fill(&session, writer, work, overtaken).await {
            Ok(committed @ Written::Committed { .. }) => {
                self.in_time(COMMITTING, session.commit()).await?;
                Ok(committed)
            }
            other => {
                self.undo(session).await;
                other
            }
        }
    }

    /// Every statement of the plan, and the caller's checks, but not the COMMIT.
    async fn fill<K>(
        &self,
        session: &Session,
        mut writer: Writer,
        work: &[Work<'_>],
        overtaken: &K,
    ) -> Result<Written, Fault>
    where
        K: Fn() -> bool + Send + Sync,
    {
        for (done, part) in work.iter().enumerate() {
            if done + 1 == work.len() && overtaken() {
                return Ok(Written::Overtaken);
            }
            self.do_one(session, &mut writer, part, WRITING).await?;
        }
        if overtaken() {
            return Ok(Written::Overtaken);
        }
        Ok(Written::Committed { inserted: writer.inserted(), wrote: true })
    }

    async fn do_one(
        &self,
        session: &Session,
        writer: &mut Writer,
        part: &Work<'_>,
        doing: &'static str,
    ) -> Result<(), Fault> {
        let statement = match part {
            Work::Pool(write) => writer.statement(&writer.pool(write)),
            Work::Insert(row, links) => writer.statement(&writer.insert(row, *links)),
            Work::OwnLinks(_, links) => writer.statement(&writer.own_links(*links)),
            Work::Row(RowWrite::Insert { .. }) => unreachable!("inserts are Work::Insert"),
            Work::Row(RowWrite::Update { guard, set }) => writer.statement(&writer.update(guard, set)),
            Work::Row(RowWrite::Delete(guard)) => writer.statement(&writer.delete(guard)),
            Work::Row(RowWrite::Answer { id, life, set }) => writer.statement(&writer.answer(*id, *life, *set)),
            Work::Events(drafts) => writer.statement(&writer.events(drafts)),
        };
        let done = match self.in_time(doing, session.execute_raw(statement)).await {
            Err(Fault::Locked(cause)) => {
                let holder = self.holder(session).await.unwrap_or_default();
                return Err(Fault::Locked(format!("{cause}{holder}")));
            }
            done => done?,
        };
        if matches!(part, Work::Insert(..)) {
            writer.set_inserted(i64::try_from(done.last_insert_id()).unwrap_or_default());
        }
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
    async fn undo(&self, session: Session) {
        const ROLLBACK: Duration = Duration::from_millis(500);
        if !matches!(timeout(ROLLBACK, session.rollback()).await, Ok(Ok(()))) {
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
            Self::Row(RowWrite::Update { guard: Guard { id, .. }, .. } | RowWrite::Delete(Guard { id, .. }))
            | Self::Row(RowWrite::Answer { id, .. }) => (1, format!("server {id}")),
            Self::Events(drafts) => (drafts.len() as u64, "the pool".to_owned()),
        }
    }
}

/// The same order everywhere, so that writers queue instead of deadlocking: pool, insert, rows by id, events.
fn in_order(plan: &Plan, schema: u32) -> Vec<Work<'_>> {
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
            // There is no room for it, and nobody looks for it: on this schema a row reads as that of an agent which
            // does not answer, and is judged as such. So an answer that is not written is as good as one that is.
            RowWrite::Answer { .. } if schema < ANSWERS => {}
            RowWrite::Update { guard: Guard { id, .. }, .. }
            | RowWrite::Delete(Guard { id, .. })
            | RowWrite::Answer { id, .. } => rows.push((*id, Work::Row(write))),
        }
    }
    rows.sort_by_key(|(id, _)| *id);
    work.extend(rows.into_iter().map(|(_, part)| part));
    work.extend(plan.events.chunks(EVENTS).map(Work::Events));
    work
}
