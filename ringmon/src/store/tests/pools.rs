//! Pools as a whole: listed, made, deleted; their keys; how long their events are kept.

use std::time::Duration;

use super::kit::{POOL, TestDb};
use crate::store::{Error, Events, Store, new_key};
use ringmon_core::Outcome;
use ringmon_core::op::TableOp;
use ringmon_core::row::Quorum;

super::on_engines!(
    pools_are_listed_with_their_servers,
    a_pool_is_made_once,
    a_pool_with_servers_is_not_deleted,
    a_deleted_pool_takes_its_events_along_and_nobody_elses,
    keys_change_only_if_nobody_else_changed_the_row,
    events_are_forgotten_by_age_in_batches,
);

async fn pools_are_listed_with_their_servers(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b", "c"]).await;
    Store::create(&db.url, "another", Quorum::Single).await.unwrap();
    let pools = Store::pools(&db.url).await.unwrap();
    let seen: Vec<_> = pools.iter().map(|p| (p.pool.name.as_str(), p.servers, p.pool.rules.quorum)).collect();
    assert_eq!(seen, [("another", 0, Quorum::Single), (POOL, 3, Quorum::Both)]);
}

async fn a_pool_is_made_once(db: TestDb) {
    let missing = Store::create(&db.url, "web", Quorum::Both).await.unwrap_err();
    assert!(matches!(missing, Error::SchemaMissing { .. }), "{missing:?}");
    let before = db.store().await.pool().await.unwrap();
    let error = Store::create(&db.url, POOL, Quorum::Single).await.unwrap_err();
    assert!(matches!(&error, Error::PoolThere { pool, .. } if pool == POOL), "{error:?}");
    assert_eq!(db.open().await.pool().await.unwrap(), before, "it is left as it is");
    // Of several at the same time, one makes it.
    let mut makers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = db.url.clone();
        makers.spawn(async move { Store::create(&url, "web", Quorum::Both).await });
    }
    let made = makers.join_all().await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    assert!(made.iter().all(|made| matches!(made, Ok(()) | Err(Error::PoolThere { .. }))), "{made:?}");
}

async fn a_pool_with_servers_is_not_deleted(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b"]).await;
    let events = store.history(Events::Newest(100)).await.len();
    let error = store.delete().await.unwrap_err();
    assert!(matches!(error, Error::PoolInUse { servers: 2, .. }), "{error:?}");
    assert_eq!(store.whole().await, ["a", "b"]);
    assert_eq!(store.history(Events::Newest(100)).await.len(), events, "its history too");
}

async fn a_deleted_pool_takes_its_events_along_and_nobody_elses(db: TestDb) {
    let store = db.store().await;
    Store::create(&db.url, "web", Quorum::Both).await.unwrap();
    let other = Store::open(&db.url, "web").await.unwrap();
    for store in [&store, &other] {
        store.ring_of(&["a"]).await;
        let id = store.row("a").await.id;
        let left = store.run_plain(&TableOp::Leave { id, incarnation: None, by: "operator".into() }).await;
        assert_eq!(left, Outcome::Left);
    }
    let kept = store.history(Events::Newest(100)).await;
    let gone = other.history(Events::Newest(100)).await.len();
    assert!(gone > 0 && !kept.is_empty());
    assert_eq!(other.delete().await.unwrap(), gone as u64);
    assert_eq!(store.history(Events::Newest(100)).await, kept);
    assert!(matches!(other.delete().await, Err(Error::NoSuchPool { .. })));
    assert_eq!(Store::pools(&db.url).await.unwrap().len(), 1);
}

async fn keys_change_only_if_nobody_else_changed_the_row(db: TestDb) {
    let store = db.store().await;
    let read = store.pool().await.unwrap();
    let (old, new) = (read.keys[0], new_key(2).unwrap());
    assert!(store.set_keys(&read, old, Some(new)).await.unwrap());
    let both = store.pool().await.unwrap();
    assert_eq!(both.keys, [old, new]);
    assert!(!store.set_keys(&read, new, None).await.unwrap(), "it was read before somebody else wrote");
    assert_eq!(store.pool().await.unwrap(), both);
    assert!(store.set_keys(&both, new, None).await.unwrap());
    assert_eq!(store.pool().await.unwrap().keys, [new]);
}

async fn events_are_forgotten_by_age_in_batches(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b"]).await;
    let young = store.history(Events::Newest(100)).await;
    let pool = store.pool().await.unwrap().id.0;
    // Two and a half batches from long ago (older by time than the others, but not by number), and one event of another
    // pool.
    let now = young[0].at.as_us();
    let mut rows: Vec<String> =
        (0..2500).map(|n| format!("({pool}, {}, 'joined', NULL, 'x', 'x', '{{}}')", now - 7_200_000_000 + n)).collect();
    rows.push(format!("({}, 1, 'joined', NULL, 'x', 'x', '{{}}')", pool + 1));
    store.sql("UPDATE event SET id = id + 10000").await;
    for (first, some) in rows.chunks(500).enumerate() {
        let numbered: Vec<String> = some
            .iter()
            .enumerate()
            .map(|(place, row)| row.replacen('(', &format!("({}, ", 1 + first * 500 + place), 1))
            .collect();
        let columns = "id, pool, at, kind, subject, subject_name, said_by, detail";
        store.sql(&format!("INSERT INTO event ({columns}) VALUES {}", numbered.join(", "))).await;
    }
    let mut told = Vec::new();
    assert_eq!(store.forget_events(Duration::from_secs(10_000), &mut |n| told.push(n)).await.unwrap(), 0);
    assert_eq!(store.forget_events(Duration::from_secs(3600), &mut |n| told.push(n)).await.unwrap(), 2500);
    assert_eq!(told, [1000, 2000, 2500]);
    let left = store.history(Events::Newest(5000)).await;
    assert_eq!(left.iter().map(|e| e.at).collect::<Vec<_>>(), young.iter().map(|e| e.at).collect::<Vec<_>>());
    assert_eq!(store.sql(&format!("DELETE FROM event WHERE pool = {}", pool + 1)).await, 1, "another pool's stays");
}
