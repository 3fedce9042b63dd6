//! On the schemas before, and at the moment when it is upgraded.

use std::time::Duration;

use sea_orm::ConnectionTrait;

use super::kit::{POOL, TestDb, new_row};
use super::moments::removal;
use super::upgrade::{sql, version_2, version_3};
use crate::store::connect::Database;
use crate::store::error::Fault;
use crate::store::{Error, Store};
use ringmon_core::edit::{Guard, Lookup, Outcome, Plan, RowSet, RowWrite, TableSnapshot};
use ringmon_core::law;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Health, Quorum, Side, VoteKind};

super::on_engines!(
    version_2_takes_everything_but_answers,
    version_2_takes_marks_without_a_kind,
    version_3_takes_marks_without_a_kind,
    a_program_of_version_3_leaves_a_kind_behind_that_says_nothing,
    what_was_read_without_answers_is_not_written_upon,
    a_running_program_of_version_2_survives_the_upgrade,
);

/// What stands in the way of an answer is only the schema: everything else is written and read as ever.
async fn version_2_takes_everything_but_answers(db: TestDb) {
    let database = version_2(&db).await;
    sql(&database, &["DELETE FROM server", "UPDATE pool SET frozen = NULL"]).await;
    let store = db.open().await;
    store.ring_of(&["a", "b", "c", "d"]).await;
    let again = TableOp::TakeOver { row: (&store.row("c").await).into(), new: new_row("c") };
    assert!(matches!(store.run_plain(&again).await, Outcome::Joined { kept_place: true, .. }));
    let (a, c) = (store.row("a").await, store.row("c").await);
    assert_eq!(store.answer(&a, Duration::from_millis(70), Some(c.id)).await, Outcome::Written);
    assert_eq!(store.row("a").await, a, "an answer that ends well and writes nothing");
    for lookup in [Lookup::Pick(0), Lookup::Walk { from: a.id, side: Side::First, count: 9 }, Lookup::Members] {
        let mut seen = TableSnapshot::default();
        let session = store.session().await.unwrap();
        store.read(&session, &[lookup], &mut seen).await.unwrap();
        assert!(seen.rows.values().all(|row| row.answering.is_none()));
    }
    let rows = store.servers().await.unwrap();
    let removal = removal(&store, &rows, &["b"]).await;
    assert!(matches!(store.run_plain(&removal).await, Outcome::Removed { .. }));
    let leave = TableOp::Leave { id: c.id, incarnation: None, by: "c".into() };
    assert_eq!(store.run_plain(&leave).await, Outcome::Left);
    assert_eq!(store.whole().await, ["a", "d"]);
    let pools = Store::pools(&db.url).await.unwrap();
    assert_eq!(pools.iter().map(|pool| pool.servers).collect::<Vec<_>>(), [0, 2], "another, and this one");
}

/// They go on as ever, and on the newest schema they have no kind either, until they begin anew.
async fn marks_have_no_kind(db: &TestDb, database: &Database) {
    sql(database, &["UPDATE server SET alone_since = NULL, alone_at = NULL", "UPDATE pool SET frozen = NULL"]).await;
    let store = db.open().await;
    let says = async |alone: Option<VoteKind>| {
        let row = store.row("n1").await;
        let op = TableOp::Alone { me: row.id, incarnation: row.incarnation, alone };
        assert_eq!(store.run_plain(&op).await, Outcome::AloneMarked);
        store.row("n1").await
    };
    let began = says(Some(VoteKind::Host)).await;
    assert!(began.alone_since.is_some() && began.alone_kind.is_none(), "{began:?}");
    // It is due to be renewed.
    let due = async || {
        let at = store.db_now().await - law::REVOTE;
        store.sql(&format!("UPDATE server SET alone_since = {0}, alone_at = {0}", at.as_us())).await;
        Some(at)
    };
    let since = due().await;
    let renewed = says(Some(VoteKind::Host)).await;
    assert!(renewed.alone_since == since && renewed.alone_at > since, "{renewed:?}");
    Store::init(&db.url, POOL, Quorum::Both).await.unwrap();
    let since = due().await;
    let after = says(Some(VoteKind::Host)).await;
    assert!(after.alone_since == since && after.alone_at > since, "{after:?}");
    assert_eq!(after.alone_kind, None, "it is not known of what kind it was all the time");
    assert_eq!(says(None).await.alone_at, None);
    assert_eq!(says(Some(VoteKind::Host)).await.alone_kind, Some(VoteKind::Host));
}

