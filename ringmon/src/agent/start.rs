//! Opens the rooms in the order in which they need each other, and says clearly which one did not open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::draining::Plan;
use super::recorded::Recorded;
use super::reload::{Reloads, Reread};
use super::signals::Signals;
use super::state_dir::{Kept, StateDir};
use super::table::Table;
use super::turn::{Asking, Rooms, Turn};
use crate::clock;
use crate::config::{AgentConfig, LogLevel};
use crate::datapath::{self, Datapath, xdp};
use crate::notice::Notices;
use crate::observe::{self, AgentCheck, Askers, EventLog, Origin};
use crate::record::{self, Recorder};
use crate::service::Service;
use crate::show::{About, Board};
use crate::store::SCHEMA_VERSION;
use crate::supervisor;
use ringmon_core::Snapshot;
use ringmon_core::card::{Card, Clients};
use ringmon_core::engine::{Engine, Identity, Stopped};
use ringmon_core::row::Address;
use ringmon_core::{PoolKey, PoolKeys, Word as _};

/// How long a start without a kept list waits for a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a start waits for the first health: a lost agent has a few seconds to come back.
const FIRST_RESULT: Duration = Duration::from_secs(1);

/// Starts an agent and runs it to its end.
pub async fn start(mut config: AgentConfig, reread: Reread, worker: Handle) -> anyhow::Result<Stopped> {
    // First of all, so that a signal during the start is a clean end too.
    let mut signals = Signals::new().context("cannot install the signal handlers")?;
    let state = StateDir::open(&config.state_dir, &config.pool, &config.name)?;
    let (table, ends) = Table::new(config.database.clone(), config.pool.clone(), worker.clone());
    let kept = state.kept()?;
    let keys = tokio::select! {
        keys = keys(&table, &worker, kept.as_ref()) => keys?,
        () = signals.stop() => return Ok(ended_early()),
    };

    tokio::select! {
        () = settle_address(&mut config, &state, &table, &worker) => {}
        () = signals.stop() => return Ok(ended_early()),
    }

    let service = Service::start(config.service.clone(), &worker, clock::now);
    let seed = rand::random();
    let events = config.events.as_ref().map(|t| EventLog::open(t, config.name.clone())).transpose()?;
    let recorder = recorder(&config)?;
    let Some(datapath) = open_when_there(&config, keys.list(), seed, &mut signals).await? else {
        return Ok(ended_early());
    };
    let notices = Notices::bind(SocketAddr::new(config.address, config.notice_port), keys.list().to_vec())?;
    let (mode, address) = (datapath.mode().word(), config.address);
    tracing::info!(mode, interface = %config.interface, %address, "the datapath is open");
    let engine = Snapshot { server: config.name.clone(), phase: "starting", ..Snapshot::default() };
    let first = Board { engine, about: about(&config), link_up: true, ..Board::default() };
    let (board, shown) = watch::channel(Arc::new(first));
    worker.spawn(supervisor::follow(shown.clone(), status));
    if let Some(addr) = config.http {
        let ca = config.database.ca().map(std::path::Path::to_path_buf);
        let origin = Origin { schema: SCHEMA_VERSION.into(), ca, clock: clock::now };
        serve_http(addr, shown.clone(), origin, &worker).await?;
    }
    let plan = plan(&config, worker.clone());
    if let Some(addr) = config.agent_check {
        let check = AgentCheck {
            board: shown,
            weight: Arc::clone(&plan.weight),
            clock: clock::now,
            askers: plan.askers.clone(),
        };
        answer_agent_checks(addr, check, &worker).await?;
    }

    if config.realtime {
        // Only now: threads that were made before keep their ordinary priority, and later ones do not inherit it.
        xdp::ask_realtime(xdp::Role::Loop);
    }
    let engine = Recorded::new(Engine::new(identity(&config, &state, seed)), recorder);
    let tuning = config.profile.tuning();
    // A server that comes back with a failing service must not get clients until that is found: at first its row says
    // "unknown".
    service.known(FIRST_RESULT.min(config.service.timeout)).await;
    let about = about(&config);
    let rooms = Rooms { datapath, table, ends, notices, events, state, board, keys, service, about };
    let reloads = Reloads::new(reread, worker.clone());
    let turn = Turn::new(engine, rooms, tuning.pulse_every).context("cannot make a timer")?;
    Ok(turn.run(kept.map(|k| k.buddies), Asking { signals, reloads, plan }).await)
}

