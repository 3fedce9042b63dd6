//! `ringmon agent`

use std::sync::{Arc, Mutex, PoisonError};

use super::exit::{self, Verdict};
use super::{logging, pages};
use crate::agent::{AT_ONCE, Fresh, Reread};
use crate::config::{AgentConfig, Key, Loaded, Machine, Sources, Typed};
use crate::observe::EventLog;
use ringmon_core::engine::Stopped;

/// Runs an agent until it is told to stop, and says how it ended. `sources` is where its configuration is from.
pub fn run(typed: &Typed, sources: Sources) -> anyhow::Result<Verdict> {
    let look = || crate::config::agent(typed, &Machine::this()?);
    let Some(config) = crate::agent::wait_for(crate::config::wait_address(typed)?, look)? else {
        tracing::info!("stopped before the start was done; nothing was changed");
        return Ok(Verdict::Ok);
    };
    let again = reread(typed.clone(), sources, &config);
    Ok(match crate::agent::run(config, again)? {
        Stopped::Left => {
            tracing::info!("stopped; this run leaves no row on the ring");
            Verdict::Ok
        }
        Stopped::Stayed => {
            tracing::info!("stopped; the row, if there is one, stays on the ring");
            Verdict::Ok
        }
        Stopped::LeftByOperator => {
            tracing::info!("an operator took this server out of the ring; not coming back by itself");
            Verdict::Ok
        }
        Stopped::RowRemains(why) => {
            exit::complain(&format!("stopped, but this server's row remains in the table: {why}"));
            Verdict::Unavailable
        }
        Stopped::Refused(why) => {
            exit::complain(&why);
            Verdict::Configuration
        }
    })
}

/// Reads the layers again, obeys the level of the log, and says what else is new. If the new configuration is no good,
/// nothing of it is obeyed.
fn reread(first: Typed, sources: Sources, config: &AgentConfig) -> Reread {
    let AgentConfig { name, interface, address, .. } = config.clone();
    let last = Mutex::new(first.clone());
    let read = move || -> anyhow::Result<Fresh> {
        let Loaded { typed, warnings } = crate::config::load(&sources)?;
        let mut machine = Machine::this()?;
        // An interface that is renamed or gone for a while keeps no weight from being changed.
        let own = machine.interfaces.entry(interface.clone()).or_default();
        if !own.addresses.contains(&address) {
            own.addresses.push(address);
        }
        let config = crate::config::agent(&typed, &machine)?;
        for warning in warnings.into_iter().chain(crate::config::warnings(&typed)) {
            tracing::warn!("{warning}");
        }
        // Under the name of the start, which is the one on the ring.
        let events = config.events.as_ref().map(|at| EventLog::open(at, name.clone())).transpose()?;
        // So are the programs in the kernel.
        let mut level = typed.clone();
        if let Some(programs) = first.get(Key::BpfLog) {
            level.set(Key::BpfLog, programs.clone());
        }
        logging::change(&level)?;
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = last.differing(&typed).filter(|key| AT_ONCE.contains(key)).collect();
        let own = pages::keys_of("agent");
        let restart = first.differing(&typed).filter(|key| !AT_ONCE.contains(key) && own.contains(key)).collect();
        *last = typed;
        Ok(Fresh { config, events, changed, restart })
    };
    Arc::new(move || read().map_err(|error| anyhow::anyhow!(exit::sentence(&error))))
}
