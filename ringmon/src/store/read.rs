//! From lookups to rows. It takes no locks: what a plan relies on is compared again when it writes.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, IdenStatic, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};

use super::connect::STATEMENT;
use super::convert::{micros, past_event, pool_row, server_row};
use super::entity::{event, pool, server};
use super::error::Fault;
use super::session::Session;
use super::{Store, clock, gone};
use ringmon_core::edit::Lookup;
use ringmon_core::{DbTime, EventKind, Incarnation, PoolId, ServerId, Side, TableSnapshot, Time, Word as _};

/// The result of one lookup.
pub(super) enum Found {
    Rows(Vec<server::Model>),
    Count(u64),
    Event(Box<Option<event::Model>>),
}

impl Store {
    /// R7: the database's clock before anything else, and in the same round trip the pool's row.
    pub(super) async fn read_clock(
        &self,
        session: &Session,
        read_at: Time,
        seen: &mut TableSnapshot,
    ) -> Result<(), Fault> {
        let database = &self.inner.database;
        let backend = database.backend();
        let query =
            pool::Entity::find_by_id(self.inner.pool.0).expr_as(Expr::cust(clock::started_sql(backend)), "db_now");
        let found = database
            .within(STATEMENT, "reading the clock and the pool", async |_| {
                let Some(row) = session.query_one(query.as_query()).await? else { return Ok(None) };
                let now: i64 = row.try_get("", "db_now")?;
                Ok(Some((now, pool::Model::from_query_result(&row, "")?)))
            })
            .await?;
        let (now, row) = found.ok_or_else(|| self.no_such_pool())?;
        seen.read_at = read_at;
        seen.db_now = DbTime::from_us(now);
        seen.pool = Some(pool_row(row)?);
        Ok(())
    }

    /// Makes these lookups; those by id in one statement.
    pub(super) async fn read(
        &self,
        session: &Session,
        lookups: &[Lookup],
        seen: &mut TableSnapshot,
    ) -> Result<(), Fault> {
        let mut ids = Vec::new();
        for lookup in lookups {
            match lookup {
                Lookup::Id(id) => ids.push(*id),
                Lookup::Name(_)
                | Lookup::Address(_)
                | Lookup::Pick(_)
                | Lookup::Walk { .. }
                | Lookup::Gone(_)
                | Lookup::Braked(_)
                | Lookup::Members
                | Lookup::LastEvent(_) => self.read_one(session, lookup, seen).await?,
            }
        }
        if ids.is_empty() { Ok(()) } else { self.read_ids(session, &ids, seen).await }
    }

    async fn read_ids(&self, session: &Session, ids: &[ServerId], seen: &mut TableSnapshot) -> Result<(), Fault> {
        // With the pool as a condition, SQLite expects more rows from four ids than from an index of the pool, and
        // reads the whole pool.
        let query = server::find(session.schema()).filter(server::Column::Id.is_in(ids.iter().map(|id| id.0)));
        let rows = self.inner.database.within(STATEMENT, "reading servers", async |_| query.all(session).await).await?;
        for id in ids {
            seen.answers.insert(Lookup::Id(*id), Vec::new());
        }
        for row in rows.into_iter().filter(|row| row.pool == self.inner.pool.0) {
            let row = server_row(row)?;
            seen.answers.insert(Lookup::Id(row.id), vec![row.id]);
            seen.rows.insert(row.id, row);
        }
        Ok(())
    }

    /// Whether the table has this life of the server.
    pub(super) async fn lives(&self, session: &Session, id: ServerId, life: Incarnation) -> Result<bool, Fault> {
        let query = server::Entity::find()
            .select_only()
            .column(server::Column::Id)
            .filter(server::Column::Id.eq(id.0))
            .filter(server::Column::Pool.eq(self.inner.pool.0))
            .filter(server::Column::Incarnation.eq(life.0))
            .into_tuple::<i64>();
        let look = async |_: &DatabaseConnection| query.one(session).await;
        Ok(self.inner.database.within(STATEMENT, "reading servers", look).await?.is_some())
    }

    async fn read_one(&self, session: &Session, lookup: &Lookup, seen: &mut TableSnapshot) -> Result<(), Fault> {
        let (pool, now) = (Pool { id: self.inner.pool, schema: session.schema() }, seen.db_now);
        let look = async |_: &DatabaseConnection| find(session, pool, now, lookup).await;
        let found = self.inner.database.within(STATEMENT, "reading servers", look).await?;
        match (found, lookup) {
            (Found::Count(count), _) => {
                seen.counts.insert(lookup.clone(), count);
            }
            (Found::Event(event), Lookup::LastEvent(id)) => {
                seen.events.insert(*id, event.map(past_event).transpose()?.map(|event| event.stored));
            }
            (Found::Event(_), _) => unreachable!("only LastEvent brings an event"),
            (Found::Rows(rows), _) => {
                let mut answer = Vec::with_capacity(rows.len());
                for row in rows {
                    let row = server_row(row)?;
                    answer.push(row.id);
                    seen.rows.insert(row.id, row);
                }
                seen.answers.insert(lookup.clone(), answer);
            }
        }
        Ok(())
    }
}

/// Whose servers are looked for, and in which version of the schema.
#[derive(Clone, Copy)]
pub(super) struct Pool {
    pub(super) id: PoolId,
    pub(super) schema: u32,
}