async fn version_2_takes_marks_without_a_kind(db: TestDb) {
    let database = version_2(&db).await;
    marks_have_no_kind(&db, &database).await;
}

async fn version_3_takes_marks_without_a_kind(db: TestDb) {
    let database = version_3(&db).await;
    marks_have_no_kind(&db, &database).await;
}

/// It takes a mark back, and does not know of the kind.
async fn a_program_of_version_3_leaves_a_kind_behind_that_says_nothing(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b"]).await;
    store.sql("UPDATE server SET alone_kind = 'host'").await;
    let row = store.row("a").await;
    assert_eq!((row.alone_at, row.alone_kind), (None, Some(VoteKind::Host)));
    let says = |alone| TableOp::Alone { me: row.id, incarnation: row.incarnation, alone };
    assert_eq!(store.run_plain(&says(Some(VoteKind::Agent))).await, Outcome::AloneMarked);
    assert_eq!(store.row("a").await.alone_kind, Some(VoteKind::Agent));
    assert_eq!(store.run_plain(&says(None)).await, Outcome::AloneMarked);
    assert_eq!(store.row("a").await.alone_kind, None);
}

/// The upgrade comes between the look at the version and the look at a row, and in between somebody answers.
async fn what_was_read_without_answers_is_not_written_upon(db: TestDb) {
    drop(version_2(&db).await);
    let store = db.open().await;
    let session = store.session().await.unwrap();
    Store::init(&db.url, POOL, Quorum::Both).await.unwrap();
    let other = db.open().await;
    let row = other.row("n1").await;
    other.answer(&row, Duration::from_millis(70), Some(row.first_buddy)).await;
    let mut seen = TableSnapshot { db_now: store.db_now().await, ..TableSnapshot::default() };
    store.read(&session, &[Lookup::Id(row.id)], &mut seen).await.unwrap();
    let read = &seen.rows[&row.id];
    assert!(read.version > row.version && read.answering.is_none(), "{read:?}");
    let set = RowSet { health: Some(Health::Failing), ..RowSet::default() };
    let plan = Plan {
        deadline: seen.db_now + Duration::from_secs(60),
        writes: vec![RowWrite::Update { guard: Guard::from(read), set }],
        pool: None,
        events: Vec::new(),
        recheck: false,
        outcome: Outcome::Written,
    };
    let written = store.write(session, &plan, &|| true).await;
    assert!(matches!(&written, Err(Fault::Conflict(why)) if why == "the schema was upgraded"), "{written:?}");
    assert!(store.row("n1").await.answering().is_some());
}

/// Two of its statements are `SELECT *`: those for a random server and for a walk. SQLite's driver does not survive the
/// first of them after the upgrade. It finds nothing, once.
async fn a_running_program_of_version_2_survives_the_upgrade(db: TestDb) {
    let database = version_2(&db).await;
    let statement = || sea_orm::Statement::from_string(database.backend(), "SELECT * FROM server WHERE id = 2");
    let look = async || {
        let look = async |db: &sea_orm::DatabaseConnection| db.query_one_raw(statement()).await;
        let row = database.bounded("reading servers", look).await?;
        Ok::<_, Error>(row.map(|row| row.try_get::<i64>("", "version").unwrap()))
    };
    assert_eq!(look().await.unwrap(), Some(23));
    Store::init(&db.url, POOL, Quorum::Both).await.unwrap();
    if db.url.file().is_some() {
        assert_eq!(look().await.unwrap(), None);
    }
    let again = loop {
        match look().await {
            Ok(row) => break row,
            Err(error) => assert!(db.url.file().is_some() && error.is_transient(), "{error:?}"),
        }
    };
    assert_eq!(again, Some(23));
}
