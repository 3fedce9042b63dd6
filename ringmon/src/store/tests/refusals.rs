//! Databases that answer and do not write: read-only, locked by somebody, or full. Nothing changes then, the error says
//! what it is, and the same operation works once that is over.

use std::process::Command;
use std::time::Instant;

use ringmon_tests::engine::Engine;
use ringmon_tests::undo::Undo;

use super::access::as_documented;
use super::kit::{POOL, TestDb, join, mono};
use super::transaction::locked;
use crate::store::{DatabaseUrl, Error, Store};
use ringmon_core::Outcome;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Health, Quorum, ServerRow};

mod own {
    super::super::on_own_servers!(a_read_only_server_is_called_that_and_written_to_once_it_is_none);
    use super::a_read_only_server_is_called_that_and_written_to_once_it_is_none;
}
super::on_servers!(a_row_that_somebody_holds_stops_its_writers_and_nobody_else);

fn health(row: &ServerRow, health: Health) -> TableOp {
    TableOp::SetService { me: row.id, incarnation: row.incarnation, health, weight: None }
}

async fn run(store: &Store, op: &TableOp) -> Result<Outcome, Error> {
    store.run(op, mono, || true).await.0
}

async fn a_read_only_server_is_called_that_and_written_to_once_it_is_none(engine: Engine) {
    let nodes = tokio::task::spawn_blocking(move || engine.start()).await.unwrap().unwrap();
    let db = TestDb::on(&nodes).await;
    let admin = db.store().await;
    admin.ring_of(&["a", "b", "c"]).await;
    // Administrators may write to it all the same.
    let store = as_documented(&db, &admin, "For agents:", "ringmon_agent").await;
    let (before, row) = (admin.servers().await.unwrap(), admin.row("b").await);
    let leave = TableOp::Leave { id: row.id, incarnation: Some(row.incarnation), by: "b".into() };
    nodes[0].sql("SET GLOBAL read_only = 1").unwrap();
    let error = run(&store, &leave).await.unwrap_err();
    println!("{error}");
    assert!(
        matches!(error, Error::ReadOnly { .. }) && error.is_transient() && error.only_writing_failed(),
        "{error:?}"
    );
    assert_eq!(store.servers().await.unwrap(), before, "it reads, and nothing changed");
    nodes[0].sql("SET GLOBAL read_only = 0").unwrap();
    assert_eq!(run(&store, &leave).await.unwrap(), Outcome::Left);
    assert_eq!(store.whole().await, ["a", "c"]);
}

async fn a_row_that_somebody_holds_stops_its_writers_and_nobody_else(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b", "c"]).await;
    let (a, b) = (store.row("a").await, store.row("b").await);
    let lock = locked(&db.beside().await, b.id).await;
    let begun = Instant::now();
    let error = run(&store, &health(&b, Health::Passing)).await.unwrap_err();
    println!("after {:?}: {error}", begun.elapsed());
    assert!(matches!(error, Error::Locked { .. }) && error.is_transient() && error.only_writing_failed(), "{error:?}");
    assert_eq!(run(&store, &health(&a, Health::Passing)).await.unwrap(), Outcome::Written, "its neighbours are free");
    assert_eq!(store.row("b").await.health, b.health);
    lock.rollback().await.unwrap();
    assert_eq!(run(&store, &health(&b, Health::Passing)).await.unwrap(), Outcome::Written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_room_is_called_that_and_the_table_is_whole_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_owned();
    let mount = |args: &[&str]| {
        let status = Command::new(args[0]).args(&args[1..]).arg(&place).status().unwrap();
        assert!(status.success(), "{args:?}: {status}");
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "none"]);
    let gone = place.clone();
    // At once, also while a file in it is still open: the driver closes its files in a thread of its own, and a failing
    // test does not wait for that.
    let _unmount = Undo::later(move || {
        let _ = Command::new("umount").arg("--lazy").arg(&gone).status();
    });
    let url = DatabaseUrl::sqlite(place.join("ringmon.db"));
    Store::init(&url, POOL, Quorum::Both).await.unwrap();
    let store = Store::open(&url, POOL).await.unwrap();
    store.ring_of(&["a", "b", "c"]).await;
    let before = store.servers().await.unwrap();
    // Fills the rest of the disk.
    let ballast = place.join("ballast");
    let full = std::fs::write(&ballast, vec![0; 2_000_000]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);

    let after = before.first().map(|row| row.card.name.clone());
    let mut members = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    // The log has some room left in its last page.
    let error = loop {
        let rows = store.servers().await.unwrap();
        let name = format!("n{}", members.len());
        match run(&store, &join(&rows, &name, after.as_deref())).await {
            Ok(outcome) => {
                assert!(matches!(outcome, Outcome::Joined { .. }), "{outcome:?}");
                members.insert(1, name);
                assert!(members.len() < 1000, "a disk of a megabyte takes everything");
            }
            Err(error) => break error,
        }
    };
    println!("after {} more servers: {error}", members.len() - 3);
    assert!(
        matches!(error, Error::DiskFull { .. }) && error.is_transient() && error.only_writing_failed(),
        "{error:?}"
    );
    assert_eq!(store.whole().await, members, "it reads, and nothing of what failed is there");
    std::fs::remove_file(&ballast).unwrap();
    let rows = store.servers().await.unwrap();
    let joined = run(&store, &join(&rows, "again", after.as_deref())).await.unwrap();
    assert!(matches!(joined, Outcome::Joined { .. }), "{joined:?}");
    members.insert(1, "again".to_owned());
    assert_eq!(store.whole().await, members);
}
