//! Rows that somebody has locked: who that is, and that nobody has them for long. A machine that dies inside a
//! transaction closes no connection, so to its server it looks like one that thinks.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;

use super::access::as_documented;
use super::kit::TestDb;
use super::moments::removal;
use super::transaction::locked;
use crate::store::{Error, Store};
use ringmon_core::Outcome;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Health, ServerRow};

super::on_servers!(a_silent_writer_lets_go_of_its_rows, who_holds_a_row_is_said_to_those_who_may_know);

/// Longer than any session may be silent: `wait_timeout`, and a second for the server to see it.
const LET_GO: Duration = Duration::from_secs(8);

/// A writer whose machine died inside its transaction, with this row locked: its connection stays open and silent.
async fn dead_writer(store: &Store, row: &ServerRow) -> crate::store::session::Session {
    let session = store.begin(store.session().await.unwrap()).await.unwrap();
    let done = session.execute_unprepared(&format!("UPDATE server SET weight = 9 WHERE id = {}", row.id.0)).await;
    assert_eq!(done.unwrap().rows_affected(), 1);
    session
}

async fn a_silent_writer_lets_go_of_its_rows(db: TestDb) {
    let store = db.store().await;
    store.ring_of(&["a", "b", "c", "d", "e"]).await;
    let removal = removal(&store, &store.servers().await.unwrap(), &["b"]).await;
    let other = db.beside().await;
    let silent = dead_writer(&other, &store.row("b").await).await;
    let begun = Instant::now();
    let outcome = loop {
        match store.run(&removal, super::kit::mono, || true).await.0 {
            // The own vote grew old meanwhile, and was renewed. What met another's change is asked for again.
            Ok(Outcome::Voted { .. } | Outcome::Overtaken) => {}
            Ok(outcome) => break outcome,
            Err(error) => {
                println!("after {:?}: {error}", begun.elapsed());
                assert!(matches!(error, Error::Locked { .. }), "{error:?}");
            }
        }
        assert!(begun.elapsed() < LET_GO, "it is still held");
    };
    println!("let go after {:?}", begun.elapsed());
    assert!(matches!(outcome, Outcome::Removed { .. }), "{outcome:?}");
    assert!(silent.commit().await.is_err(), "the server has closed its connection");
    assert_eq!(store.whole().await, ["a", "c", "d", "e"]);
    // Its store goes on with a new one.
    assert_eq!(other.whole().await, ["a", "c", "d", "e"]);
}

async fn who_holds_a_row_is_said_to_those_who_may_know(db: TestDb) {
    let admin = db.store().await;
    admin.ring_of(&["a", "b"]).await;
    let row = admin.row("b").await;
    let agent = as_documented(&db, &admin, "For agents:", "ringmon_agent").await;
    let op = TableOp::SetService { me: row.id, incarnation: row.incarnation, health: Health::Failing, weight: None };
    for (store, expected) in
        [(&admin, "the oldest transaction with locked rows is that of "), (&agent, "users with the PROCESS privilege")]
    {
        let lock = locked(&db.beside().await, row.id).await;
        // Held, and not idle.
        let busy = async {
            loop {
                lock.execute_unprepared("DO 1").await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let said = tokio::select! {
            (result, _) = store.run(&op, super::kit::mono, || true) => result.unwrap_err().to_string(),
            () = busy => unreachable!(),
        };
        println!("{said}");
        assert!(said.contains("(1205)") && said.contains(expected), "{said}");
        lock.rollback().await.unwrap();
    }
}
