//! A walk along a ring that is longer than one statement takes.

use super::kit::TestDb;
use ringmon_core::ServerId;
use ringmon_core::op::TableOp;
use ringmon_core::row::Side;

super::on_engines!(a_long_walk_is_one_walk);

/// A database does in pieces what the model's `walk` does: this ring is longer than one piece.
async fn a_long_walk_is_one_walk(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a"]).await;
    let first = store.row("a").await.id.0;
    let pool = store.pool().await.unwrap().id.0;
    let length: i64 = 1203;
    let rows: Vec<String> = (1..length)
        .map(|n| {
            let (next, before) = (first + (n + 1) % length, first + n - 1);
            format!(
                "({}, {pool}, 'n{n}', '10.9.{}.{}', 1, 1, {next}, {before}, 1, 'b', {n}, 0, 'unknown', 1)",
                first + n,
                n / 256,
                n % 256
            )
        })
        .collect();
    let columns = "id, pool, name, address, notice_port, weight, first_buddy, second_buddy, incarnation, boot, pick, \
                   draining, health, version";
    store.sql(&format!("INSERT INTO server ({columns}) VALUES {}", rows.join(","))).await;
    store
        .sql(&format!(
            "UPDATE server SET first_buddy = {}, second_buddy = {} WHERE id = {first}",
            first + 1,
            first + length - 1
        ))
        .await;
    for (side, count, expected) in [
        (Side::First, 2000, (1..length).collect::<Vec<_>>()),
        (Side::Second, 2000, (1..length).rev().collect()),
        (Side::First, 1000, (1..=1000).collect()),
        (Side::First, 501, (1..=501).collect()),
    ] {
        let op = TableOp::Ahead { from: ServerId(first), side, count };
        let (_, seen) = store.run_seen(&op).await;
        let answer: Vec<i64> = seen.answers.values().next().unwrap().iter().map(|id| id.0 - first).collect();
        assert_eq!(answer, expected, "{side:?} {count}");
    }
    // Damage: a link that leads nowhere, and one that leads back into the walk.
    for (link, expected) in [(999_999, 3), (first + 1, 3)] {
        store.sql(&format!("UPDATE server SET first_buddy = {link} WHERE id = {}", first + 3)).await;
        let op = TableOp::Ahead { from: ServerId(first), side: Side::First, count: 2000 };
        let (_, seen) = store.run_seen(&op).await;
        assert_eq!(seen.answers.values().next().unwrap().len(), expected, "link to {link}");
    }
}
