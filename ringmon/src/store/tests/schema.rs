//! Makes the schema and the pool, and refuses schemas of other versions.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sea_orm::ConnectionTrait;

use super::kit::{POOL, TestDb};
use crate::store::{Error, Events, RuleChanges, SCHEMA_VERSION, Store};
use ringmon_core::edit::Outcome;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Alone, Mode, Quorum};
use ringmon_core::{EventBody, ServerId, VoteKind};

super::on_engines!(
    init_may_be_run_again,
    inits_at_the_same_time_agree,
    a_schema_of_another_version_is_refused,
    a_pool_that_is_not_there_is_named,
    names_are_case_sensitive,
    ids_are_never_reused,
    rules_change_and_stay,
    events_are_listed_oldest_first,
    what_no_version_knows_is_named,
);

async fn init_may_be_run_again(db: TestDb) {
    let first = Store::init(&db.url, POOL, Quorum::Single).await.unwrap();
    assert_eq!((first.schema_found, first.schema_now, first.created_pool), (0, SCHEMA_VERSION, true));
    assert_eq!(first.created_file, db.url.file().is_some());
    let store = db.open().await;
    let before = store.pool().await.unwrap();
    assert_eq!(before.keys.len(), 1);
    assert_ne!(before.keys[0].secret, [0; 16]);

    let again = Store::init(&db.url, POOL, Quorum::Both).await.unwrap();
    assert_eq!((again.schema_found, again.created_file, again.created_pool), (SCHEMA_VERSION, false, false));
    assert_eq!(again.quorum, Quorum::Single, "a pool that is there keeps its rules");
    assert_eq!(store.pool().await.unwrap(), before);

    Store::init(&db.url, "other", Quorum::Both).await.unwrap();
    let other = Store::open(&db.url, "other").await.unwrap().pool().await.unwrap();
    assert_ne!(other.keys[0].secret, before.keys[0].secret, "each pool has its own key");
    assert!(!format!("{before:?}").contains(&format!("{:?}", before.keys[0].secret)));
}

async fn inits_at_the_same_time_agree(db: TestDb) {
    let inits = (0..4).map(|_| Store::init(&db.url, POOL, Quorum::Both));
    let reports = futures_util::future::join_all(inits).await;
    let created = reports.into_iter().map(|report| report.unwrap()).filter(|report| report.created_pool).count();
    assert_eq!(created, 1);
    assert_eq!(db.open().await.servers().await.unwrap(), []);
}

/// SQLite says "locked" at once, without waiting, to a connection that changes a new file's journal while another one
/// writes.
#[tokio::test]
async fn an_init_waits_for_whoever_is_making_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("sqlite://{}", folder.path().join("new.db").display());
    let mut options = sea_orm::ConnectOptions::new(format!("{place}?mode=rwc"));
    let other = sea_orm::Database::connect(options.max_connections(1).to_owned()).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let url = place.parse().unwrap();
    let init = Store::init(&url, POOL, Quorum::Both);
    tokio::pin!(init);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut init).await;
    assert!(early.is_err(), "it waits: {early:?}");
    other.execute_unprepared("ROLLBACK").await.unwrap();
    assert!(init.await.unwrap().created_pool);
}

async fn a_schema_of_another_version_is_refused(db: TestDb) {
    let said = |error: Error| {
        assert!(!error.is_transient());
        error.to_string()
    };
    if db.url.file().is_none() {
        let missing = said(Store::open(&db.url, POOL).await.unwrap_err());
        assert!(missing.contains("no ringmon schema") && missing.contains("run `ringmon init`"), "{missing}");
    }
    let store = db.store().await;
    store.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m0007_later', 1)").await;
    let too_new = said(Store::open(&db.url, POOL).await.unwrap_err());
    assert!(
        too_new.contains("version 7") && too_new.contains(&format!("version {SCHEMA_VERSION}: upgrade ringmon")),
        "{too_new}"
    );
    assert!(matches!(
        Store::init(&db.url, POOL, Quorum::Both).await,
        Err(Error::SchemaTooNew { found: 7, ours: SCHEMA_VERSION, .. })
    ));

    store.sql("DELETE FROM seaql_migrations").await;
    let missing = said(Store::open(&db.url, POOL).await.unwrap_err());
    assert!(
        missing.contains("no ringmon schema") && missing.contains(&format!("version {SCHEMA_VERSION}")),
        "{missing}"
    );

    // The tables exist but their record is missing, as after an interrupted run: init does the rest.
    let report = Store::init(&db.url, POOL, Quorum::Both).await.unwrap();
    assert_eq!((report.schema_found, report.created_pool), (0, false));
}

