//! The sentences for what can be wrong with a database, and that none of them contains a password.

use ringmon_tests::engine::{PASSWORD, USER};

use super::kit::{POOL, TestDb};
use super::wire::Wire;
use crate::store::{DatabaseUrl, Error, Store};
use ringmon_core::row::Quorum;

super::on_servers!(
    a_wrong_password_is_called_that,
    a_database_that_is_not_there_is_called_that,
    a_server_that_went_away_is_said_truly_and_found_again,
);

async fn refused(url: &DatabaseUrl) -> Error {
    let began = std::time::Instant::now();
    let error = Store::open(url, POOL).await.expect_err("it must be refused");
    eprintln!("{:?}: {error}", began.elapsed());
    let said = format!("{error} {error:?}");
    for secret in [PASSWORD, "p%40ss%3Aw%2Frd", "wr0ng"] {
        assert!(!said.contains(secret), "{said}");
    }
    error
}

async fn a_wrong_password_is_called_that(db: TestDb) {
    let error = refused(&db.other("mysql").with_password("wr0ng")).await;
    assert!(matches!(error, Error::AccessDenied { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("wrong password or user: check both") && said.contains(USER), "{said}");
    assert!(!error.is_transient());
}

async fn a_database_that_is_not_there_is_called_that(db: TestDb) {
    let error = refused(&db.other("no_such_one")).await;
    assert!(matches!(error, Error::UnknownDatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("/no_such_one: there is no such database"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_is_no_pool_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url: DatabaseUrl = format!("mysql://ann:wr0ng@127.0.0.1:{port}/ring").parse().unwrap();
    let error = refused(&url).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("onnection refused"), "{error}");
    assert!(error.is_transient());
}

/// The same, from the pool of a store that was open when the server went away.
async fn a_server_that_went_away_is_said_truly_and_found_again(db: TestDb) {
    drop(db.store().await);
    let wire = Wire::start(db.port()).await;
    let store = Store::open(&wire.way_to(&db), POOL).await.unwrap();
    store.ring_of(&["a", "b"]).await;

    wire.away();
    let began = std::time::Instant::now();
    let error = store.pool().await.unwrap_err();
    eprintln!("{:?}: {error}", began.elapsed());
    assert!(error.is_transient(), "{error:?}");
    let error = store.pool().await.unwrap_err();
    eprintln!("{:?}: {error}", began.elapsed());
    assert!(matches!(error, Error::Unreachable { .. } | Error::Lost { .. }), "{error:?}");

    wire.back();
    store.pool().await.unwrap();
    assert_eq!(store.whole().await, ["a", "b"]);

    // Broken between two operations: the next one does not even notice.
    wire.cut();
    let id = store_id(&db).await;
    let op = ringmon_core::op::TableOp::Leave { id, incarnation: None, by: "test".into() };
    assert_eq!(store.run_plain(&op).await, ringmon_core::Outcome::Left);
}

async fn store_id(db: &TestDb) -> ringmon_core::ServerId {
    db.open().await.row("b").await.id
}

/// A server that accepts connections and never answers.
#[tokio::test]
async fn a_silent_server_is_noticed_within_seconds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url: DatabaseUrl = format!("mysql://ann:wr0ng@127.0.0.1:{port}/ring").parse().unwrap();
    let error = refused(&url).await;
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("did not answer within 2s while connecting"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ringmon.db");
    std::fs::write(&path, "x".repeat(8192)).unwrap();
    let error = refused(&DatabaseUrl::sqlite(&path)).await;
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_not_there_says_run_init() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(&DatabaseUrl::sqlite(dir.path().join("ringmon.db"))).await;
    assert!(matches!(error, Error::SchemaMissing { .. }), "{error:?}");
    assert!(!dir.path().join("ringmon.db").exists(), "opening creates nothing");
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let url = DatabaseUrl::sqlite(dir.path().join("file/ringmon.db"));
    for error in [Store::init(&url, POOL, Quorum::Both).await.unwrap_err(), refused(&url).await] {
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains("file/ringmon.db: "), "{error}");
    }
}
