//! What the commands that work on the tables have in common.

use std::future::Future;
use std::time::Duration;

use super::exit::Error;
use crate::config::{Machine, Typed, pool_access};
use crate::store::Store;
use ringmon_core::op::TableOp;
use ringmon_core::{Outcome, TableSnapshot};

/// How long what is still running on other threads may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a command's future to its end.
///
/// # Errors
/// The command's own error; or the runtime's, if it cannot be built.
pub fn wait<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(future);
    // A thread that waits for a disk must not keep a program that has ended.
    runtime.shutdown_timeout(LAST_WORDS);
    done
}

/// Opens the configured pool.
///
/// # Errors
/// The configuration's or the database's.
pub async fn open(typed: &Typed) -> anyhow::Result<Store> {
    let access = pool_access(typed)?;
    Ok(Store::open(&access.database, &access.pool).await?)
}

/// Runs an operation on the table for an operator.
///
/// # Errors
/// The database's.
pub async fn run(store: &Store, op: &TableOp) -> anyhow::Result<(Outcome, TableSnapshot)> {
    let (result, seen) = store.run(op, crate::router::now, || true).await;
    Ok((result?, seen))
}

/// The error for an outcome that should have been another one: somebody else changed the table.
pub fn unexpected(outcome: &Outcome) -> anyhow::Error {
    Error::Unavailable(format!("the table changed under this command ({outcome:?}); try again")).into()
}

/// The name in events that an operator causes.
pub fn operator() -> String {
    let host = Machine::this().map(|machine| machine.hostname).unwrap_or_default();
    format!("operator on {host}")
}