/// A signal came before anything was changed.
fn ended_early() -> Stopped {
    tracing::info!("stopped before the start was done; nothing was changed");
    Stopped::Stayed
}

/// What the board says of the agent itself.
fn about(config: &AgentConfig) -> About {
    About {
        pool: config.pool.clone(),
        interface: config.interface.clone(),
        address: config.address.to_string(),
        pid: std::process::id(),
    }
}

/// The line for `systemctl status`.
fn status(board: &Board) -> String {
    let engine = &board.engine;
    let buddies = engine.buddies.iter().flat_map(|list| list.first.iter().chain(&list.second));
    let names: Vec<&str> = buddies.map(|buddy| buddy.name.as_str()).collect();
    let place = match (&engine.waiting, engine.phase) {
        (Some(why), phase) => format!("{phase}: {why}"),
        (None, "member") if names.is_empty() => "member, alone on its ring".to_owned(),
        (None, "member") => format!("member, beside {}", names.join(" and ")),
        (None, phase) => phase.to_owned(),
    };
    let away = engine.database_away.as_ref().map_or("", |_| "; the database does not answer");
    let alone = engine.alone.map_or("", |_| "; it hears nobody");
    let blind = engine.blind.map_or("", |_| "; it is blind");
    let frozen = engine.frozen.as_ref().map_or("", |_| "; the pool is frozen");
    let draining = if engine.draining { "; it drains" } else { "" };
    format!("{place}{draining}{alone}{blind}{frozen}{away}")
}

/// What a signal will start. Clients are waited for if they would be sent elsewhere, and if their port is known.
fn plan(config: &AgentConfig, worker: Handle) -> Plan {
    let weight = Arc::new(config.weight.into());
    let (on_stop, port, limit) = (config.on_stop, config.route_port, config.drain);
    Plan { on_stop, port, limit, worker, askers: Askers::default(), weight }
}

/// Opens the flight recorder, if it is configured.
fn recorder(config: &AgentConfig) -> Result<Option<Recorder>, record::Error> {
    let Some(dir) = config.record.clone() else { return Ok(None) };
    let (server, pool) = (config.name.clone(), config.pool.clone());
    Recorder::open(&record::Options { dir, limit: config.record_limit, server, pool }).map(Some)
}

/// The pool's keys from the table or, while the database is away, from the last run. A definite no (no such pool,
/// another schema, a wrong password) is an error at once: waiting would not help.
async fn keys(table: &Table, worker: &Handle, kept: Option<&Kept>) -> anyhow::Result<PoolKeys> {
    let began = Instant::now();
    let asked = loop {
        let table = table.clone();
        let asked = worker.spawn(async move { table.store().await?.pool().await }).await;
        let asked = asked.context("the first look at the pool broke off")?;
        match &asked {
            // After a power cut everything starts at once, and the database is the slowest.
            Err(error) if error.is_transient() && kept.is_none() && began.elapsed() < PATIENCE => {
                tracing::info!("{error}; trying again");
                tokio::time::sleep(PATIENCE / 20).await;
            }
            Ok(_) | Err(_) => break asked,
        }
    };
    match asked {
        Ok(pool) => Ok(PoolKeys::from(pool)),
        Err(error) if error.is_transient() => match kept {
            Some(kept) => {
                tracing::warn!("{error}; starting with the buddy list of the last run");
                Ok(PoolKeys::kept(kept.keys.clone()))
            }
            None => Err(anyhow::Error::new(error)
                .context("nothing is kept of an earlier run, so there is nobody to watch without the database")),
        },
        Err(error) => Err(error.into()),
    }
}

