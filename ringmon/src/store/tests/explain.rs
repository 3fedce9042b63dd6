//! Every statement of an agent's operations finds its rows by an index. The engine itself explains each statement as it
//! was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

use super::cost::{MANY, large};
use super::kit::{TestDb, new_row};
use super::model::{accusation, steady};
use crate::store::{Error, Events, RuleChanges, Store};
use ringmon_core::edit::{AnswerSet, Guard, Lookup, NewRow, TableSnapshot};
use ringmon_core::op::{Place, TableOp};
use ringmon_core::row::{Health, Side};
use ringmon_core::{Outcome, ServerId, VoteKind};

super::on_engines!(every_lookup_uses_an_index, every_write_uses_an_index, history_is_read_and_forgotten_by_an_index);

/// How much of the two large tables a statement may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// A few rows, found by their values.
    Few,
    /// Rows at one end of an index, however many there are after them.
    End,
    /// All rows of a pool: for statements that count or list it.
    Pool,
}

/// A row estimate above this is not few: the tables have [`MANY`].
const FEW: u64 = 1000;

/// A store whose statements are recorded, and another connection to the same database to explain them.
struct Explained {
    store: Store,
    asker: Store,
    heard: Arc<Mutex<Vec<Statement>>>,
    plans: usize,
}

impl Explained {
    async fn new(db: &TestDb) -> Self {
        let asker = db.store().await;
        asker.ring_of(&["a"]).await;
        large(&asker).await;
        another_pool(&asker).await;
        let store = db.open().await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        store.inner.database.overhear(move |statement| ear.lock().unwrap().push(statement.clone()));
        Self { store, asker, heard, plans: 0 }
    }

    /// Explains and judges what was sent since the last call.
    async fn judge(&mut self, what: &str, reads: Reads) {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        assert!(!heard.is_empty(), "{what}: nothing was sent");
        for statement in heard {
            let plan = self.plan(&statement).await;
            eprintln!("{what}: {}", statement.sql);
            for line in &plan {
                eprintln!("    {}", line.text);
                if let Some(complaint) = line.complaint(reads) {
                    panic!("{what}: {complaint}: {}\n{}", line.text, statement.sql);
                }
            }
            self.plans += 1;
        }
    }

    async fn plan(&self, statement: &Statement) -> Vec<Line> {
        let backend = statement.db_backend;
        let explain = if backend == DbBackend::Sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN FORMAT=TRADITIONAL" };
        let asked = Statement { sql: format!("{explain} {}", statement.sql), ..statement.clone() };
        let rows = self.asker.inner.database.connections().query_all_raw(asked).await.unwrap();
        rows.iter().map(|row| if backend == DbBackend::Sqlite { sqlite_line(row) } else { mysql_line(row) }).collect()
    }

    async fn op(&mut self, what: &str, op: TableOp, reads: Reads) -> Outcome {
        self.heard.lock().unwrap().clear();
        let outcome = self.store.run_plain(&op).await;
        eprintln!("{what}: {outcome:?}");
        self.judge(what, reads).await;
        outcome
    }

    /// The row with this number in the large ring.
    async fn row(&self, number: i64) -> ringmon_core::ServerRow {
        self.asker.row(&format!("n{number}")).await
    }
}

/// As many servers and events in another pool, with the newer ones, so that this pool does not have everything.
async fn another_pool(store: &Store) {
    let columns = "name, address, notice_port, weight, first_buddy, second_buddy, incarnation, boot, pick, draining, \
                   health, version";
    store
        .sql(&format!("INSERT INTO server (id, pool, {columns}) SELECT id + 10000, pool + 1, {columns} FROM server"))
        .await;
    let columns = "at, kind, subject, subject_name, said_by, detail";
    store.sql(&format!("INSERT INTO event (pool, {columns}) SELECT pool + 1, {columns} FROM event")).await;
    analyze(store).await;
}

/// The planner must know how many rows there are.
async fn analyze(store: &Store) {
    if db_backend(store) == DbBackend::MySql {
        store.sql("ANALYZE TABLE server, event").await;
    }
}

/// One line of a plan, in words for both engines.
struct Line {
    text: String,
    /// It reads one of the large tables.
    table: bool,
    /// It reads every row of the table, or of an index.
    scan: bool,
    /// It reads as many rows as a pool has, as far as the engine says.
    pool: bool,
    /// It reads along an index in the wanted order, so that the LIMIT ends it. (An engine with two such indexes takes
    /// either.)
    ordered: bool,
    /// It sorts before it returns the first row.
    sorted: bool,
}

impl Line {
    fn complaint(&self, reads: Reads) -> Option<&'static str> {
        match reads {
            Reads::Few if self.table && self.scan => Some("reads a whole table"),
            Reads::Few if self.table && self.pool => Some("reads a whole pool"),
            Reads::End if self.table && self.scan && self.pool && !self.ordered => Some("reads a whole table"),
            Reads::End if self.sorted => Some("sorts what it reads"),
            Reads::Few | Reads::End | Reads::Pool => None,
        }
    }
}

