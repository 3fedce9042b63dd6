//! Reads cost the same however large the pool is.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, TransactionTrait};

use super::kit::TestDb;
use crate::store::read::{Pool, find};
use crate::store::{SCHEMA_VERSION, Store};
use ringmon_core::edit::Lookup;
use ringmon_core::row::Side;
use ringmon_core::{DbTime, ServerId};

super::on_servers!(reads_look_at_few_rows_in_a_large_pool);

/// Rows and index entries that one lookup may read: a quarter of what a scan of the pool would.
const FEW: u64 = 1000;
pub const MANY: i64 = 4000;

async fn reads_look_at_few_rows_in_a_large_pool(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a"]).await;
    large(&store).await;
    let pool = store.inner.pool;
    let connection = store.inner.database.connections().begin().await.unwrap();
    for lookup in [
        Lookup::Id(ServerId(2000)),
        Lookup::Name("n2000".into()),
        Lookup::Address("10.9.7.208".parse().unwrap()),
        Lookup::Pick(MANY / 2),
        Lookup::Pick(i64::MIN),
        Lookup::Pick(i64::MAX),
        Lookup::Walk { from: ServerId(2000), side: Side::First, count: 64 },
        Lookup::Walk { from: ServerId(2000), side: Side::Second, count: 64 },
        Lookup::Gone(Duration::from_micros(20)),
        Lookup::Braked(Duration::from_micros(20)),
        Lookup::LastEvent(ServerId(2000)),
        // The only lookup that counts the pool. It shows that the counters notice a scan.
        Lookup::Members,
    ] {
        connection.execute_unprepared("FLUSH STATUS").await.unwrap();
        find(&connection, Pool { id: pool, schema: SCHEMA_VERSION }, DbTime::from_us(MANY), &lookup).await.unwrap();
        let looked_at = looked_at(&connection).await;
        eprintln!("{looked_at:>6} {lookup:?}");
        assert_eq!(looked_at <= FEW, lookup != Lookup::Members, "{lookup:?} looked at {looked_at}");
    }
}

/// Rows and index entries that this connection has read since `FLUSH STATUS`.
async fn looked_at(connection: &impl ConnectionTrait) -> u64 {
    let sql = "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name = 'Handler_icp_attempts'";
    let rows = connection.query_all_raw(Statement::from_string(DbBackend::MySql, sql)).await.unwrap();
    let value = |row: &QueryResult| row.try_get_by_index::<String>(1).unwrap().parse::<u64>().unwrap();
    rows.iter().map(value).sum()
}

/// Thousands of servers and events, beside one server.
pub async fn large(store: &Store) {
    let (pool, rows) = (store.inner.pool.0, 2..MANY);
    let servers: Vec<String> = rows
        .clone()
        .map(|n| {
            let address = format!("10.9.{}.{}", n / 256, n % 256);
            format!("({n}, {pool}, 'n{n}', '{address}', 1, 1, {}, {}, 1, 'b', {n}, 0, 'unknown', 1)", n + 1, n - 1)
        })
        .collect();
    let columns = "id, pool, name, address, notice_port, weight, first_buddy, second_buddy, incarnation, boot, pick, \
                   draining, health, version";
    store.sql(&format!("INSERT INTO server ({columns}) VALUES {}", servers.join(","))).await;
    let events: Vec<String> = rows.map(|n| format!("({pool}, {n}, 'down', {n}, 'x', 'y', '{{}}')")).collect();
    let columns = "pool, at, kind, subject, subject_name, said_by, detail";
    store.sql(&format!("INSERT INTO event ({columns}) VALUES {}", events.join(","))).await;
    if store.inner.database.backend() == DbBackend::MySql {
        store.sql("ANALYZE TABLE server, event").await;
    }
}