/// Of several addresses on the interface, takes the one that this server had: as kept on disk, else as its row says.
/// Otherwise the primary one stays. What nobody said or knows is not kept: the next start may know more.
async fn settle_address(config: &mut AgentConfig, state: &StateDir, table: &Table, worker: &Handle) {
    let kept = state.address();
    // An interface that has one address has none to choose from.
    let mut sure = config.address_said || kept.is_none();
    if !config.others.is_empty() {
        let has = |address: &Address| *address == config.address || config.others.contains(address);
        let (address, known, why) = match kept.filter(has) {
            Some(kept) => (kept, true, "this server had it before"),
            None => match row_address(table, worker, config.name.clone()).await {
                Some(Some(row)) if has(&row) => (row, true, "this server's row has it"),
                Some(_) => (config.address, true, "it is the primary one"),
                None => (config.address, false, "it is the primary one, and the database does not say more"),
            },
        };
        let interface = &config.interface;
        tracing::info!("{interface} has several addresses; {address} is taken, because {why} (--address says another)");
        config.settle(address);
        sure = known;
    } else if let Some(kept) = kept.filter(|kept| *kept != config.address && !sure) {
        let (interface, address) = (&config.interface, config.address);
        tracing::warn!("this server had the address {kept} before, and {interface} has only {address}");
    }
    if sure && let Err(error) = state.keep_address(config.address) {
        tracing::warn!("{error}; of several addresses, the next start may take another");
    }
}

/// The address in this server's row, if it has one; `None`: the database does not say.
async fn row_address(table: &Table, worker: &Handle, name: String) -> Option<Option<Address>> {
    let table = table.clone();
    let asked = worker.spawn(async move { table.store().await?.address_of(&name).await });
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?.ok()
}

/// The interface or the address may go again before this opens: then they are waited for, as at first. `None`: a signal
/// asked for a stop.
async fn open_when_there(
    config: &AgentConfig,
    keys: &[PoolKey],
    seed: u64,
    signals: &mut Signals,
) -> anyhow::Result<Option<Box<dyn Datapath>>> {
    let (began, mut said) = (Instant::now(), false);
    loop {
        match open_datapath(config, keys, seed) {
            Err(error) if error.may_come() && began.elapsed() < config.wait_address => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!("{error}; waiting for it (wait_address)");
                }
            }
            opened => return Ok(Some(opened?)),
        }
        tokio::select! {
            () = tokio::time::sleep(super::LOOK_EVERY) => {}
            () = signals.stop() => return Ok(None),
        }
    }
}

fn open_datapath(config: &AgentConfig, keys: &[PoolKey], seed: u64) -> Result<Box<dyn Datapath>, datapath::Error> {
    let options = xdp::Options {
        interface: config.interface.clone(),
        address: config.address,
        choice: config.datapath,
        keys: keys.to_vec(),
        bpf_log: bpf_level(config.bpf_log),
        seed,
        dscp: config.dscp,
        realtime: config.realtime,
    };
    Ok(Box::new(xdp::open(options)?))
}

const fn bpf_level(level: LogLevel) -> Option<tracing::Level> {
    match level {
        LogLevel::Off => None,
        LogLevel::Error => Some(tracing::Level::ERROR),
        LogLevel::Warn => Some(tracing::Level::WARN),
        LogLevel::Info => Some(tracing::Level::INFO),
        LogLevel::Debug => Some(tracing::Level::DEBUG),
        LogLevel::Trace => Some(tracing::Level::TRACE),
    }
}

/// HTTP runs on the worker, so that a slow scraper never delays a turn.
async fn serve_http(
    addr: SocketAddr,
    board: watch::Receiver<Arc<Board>>,
    origin: Origin,
    worker: &Handle,
) -> anyhow::Result<()> {
    let listener = worker.spawn(observe::listen(addr)).await.context("the HTTP listener broke off")??;
    worker.spawn(async move {
        if let Err(error) = observe::serve(listener, board, origin).await {
            tracing::error!("{error}; metrics and status are gone, probing goes on");
        }
    });
    Ok(())
}

/// Agent-checks run there too, and go on while the loop waits.
async fn answer_agent_checks(addr: SocketAddr, check: AgentCheck, worker: &Handle) -> anyhow::Result<()> {
    let listener =
        worker.spawn(AgentCheck::listen(addr)).await.context("the listener for agent-checks broke off")??;
    worker.spawn(check.serve(listener));
    Ok(())
}

fn identity(config: &AgentConfig, state: &StateDir, seed: u64) -> Identity {
    Identity {
        card: Card {
            name: config.name.clone(),
            address: config.address,
            notice_port: config.notice_port,
            clients: Clients { address: config.route_address, port: config.route_port, weight: config.weight },
            boot: state.boot().clone(),
        },
        mode: config.mode,
        tuning: config.profile.tuning(),
        seed,
        start_drained: config.start_drained,
    }
}
