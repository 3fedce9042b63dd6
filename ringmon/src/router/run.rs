//! One router: a list, its consumers, and who asks about them.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{Kept, follow, look};
use crate::config::RouterConfig;

/// Runs until a signal asks to stop.
///
/// # Errors
/// What kept it from starting. A database that does not answer does not: the last list holds, or nothing is touched.
pub async fn run(config: RouterConfig) -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate()).context("cannot install the signal handlers")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot install the signal handlers")?;
    let kept = Kept::open(&config.state_dir, &config.sight.pool)?;
    match look(config.sight.clone()).await {
        Ok(_) => {}
        Err(error) if error.is_transient() => match kept.list() {
            Some(list) => tracing::warn!("{error}; beginning with the last list, {} servers", list.servers.len()),
            None => tracing::warn!("{error}; nothing is known yet, and routing servers are left as they are"),
        },
        Err(error) => return Err(error.into()),
    }
    let following = follow(config.sight.clone(), Some(kept));
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    drop(following);
    Ok(())
}
