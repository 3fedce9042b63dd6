//! The server table in a database: sea-orm entities, migrations, the executor of plans, retry.
//!
//! [`Store`] is the only door. What an operation means is decided by
//! [`TableOp::step`](ringmon_core::op::TableOp::step); this room reads what it asks for and writes what it
//! plans, by the rules in [`edit`](ringmon_core::edit):
//!
//! ```text
//! run ── attempt ─┬─ read: clock and pool row in one statement, then the lookups   (READ COMMITTED, no locks)
//!        ▲        └─ write: BEGIN, compare-and-swap row by row, COMMIT; a plan of one row is its one statement
//!        └── conflict: jittered pause, empty snapshot (at most 20 times or 2 s)
//! ```
//!
//! Nothing here blocks for long: a statement ends within two seconds, a lock wait within one.

mod admin;
mod clock;
mod connect;
mod convert;
mod entity;
mod error;
mod gone;
mod migration;
mod pools;
mod read;
mod run;
mod schema;
mod session;
mod tls;
mod url;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ringmon_core::PoolId;

pub use admin::{Events, InitReport, RuleChanges};
pub use convert::PastEvent;
pub use error::Error;
pub use gone::MISSED_FOR;
pub use pools::{PoolSummary, new_key};
pub use schema::{OLDEST_SCHEMA, SCHEMA_VERSION};
pub use url::{DatabaseUrl, OPTIONS as URL_OPTIONS, PasswordFile};

/// One pool's table in one database. It is cheap to clone; clones share their connections.
///
/// Connections are opened when needed, closed when idle, and forgotten together when one of them breaks.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: connect::Database,
    pool: PoolId,
    pool_name: String,
}

impl Store {
    /// The name of the pool.
    #[must_use]
    pub fn pool_name(&self) -> &str {
        &self.inner.pool_name
    }

    /// The database without its password, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.inner.database.url().to_string()
    }

    /// Gives the connections up: whatever comes next opens new ones. What still runs on them may finish.
    pub fn disconnect(&self) {
        self.inner.database.forget();
    }
}
