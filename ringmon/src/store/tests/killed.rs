//! The server is killed at every statement of every operation, and once more after COMMIT, and started again. What it
//! committed is on its disk. So nothing is lost, and nothing is there twice.

use std::sync::Arc;

use ringmon_tests::engine::Engine;

use super::kit::TestDb;
use super::moments::at_every_statement;
use super::wire::{Moment, Wire};

super::on_own_servers!(a_server_killed_at_any_statement_loses_nothing_and_doubles_nothing);

async fn a_server_killed_at_any_statement_loses_nothing_and_doubles_nothing(engine: Engine) {
    let mut nodes = tokio::task::spawn_blocking(move || engine.start()).await.unwrap().unwrap();
    let db = TestDb::on(&nodes).await;
    drop(db.store().await);
    let wire = Wire::killing(Arc::new(nodes.remove(0))).await;
    let lines = at_every_statement(&db, &wire, [Moment::Killed, Moment::KilledAfter]).await;
    println!("| operation | outcome | statements | kills | asked again |\n|---|---|---|---|---|\n{}", lines.join("\n"));
}
