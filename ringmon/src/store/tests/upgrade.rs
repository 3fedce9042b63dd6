//! From schema version 2 to 4: with data, under running agents, interrupted, and several upgrades at once.

use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, TransactionTrait};
use sea_orm_migration::{MigratorTrait, SchemaManager};
use tokio::sync::watch;

use super::kit::{POOL, TestDb, join, mono};
use super::wire::{Moment, Wire};
use crate::store::connect::Database;
use crate::store::entity::{event, pool, server};
use crate::store::migration::Migrator;
use crate::store::schema::{judge, number};
use crate::store::{Error, Events, OLDEST_SCHEMA, SCHEMA_VERSION, Store};
use ringmon_core::op::TableOp;
use ringmon_core::row::{Health, Quorum};

super::on_engines!(
    every_row_stays_as_it_was,
    version_1_goes_through_version_2,
    agents_go_on_before_while_and_after,
    an_upgrade_that_was_cut_short_is_finished_by_the_next,
    several_upgrades_at_once_agree;
    an_upgrade_that_is_cut_at_any_statement_is_finished_by_the_next,
    an_upgrade_that_has_to_wait_keeps_no_agent_waiting,
);

/// With values as in [`version`].
pub async fn version_2(db: &TestDb) -> Database {
    version(2, db).await
}

/// The same, one version later.
pub async fn version_3(db: &TestDb) -> Database {
    version(3, db).await
}