/// `s` is the alias of `server` in the walk.
fn is_large(table: &str) -> bool {
    ["server", "event", "s"].contains(&table)
}

/// "SEARCH server USING INDEX server_name (pool=? AND name=?)", <https://www.sqlite.org/eqp.html>.
fn sqlite_line(row: &QueryResult) -> Line {
    let text: String = row.try_get("", "detail").unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let table = words.get(1).is_some_and(|table| is_large(table));
    let scan = words[0] == "SCAN";
    Line {
        table,
        scan,
        pool: scan || text.ends_with("(pool=?)"),
        ordered: scan && text.contains("INDEX"),
        sorted: text.starts_with("USE TEMP B-TREE FOR ORDER BY"),
        text,
    }
}

/// <https://mariadb.com/kb/en/explain/>. The target of an INSERT is a line without an index.
fn mysql_line(row: &QueryResult) -> Line {
    let cell = |name: &str| {
        let text = row.try_get::<Option<String>>("", name).ok().flatten();
        let number = || row.try_get::<Option<u64>>("", name).ok().flatten().map(|number| number.to_string());
        text.or_else(number).unwrap_or_default()
    };
    let [select, table, kind, key, rows, extra] = ["select_type", "table", "type", "key", "rows", "Extra"].map(cell);
    // MariaDB writes "55 (10%)" with a filter.
    let many = rows.split_whitespace().next().and_then(|rows| rows.parse::<u64>().ok()).is_some_and(|rows| rows > FEW);
    Line {
        table: is_large(&table) && select != "INSERT",
        scan: key.is_empty() || ["ALL", "index"].contains(&kind.as_str()),
        pool: many,
        ordered: kind == "index" && !key.is_empty(),
        sorted: extra.contains("filesort"),
        text: format!("{select} {table}: type {kind}, key {key}, rows {rows}, {extra}"),
    }
}

async fn every_lookup_uses_an_index(db: TestDb) {
    let mut explained = Explained::new(&db).await;
    let mut seen = TableSnapshot::default();
    let session = explained.store.session().await.unwrap();
    explained.store.read_clock(&session, super::kit::mono(), &mut seen).await.unwrap();
    explained.judge("clock and pool", Reads::Few).await;
    // It does not matter which rows they find, but that they do not scan for them.
    seen.db_now = ringmon_core::DbTime::from_us(MANY);
    for (lookup, reads) in [
        (Lookup::Id(ServerId(2000)), Reads::Few),
        (Lookup::Name("n2000".into()), Reads::Few),
        (Lookup::Address("10.9.7.208".parse().unwrap()), Reads::Few),
        (Lookup::Pick(MANY / 2), Reads::End),
        (Lookup::Walk { from: ServerId(2000), side: Side::First, count: 64 }, Reads::Few),
        (Lookup::Walk { from: ServerId(2000), side: Side::Second, count: 64 }, Reads::Few),
        (Lookup::Gone(Duration::from_micros(20)), Reads::Few),
        (Lookup::Braked(Duration::from_micros(20)), Reads::Few),
        (Lookup::LastEvent(ServerId(2000)), Reads::Few),
        (Lookup::Members, Reads::Pool),
    ] {
        explained.store.read(&session, std::slice::from_ref(&lookup), &mut seen).await.unwrap();
        explained.judge(&format!("{lookup:?}"), reads).await;
    }
    explained
        .store
        .read(&session, &[5, 7, 9, 11, 13, 15, 4000, 12_000].map(|id| Lookup::Id(ServerId(id))), &mut seen)
        .await
        .unwrap();
    explained.judge("several by id", Reads::Few).await;
    assert!(!seen.rows.contains_key(&ServerId(12_000)), "another pool's server");
    explained.store.servers().await.unwrap();
    explained.judge("all servers", Reads::Pool).await;

    // The judge notices what is wrong: a column without an index, and a pool that is read to find one row.
    for (sql, complaint) in [
        ("SELECT * FROM server WHERE boot = 'x'", "reads a whole table"),
        ("DELETE FROM event WHERE detail = 'x'", "reads a whole table"),
        ("SELECT * FROM server WHERE pool = 1 AND boot = 'x'", "reads a whole pool"),
    ] {
        let plan = explained.plan(&Statement::from_string(db_backend(&explained.store), sql)).await;
        let complaints: Vec<_> = plan.iter().filter_map(|line| line.complaint(Reads::Few)).collect();
        // MariaDB does not use the pool's index when all rows belong to one pool.
        assert!(
            complaints.contains(&complaint) || complaints.contains(&"reads a whole table"),
            "{sql}: {complaints:?}"
        );
    }
}

fn db_backend(store: &Store) -> DbBackend {
    store.inner.database.backend()
}

