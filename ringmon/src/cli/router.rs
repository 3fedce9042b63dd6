//! `ringmon router`

use super::exit::{self, Verdict};
use super::{database, logging, pages};
use crate::config::{self, Key, Loaded, Sources, Typed};
use crate::router;

/// Runs a router until it is told to stop. `sources` is where its configuration is from.
pub fn run(typed: &Typed, sources: Sources) -> anyhow::Result<Verdict> {
    let config = config::router(typed)?;
    let first = typed.clone();
    let reread = move || reread(&first, &sources).map_err(|error| anyhow::anyhow!(exit::sentence(&error)));
    database::wait(router::run(config, reread))?;
    tracing::info!("stopped; routing servers keep what they have");
    Ok(Verdict::Ok)
}

/// Reads the layers again, obeys the level of the log, and returns what needs another start. If the new configuration
/// is no good, nothing of it is obeyed.
fn reread(first: &Typed, sources: &Sources) -> anyhow::Result<Vec<Key>> {
    let Loaded { typed, warnings } = config::load(sources)?;
    config::router(&typed)?;
    for warning in warnings.into_iter().chain(config::warnings(&typed)) {
        tracing::warn!("{warning}");
    }
    logging::change(&typed)?;
    let own = pages::keys_of("router");
    Ok(first.differing(&typed).filter(|key| *key != Key::Log && own.contains(key)).collect())
}
