//! The settings of every connection, to whichever server.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::kit::TestDb;

super::on_servers!(a_new_connection_is_set_up_and_reads_the_latest_of_a_cluster);

async fn a_new_connection_is_set_up_and_reads_the_latest_of_a_cluster(db: TestDb) {
    drop(db.store().await);
    // Over another node, where there is one.
    let store = db.open().await;
    store.disconnect();
    let sql = "SHOW VARIABLES WHERE Variable_name IN \
               ('wsrep_sync_wait', 'innodb_lock_wait_timeout', 'tx_isolation', 'transaction_isolation', \
               'wait_timeout', 'idle_write_transaction_timeout')";
    let statement = Statement::from_string(DbBackend::MySql, sql);
    let rows = store.inner.database.connections().query_all_raw(statement).await.unwrap();
    let mut isolated = false;
    for row in rows {
        let (name, value): (String, String) = (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
        match name.as_str() {
            // Only servers that can be in a cluster have it.
            "wsrep_sync_wait" | "innodb_lock_wait_timeout" => assert_eq!(value, "1", "{name}"),
            "wait_timeout" => assert_eq!(value, "6"),
            // Only MariaDB has it.
            "idle_write_transaction_timeout" => assert_eq!(value, "2"),
            _ => {
                isolated = true;
                assert_eq!(value, "READ-COMMITTED", "{name}");
            }
        }
    }
    assert!(isolated);
}