impl Pool {
    fn servers(self) -> sea_orm::Select<server::Entity> {
        server::find(self.schema).filter(server::Column::Pool.eq(self.id.0))
    }

    /// The columns of `s`, for a statement by hand.
    fn columns(self) -> String {
        let columns: Vec<String> =
            server::Column::of(self.schema).map(|column| format!("s.{}", column.as_str())).collect();
        columns.join(", ")
    }
}

/// One lookup. All but [`Lookup::Members`] and [`Lookup::Gone`] cost the same however large the pool is.
pub(super) async fn find(db: &impl ConnectionTrait, pool: Pool, now: DbTime, lookup: &Lookup) -> Result<Found, DbErr> {
    let rows = match lookup {
        Lookup::Id(id) => pool.servers().filter(server::Column::Id.eq(id.0)).all(db).await?,
        Lookup::Name(name) => pool.servers().filter(server::Column::Name.eq(name.as_str())).all(db).await?,
        Lookup::Address(a) => pool.servers().filter(server::Column::Address.eq(a.to_string())).all(db).await?,
        Lookup::Pick(pick) => {
            let statement = pick_statement(db.get_database_backend(), pool, *pick);
            server::Entity::find().from_raw_sql(statement).all(db).await?
        }
        Lookup::Walk { from, side, count } => walk(db, pool, *from, *side, *count).await?,
        Lookup::Members => return pool.servers().count(db).await.map(Found::Count),
        Lookup::Gone(window) => {
            return gone::count(db, pool.id, now.as_us().saturating_sub(micros(*window))).await.map(Found::Count);
        }
        Lookup::Braked(window) => {
            let count = event::Entity::find()
                .filter(event::Column::Pool.eq(pool.id.0))
                .filter(event::Column::Kind.eq(EventKind::Braked.word()))
                .filter(event::Column::At.gte(now.as_us().saturating_sub(micros(*window))))
                .count(db);
            return count.await.map(Found::Count);
        }
        Lookup::LastEvent(id) => {
            let newest =
                event::Entity::find().filter(event::Column::Subject.eq(id.0)).order_by_desc(event::Column::Id).one(db);
            return newest.await.map(|event| Found::Event(Box::new(event)));
        }
    };
    Ok(Found::Rows(rows))
}

/// A random server in O(log n): the first one whose pick is not below this one, or else the first of all.
///
/// `ORDER BY pick LIMIT 1` would be enough, but MariaDB 10.11 then reads the index from the start of the pool: half of
/// the pool on average.
fn pick_statement(backend: DbBackend, pool: Pool, pick: i64) -> Statement {
    let sql = format!(
        "SELECT {} FROM server s WHERE s.pool = ? AND s.pick = COALESCE(\
           (SELECT MIN(pick) FROM server WHERE pool = ? AND pick >= ?), \
           (SELECT MIN(pick) FROM server WHERE pool = ?))",
        pool.columns()
    );
    let values = [pool.id.0, pool.id.0, pick, pool.id.0].map(sea_orm::Value::from);
    Statement::from_sql_and_values(backend, sql, values)
}

/// Hops in one statement: fewer than the 1000 at which MySQL and MariaDB stop a recursion by default.
const HOPS: usize = 500;

/// Walks along the links in one statement, so that the rows are of one moment. It ends before it comes back to `from`,
/// at a link to a missing row, and where a damaged ring comes back to another server.
async fn walk(
    db: &impl ConnectionTrait,
    pool: Pool,
    from: ServerId,
    side: Side,
    count: u16,
) -> Result<Vec<server::Model>, DbErr> {
    let mut rows: Vec<server::Model> = Vec::new();
    let mut met = std::collections::BTreeSet::from([from.0]);
    let mut last = from.0;
    while rows.len() < usize::from(count) {
        let hops = HOPS.min(usize::from(count) - rows.len());
        let part = server::Entity::find()
            .from_raw_sql(walk_statement(db.get_database_backend(), pool, (last, from.0), side, hops))
            .all(db)
            .await?;
        let whole = part.len() == hops;
        for row in part {
            if !met.insert(row.id) {
                return Ok(rows);
            }
            last = row.id;
            rows.push(row);
        }
        if !whole {
            break;
        }
    }
    Ok(rows)
}

/// To MySQL, CROSS JOIN is INNER JOIN. To SQLite it says that the walk comes first; otherwise it would read the whole
/// pool.
fn walk_statement(backend: DbBackend, pool: Pool, (last, from): (i64, i64), side: Side, hops: usize) -> Statement {
    let link = match side {
        Side::First => "first_buddy",
        Side::Second => "second_buddy",
    };
    let sql = format!(
        "WITH RECURSIVE walk (id, hop) AS (\
           SELECT {link}, 1 FROM server WHERE id = ? AND pool = ? \
           UNION ALL \
           SELECT s.{link}, walk.hop + 1 FROM walk INNER JOIN server s ON s.id = walk.id \
           WHERE walk.hop < ? AND walk.id <> ?) \
         SELECT {} FROM walk CROSS JOIN server s ON s.id = walk.id WHERE walk.id <> ? AND s.pool = ? ORDER BY walk.hop",
        pool.columns()
    );
    let hops = i64::try_from(hops).unwrap_or(i64::MAX);
    let values = [last, pool.id.0, hops, from, from, pool.id.0].map(sea_orm::Value::from);
    Statement::from_sql_and_values(backend, sql, values)
}