async fn every_write_uses_an_index(db: TestDb) {
    let mut explained = Explained::new(&db).await;
    let (before, after) = (explained.row(2000).await, explained.row(2001).await);
    let place = Some(Place::between(&before, &after));
    let joined = explained.op("join", TableOp::Join { new: new_row("x"), place }, Reads::End).await;
    assert!(matches!(joined, Outcome::Joined { .. }), "{joined:?}");
    let x = explained.asker.row("x").await;
    let again = NewRow { card: x.card.clone(), ..new_row("x") };
    let taken = explained.op("take over", TableOp::TakeOver { row: Guard::from(&x), new: again }, Reads::Few).await;
    assert!(matches!(taken, Outcome::Joined { kept_place: true, .. }), "{taken:?}");
    let x = explained.asker.row("x").await;
    let set = TableOp::SetService { me: x.id, incarnation: x.incarnation, health: Health::Passing, weight: None };
    assert_eq!(explained.op("health", set, Reads::Few).await, Outcome::Written);
    let drain = TableOp::SetDraining { id: x.id, incarnation: None, draining: true, by: "test".into() };
    assert_eq!(explained.op("drain", drain, Reads::Few).await, Outcome::Written);
    let alone = TableOp::Alone { me: x.id, incarnation: x.incarnation, alone: Some(VoteKind::Host) };
    assert_eq!(explained.op("alone", alone, Reads::Few).await, Outcome::AloneMarked);
    let view = TableOp::View { me: x.id, known: vec![ServerId(2), ServerId(99_999)] };
    explained.op("view", view, Reads::Few).await;
    let set = AnswerSet { wait: Duration::from_millis(70), hears: Some(ServerId(2)) };
    let answer = |incarnation| TableOp::Answer { me: x.id, incarnation, set };
    assert_eq!(explained.op("answer", answer(x.incarnation), Reads::Few).await, Outcome::Written);
    let another = ringmon_core::Incarnation(x.incarnation.0 + 1);
    assert_eq!(explained.op("answer of another life", answer(another), Reads::Few).await, Outcome::Stale);
    let leave = TableOp::Leave { id: x.id, incarnation: None, by: "test".into() };
    assert_eq!(explained.op("leave", leave, Reads::Few).await, Outcome::Left);

    // Two witnesses against 2001: a vote from each, then the removal.
    let (first, subject, second) = (explained.row(2000).await, explained.row(2001).await, explained.row(2002).await);
    let mut outcomes = Vec::new();
    for (witness, side, far) in [(&first, Side::First, &second), (&second, Side::Second, &first)] {
        let mut accuses = accusation(witness, side, vec![steady(&subject, VoteKind::Host)]);
        accuses.far_end = Some(far.id);
        outcomes.push(explained.op("accuse", TableOp::Accuse(accuses), Reads::Few).await);
    }
    assert!(matches!(outcomes[..], [Outcome::Voted { .. }, Outcome::Removed { .. }]), "{outcomes:?}");
    let withdraw = TableOp::Withdraw { me: first.id, subjects: vec![second.id] };
    explained.op("withdraw", withdraw, Reads::Few).await;
    let freeze = TableOp::SetFrozen { frozen: Some("a test".into()), by: "test".into() };
    assert_eq!(explained.op("freeze", freeze, Reads::Few).await, Outcome::Written);
    assert!(explained.plans > 30, "{} plans", explained.plans);
}

async fn history_is_read_and_forgotten_by_an_index(db: TestDb) {
    let mut explained = Explained::new(&db).await;
    explained.store.history(Events::Newest(50)).await;
    explained.judge("the newest events", Reads::End).await;
    explained.store.history(Events::After { id: 100, limit: 50 }).await;
    explained.judge("events after one", Reads::End).await;
    explained.store.set_rules(&RuleChanges { brake_permille: Some(1000), ..RuleChanges::default() }).await.unwrap();
    explained.judge("rules", Reads::Few).await;
    assert!(matches!(explained.store.delete().await, Err(Error::PoolInUse { .. })));
    explained.judge("deleting a pool with servers", Reads::Pool).await;
    // The young event is the first one by number, and would end the deletion.
    explained.asker.sql("UPDATE event SET at = 1 WHERE at > 1000000").await;
    let gone = explained.store.forget_events(Duration::from_secs(3600), &mut |_| {}).await.unwrap();
    assert!(gone > 2000, "{gone}");
    // The pool's events are gone, and an engine takes any plan for a table without rows. So as many are added again.
    let (columns, pool) = ("at, kind, subject, subject_name, said_by, detail", explained.store.inner.pool.0);
    explained
        .asker
        .sql(&format!(
            "INSERT INTO event (pool, {columns}) SELECT {pool}, {columns} FROM event WHERE pool = {pool} + 1"
        ))
        .await;
    analyze(&explained.asker).await;
    explained.judge("forgetting events", Reads::End).await;
}