async fn a_pool_that_is_not_there_is_named(db: TestDb) {
    drop(db.store().await);
    let said = Store::open(&db.url, "nope").await.unwrap_err().to_string();
    assert!(said.contains("no pool 'nope'") && said.contains("ringmon init --pool nope"), "{said}");
}

async fn names_are_case_sensitive(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["web", "Web", "WEB"]).await;
    assert_eq!(store.whole().await, ["web", "Web", "WEB"]);
    assert!(matches!(Store::open(&db.url, "LAB").await, Err(Error::NoSuchPool { .. })));
}

async fn ids_are_never_reused(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a"]).await;
    let first = store.row("a").await;
    let left = TableOp::Leave { id: first.id, incarnation: None, by: "test".into() };
    assert_eq!(store.run_plain(&left).await, Outcome::Left);
    store.ring_of(&["a"]).await;
    let second = store.row("a").await;
    assert!(second.id > first.id, "{} after {}", second.id, first.id);
    assert_ne!(second.id, ServerId::NEW);
}

async fn rules_change_and_stay(db: TestDb) {
    let store = db.store().await;
    let changes = RuleChanges {
        quorum: Some(Quorum::Single),
        agent_timeout: Some(std::time::Duration::from_millis(1500)),
        brake_permille: Some(1000),
        alone: Some(Alone::All),
        mode: Some(Mode::Observe),
    };
    let after = store.set_rules(&changes).await.unwrap();
    assert_eq!(after, db.open().await.pool().await.unwrap());
    assert_eq!(after.rules, changes.applied_to(&ringmon_core::Rules::default()));
    assert_eq!(after.version, 2);
    assert_eq!(store.set_rules(&RuleChanges::default()).await.unwrap(), after, "no change writes nothing");
}

async fn events_are_listed_oldest_first(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b", "c"]).await;
    let all = store.history(Events::Newest(10)).await;
    assert_eq!(all.iter().map(|e| e.subject_name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(all.iter().all(|e| matches!(e.body, EventBody::Joined(_))));
    assert_eq!(all[0].subject, Some(store.row("a").await.id), "the inserted row's own id");
    assert_eq!(store.history(Events::Newest(2)).await, all[1..]);
    assert_eq!(store.history(Events::After { id: all[0].id, limit: 1 }).await, all[1..2]);
}

async fn what_no_version_knows_is_named(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b"]).await;
    let id = store.row("b").await.id;
    store.sql(&format!("UPDATE server SET health = 'purple' WHERE id = {}", id.0)).await;
    let said = store.servers().await.unwrap_err().to_string();
    assert!(
        said.contains(&format!("row {} of table server", id.0)) && said.contains("\"purple\" in column health"),
        "{said}"
    );
    for (set, column) in [("answer_at = NULL", "answer_life"), ("answer_wait_ms = -1", "answer_wait_ms")] {
        let whole = "health = 'unknown', answer_life = 1, answer_wait_ms = 2, answer_at = 3, answer_hears = 4";
        store.sql(&format!("UPDATE server SET {whole} WHERE id = {}", id.0)).await;
        store.servers().await.unwrap();
        store.sql(&format!("UPDATE server SET {set} WHERE id = {}", id.0)).await;
        let said = store.servers().await.unwrap_err().to_string();
        assert!(said.contains(&format!("in column {column}")), "{said}");
    }
    let none = "answer_life = NULL, answer_wait_ms = NULL, answer_at = NULL, answer_hears = NULL";
    store.sql(&format!("UPDATE server SET {none}, alone_kind = 'agent'")).await;
    assert_eq!(store.row("b").await.alone_kind, Some(VoteKind::Agent));
    store.sql("UPDATE server SET alone_kind = 'both'").await;
    let said = store.servers().await.unwrap_err().to_string();
    assert!(said.contains("\"both\" in column alone_kind"), "{said}");
}

#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    let db = TestDb::sqlite();
    drop(db.store().await);
    let file = db.url.file().unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
}
