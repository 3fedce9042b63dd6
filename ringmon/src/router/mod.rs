//! The loop of `ringmon router` and of every other command that follows a pool's routes. It reads the table, hears of
//! changes from agents, and passes the list to its consumers.
//!
//! It only reads the table, from any database with its content, and needs no privileges.
//! [`core::route`](ringmon_core::route) decides, and the room [`route`](crate::route) carries the list further.

mod follow;
mod kept;
mod run;
mod say;
mod sinks;
mod source;
mod turn;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock;
use crate::config::SightConfig;
use follow::Follow;
use ringmon_core::TableSnapshot;
use ringmon_core::route::{Routes, Routing};
use source::{Ask, Source, looker};
use turn::{Parts, Turn};

pub use crate::clock::now;
pub use kept::{Error as KeptError, Kept};
pub use run::run;
pub use say::{THAWED, frozen, place};
pub use turn::{Counts, Sight};

/// What is shared of a list.
pub type Shared = Arc<Routes>;

/// A pool's routes as they change. It stops following when dropped.
#[derive(Debug)]
pub struct Following {
    /// The newest list.
    pub routes: watch::Receiver<Shared>,
    /// How the table can be reached.
    pub sight: watch::Receiver<Sight>,
    task: JoinHandle<()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows a pool. Call it inside a tokio runtime.
#[must_use]
pub fn follow(config: SightConfig, kept: Option<Kept>) -> Following {
    let SightConfig { pool, databases, poll, port, policy } = config;
    let parts = Parts { policy, poll, kept, follow: Follow::start(port), looker: looker(Source::new(pool, databases)) };
    let (turn, routes, sight) = Turn::new(parts);
    Following { routes, sight, task: tokio::spawn(turn.run()) }
}

/// The list that follows from one read of the table, and that read. It does not know who voted or was routed before.
///
/// # Errors
/// The database's.
pub async fn look(config: SightConfig) -> Result<(Routes, TableSnapshot), crate::store::Error> {
    let mut source = Source::new(config.pool, config.databases);
    let look = source.read(&Ask::All(Vec::new())).await?;
    let now = clock::now();
    let mut routing = Routing::new(config.policy);
    routing.see_all(now, look.rows, &look.seen);
    Ok((routing.settle(now), look.seen))
}