/// A database of this version, with a value in every column of every table.
async fn version(number: u32, db: &TestDb) -> Database {
    if let Some(file) = db.url.file() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::File::create_new(file).unwrap();
    }
    let database = Database::new(db.url.clone());
    let connections = database.connections();
    Migrator::up(&connections, Some(number)).await.unwrap();
    for name in [POOL, "another"] {
        assert!(database.create_pool(name, Quorum::Both).await.unwrap());
    }
    let ours = pool::Entity::find().order_by_asc(pool::Column::Id).one(&connections).await.unwrap().unwrap().id;
    let mut sql = vec![
        "UPDATE pool SET frozen = 'a move', old_key_id = 3, \
         old_key_secret = x'000102030405060708090a0b0c0d0e0f', version = 7"
            .to_owned(),
    ];
    for (id, next, before) in [(1, 2, 3), (2, 3, 1), (3, 1, 2)] {
        let votes = "9, 8, 7, 6, 'host', 5, 4, 3, 2, 'agent'";
        let answer = if number < 3 { String::new() } else { format!(", 11, 60, 24, {next}, 1, 2") };
        sql.push(format!(
            "INSERT INTO server VALUES ({id}, {ours}, 'n{id}', '10.0.0.{id}', 7464, '10.1.0.{id}', 80, 5, {next}, \
             {before}, 11, 'b{id}', {id}00, 1, 'passing', {votes}, 21, 22, 23{answer})"
        ));
        sql.push(format!(
            "INSERT INTO event VALUES ({id}, {ours}, 1{id}, 'down', {id}, 'n{id}', 'n{next}', '{{\"why\":\"{id}\"}}')"
        ));
    }
    for sql in sql {
        connections.execute_unprepared(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    assert_eq!(database.schema_version().await.unwrap(), number);
    database
}

type Rows = (Vec<pool::Model>, Vec<server::Model>, Vec<event::Model>);

/// What version 2 has of them.
async fn rows(database: &Database) -> Rows {
    let db = &database.connections();
    (
        pool::Entity::find().order_by_asc(pool::Column::Id).all(db).await.unwrap(),
        server::find(2).order_by_asc(server::Column::Id).all(db).await.unwrap(),
        event::Entity::find().order_by_asc(event::Column::Id).all(db).await.unwrap(),
    )
}

const COLUMNS: [(&str, &str, &str); 10] = [
    ("server", "answer_life", "BIGINT"),
    ("server", "answer_wait_ms", "INT"),
    ("server", "answer_at", "BIGINT"),
    ("server", "answer_hears", "BIGINT"),
    ("server", "rules", "SMALLINT"),
    ("server", "wire", "SMALLINT"),
    ("pool", "identity", "VARCHAR(64)"),
    ("pool", "epoch", "BIGINT"),
    ("pool", "rules", "SMALLINT"),
    ("server", "alone_kind", "VARCHAR(16)"),
];

/// Checks that the newest version is complete, and that the columns since version 2 are empty and may be.
async fn is_newest(database: &Database) {
    assert_eq!(database.schema_version().await.unwrap(), 4);
    let db = database.connections();
    assert!(SchemaManager::new(&db).has_index("event", "event_history").await.unwrap());
    assert!(!SchemaManager::new(&db).has_index("event", "event_pool").await.unwrap());
    for (table, column, _) in COLUMNS {
        sql(database, &[&format!("UPDATE {table} SET {column} = NULL WHERE id < 0")]).await;
        let filled = format!("SELECT 1 FROM {table} WHERE {column} IS NOT NULL");
        let filled = sea_orm::Statement::from_string(database.backend(), filled);
        assert!(db.query_one_raw(filled).await.unwrap().is_none(), "{table}.{column}");
    }
}

/// An operator with SQL, who does half of the upgrade.
pub async fn sql(database: &Database, statements: &[&str]) {
    for statement in statements {
        let done = database.connections().execute_unprepared(statement).await;
        done.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

/// The first so many steps of the upgrade.
async fn begun(database: &Database, steps: usize) {
    for (table, column, kind) in &COLUMNS[..steps] {
        sql(database, &[&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}")]).await;
    }
}

/// Takes the upgrade back.
async fn back(database: &Database) {
    for (table, column, _) in COLUMNS {
        sql(database, &[&format!("ALTER TABLE {table} DROP COLUMN {column}")]).await;
    }
    if database.backend() != sea_orm::DbBackend::Sqlite {
        // InnoDB keeps room for columns that were dropped, until it makes the table anew.
        sql(database, &["ALTER TABLE server FORCE", "ALTER TABLE pool FORCE"]).await;
    }
    sql(database, &["DELETE FROM seaql_migrations WHERE version IN ('m0003_answers', 'm0004_alone_kind')"]).await;
}

async fn every_row_stays_as_it_was(db: TestDb) {
    let database = version_2(&db).await;
    let before = rows(&database).await;
    assert_eq!((before.0.len(), before.1.len(), before.2.len()), (2, 3, 3));
    let said = format!("{:?}{:?}", before.1, before.2);
    // The four columns of an answer, the wire format, and a mark's kind, in three rows.
    assert_eq!((said.matches("None").count(), said.matches("answer_").count()), (18, 12), "is a column empty? {said}");
    assert!(
        before.0.iter().all(|pool| pool.frozen.is_some() && pool.old_key_id.is_some() && pool.old_key_secret.is_some())
    );

    let report = Store::init(&db.url, POOL, Quorum::Single).await.unwrap();
    assert_eq!(
        (report.schema_found, report.schema_now, report.created_pool, report.created_file),
        (2, 4, false, false)
    );
    assert!(report.to_string().contains("from version 2 to 4"), "{report}");
    is_newest(&database).await;
    assert_eq!(rows(&database).await, before);
    let store = db.open().await;
    assert_eq!(store.whole().await, ["n1", "n2", "n3"]);
    assert_eq!(store.history(Events::Newest(2)).await.len(), 2);
}

async fn version_1_goes_through_version_2(db: TestDb) {
    let database = version(1, &db).await;
    let before = rows(&database).await;
    let refused = Store::open(&db.url, POOL).await.unwrap_err();
    assert!(matches!(refused, Error::SchemaTooOld { found: 1, oldest: 2, ours: 4, .. }), "{refused:?}");
    assert_eq!(Store::init(&db.url, POOL, Quorum::Both).await.unwrap().schema_found, 1);
    is_newest(&database).await;
    assert_eq!(rows(&database).await, before);
}

/// What an agent does until `done` changes: it joins, reports its service's health, looks, and leaves.
async fn agent(store: Store, name: String, count: watch::Sender<u32>, done: watch::Receiver<bool>) {
    while !*done.borrow() {
        let rows = store.servers().await.unwrap();
        // Another server may have joined or left at the place where this one wants to join or leave. Then it asks
        // again, as agents do.
        store.run_plain(&join(&rows, &name, Some("n1"))).await;
        let mut joined = false;
        while let Some(row) = store.servers().await.unwrap().into_iter().find(|row| row.card.name == name) {
            let health =
                TableOp::SetService { me: row.id, incarnation: row.incarnation, health: Health::Passing, weight: None };
            store.run_plain(&health).await;
            store.run_plain(&TableOp::View { me: row.id, known: Vec::new() }).await;
            // Not written yet, or just now, or overtaken by a leave.
            let answering = store.servers().await.unwrap().into_iter().find(|now| now.id == row.id);
            let answering = answering.and_then(|now| now.answering().copied());
            assert!(answering.is_none_or(|said| said.wait == Duration::from_millis(60)), "{answering:?}");
            store.run_plain(&TableOp::Leave { id: row.id, incarnation: None, by: "test".into() }).await;
            joined = true;
        }
        store.history(Events::Newest(5)).await;
        count.send_modify(|count| *count += u32::from(joined));
    }
}

async fn agents_go_on_before_while_and_after(db: TestDb) {
    let database = version_2(&db).await;
    // Enough events that the index takes a while.
    for _ in 0..13 {
        let columns = "pool, at, kind, subject, subject_name, said_by, detail";
        sql(&database, &[&format!("INSERT INTO event ({columns}) SELECT {columns} FROM event")]).await;
    }
    sql(&database, &["UPDATE pool SET frozen = NULL"]).await;
    let before = rows(&database).await;
    let witness = db.open().await;
    let (heard, wait) = (witness.row("n2").await.id, Duration::from_millis(70));
    witness.answer(&witness.row("n1").await, wait, Some(heard)).await;
    assert_eq!(witness.row("n1").await.answering, None, "there is no room for it yet");
    let (count, mut counted) = watch::channel(0);
    let (end, done) = watch::channel(false);
    let mut agents = tokio::task::JoinSet::new();
    for name in ["x", "y"] {
        // This program, on the schema before its own.
        agents.spawn(agent(db.open().await, name.into(), count.clone(), done.clone()));
    }
    counted.wait_for(|count| *count >= 4).await.unwrap();
    let begun = *counted.borrow();
    let report = Store::init(&db.url, POOL, Quorum::Both).await.unwrap();
    let ended = *counted.borrow();
    assert_eq!(report.schema_found, 2);
    // The same store, which never closed: its next look finds the room for answers.
    witness.answer(&witness.row("n1").await, wait, Some(heard)).await;
    let said = witness.row("n1").await.answering.unwrap();
    assert_eq!((said.wait, said.answer.unwrap().hears), (wait, heard));
    sql(
        &database,
        &["UPDATE server SET answer_life = NULL, answer_wait_ms = NULL, answer_at = NULL, \
                      answer_hears = NULL, wire = NULL"],
    )
    .await;
    eprintln!("{} turns of an agent while it was upgraded", ended - begun);
    tokio::time::timeout(Duration::from_secs(60), counted.wait_for(|count| *count >= ended + 4))
        .await
        .unwrap()
        .unwrap();
    end.send_replace(true);
    while let Some(agent) = agents.join_next().await {
        agent.unwrap();
    }
    is_newest(&database).await;
    let after = rows(&database).await;
    assert_eq!((&before.0, &before.2[..]), (&after.0, &after.2[..before.2.len()]));
    assert_eq!(db.open().await.whole().await, ["n1", "n2", "n3"]);
}

async fn an_upgrade_that_was_cut_short_is_finished_by_the_next(db: TestDb) {
    let database = version_2(&db).await;
    let before = rows(&database).await;
    for steps in [1, 3, 6, 7, 9, 10] {
        begun(&database, steps).await;
        assert_eq!(db.open().await.whole().await, ["n1", "n2", "n3"], "half of it is as good as version 2");
        assert_eq!(Store::init(&db.url, POOL, Quorum::Both).await.unwrap().schema_found, 2);
        is_newest(&database).await;
        assert_eq!(rows(&database).await, before);
        back(&database).await;
    }
}

async fn an_upgrade_that_is_cut_at_any_statement_is_finished_by_the_next(db: TestDb) {
    let database = version_2(&db).await;
    let before = rows(&database).await;
    let wire = Wire::start(db.port()).await;
    let way = wire.way_to(&db);
    let mut number = 0;
    let mut whole = false;
    while !whole {
        number += 1;
        for moment in [Moment::Before, Moment::After] {
            wire.arm(Some((number, moment)));
            let cut = Store::init(&way, POOL, Quorum::Both).await;
            let (statements, to_come) = wire.seen();
            whole = to_come;
            eprintln!("cut {moment:?} statement {number} ({:?}): {cut:?}", statements.get(number - 1));
            // A cut may not matter: a program that made an index and did not hear so looks whether it exists.
            assert!(cut.is_ok() || !whole, "{cut:?}");
            assert_eq!(rows(&database).await, before);
            assert_eq!(db.open().await.whole().await, ["n1", "n2", "n3"]);
            Store::init(&db.url, POOL, Quorum::Both).await.unwrap();
            is_newest(&database).await;
            assert_eq!(rows(&database).await, before);
            back(&database).await;
        }
    }
    assert!(number > 8, "{number} statements");
}

async fn several_upgrades_at_once_agree(db: TestDb) {
    let database = version_2(&db).await;
    let before = rows(&database).await;
    for round in 0..5 {
        let inits = (0..4).map(|_| Store::init(&db.url, POOL, Quorum::Both));
        for report in futures_util::future::join_all(inits).await {
            let report = report.unwrap_or_else(|e| panic!("round {round}: {e}"));
            assert!((2..=4).contains(&report.schema_found) && report.schema_now == 4, "{report:?}");
        }
        is_newest(&database).await;
        assert_eq!(rows(&database).await, before);
        back(&database).await;
    }
}

/// A transaction that reads `server`, as a dump does, keeps its definition as it is. The upgrade waits for that
/// transaction; agents do not wait for the upgrade.
async fn an_upgrade_that_has_to_wait_keeps_no_agent_waiting(db: TestDb) {
    let database = version_2(&db).await;
    let store = db.open().await;
    let dump = database.connections().begin().await.unwrap();
    // A dump has a session of its own, which may do nothing for longer than an agent's.
    dump.execute_unprepared("SET SESSION wait_timeout = 600").await.unwrap();
    server::find(2).all(&dump).await.unwrap();
    let url = db.url.clone();
    let upgrade = tokio::spawn(async move { Store::init(&url, POOL, Quorum::Both).await });
    // A cluster makes a change of its schema everywhere at the same place of the order, and breaks off what is in its
    // way.
    if db.urls().len() > 1 {
        assert_eq!(upgrade.await.unwrap().unwrap().schema_found, 2);
        let broken_off = server::find(2).all(&dump).await.unwrap_err();
        println!("the dump: {broken_off}");
        return is_newest(&database).await;
    }
    let waits = "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE '%metadata lock%'";
    let asked = || sea_orm::Statement::from_string(sea_orm::DbBackend::MySql, waits);
    let seen = async { while database.connections().query_one_raw(asked()).await.unwrap().is_none() {} };
    tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap();
    let row = store.row("n1").await;
    for health in [Health::Failing, Health::Passing, Health::Unknown] {
        let op = TableOp::SetService { me: row.id, incarnation: row.incarnation, health, weight: None };
        let (result, _) = store.run(&op, mono, || true).await;
        result.unwrap();
    }
    assert!(!upgrade.is_finished(), "it waits");
    dump.rollback().await.unwrap();
    assert_eq!(upgrade.await.unwrap().unwrap().schema_found, 2);
    is_newest(&database).await;
}

#[test]
fn a_program_works_on_its_own_version_and_the_two_before() {
    let said = |found| judge("here".into(), found, 2..=4).map_err(|error| error.to_string());
    assert_eq!((said(2), said(3), said(4)), (Ok(()), Ok(()), Ok(())));
    assert!(said(0).unwrap_err().contains("no ringmon schema (this ringmon knows version 4): run `ringmon init`"));
    assert_eq!(
        said(1).unwrap_err(),
        "here holds ringmon schema version 1, this ringmon works on versions 2 to 4: \
         run `ringmon init` of this version to upgrade it"
    );
    assert_eq!(
        said(5).unwrap_err(),
        "here holds ringmon schema version 5, this ringmon knows only version 4: upgrade ringmon on this machine"
    );
    assert!(
        matches!(judge("here".into(), 2, 1..=1), Err(Error::SchemaTooNew { found: 2, ours: 1, .. })),
        "version 1's"
    );
    assert_eq!(OLDEST_SCHEMA + 2, SCHEMA_VERSION, "no more and no less");
    let numbers: Vec<u32> = Migrator::migrations().iter().map(|migration| number(migration.name())).collect();
    assert_eq!(numbers, (1..=SCHEMA_VERSION).collect::<Vec<_>>());
}
