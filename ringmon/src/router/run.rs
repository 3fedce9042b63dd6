//! One router: a list, its consumers, and whoever asks about them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::sinks::Sinks;
use super::{Following, Kept, Sight, clock, follow, look};
use crate::config::{Key, RouterConfig};
use crate::observe::Origin;
use crate::observe::routes::{self as shown, Away, RouteBoard};
use crate::show::Count;
use crate::store::SCHEMA_VERSION;
use crate::supervisor;

/// How often the board is renewed while nothing changes: it shows how consumers do, and how long a database is away.
const SHOW: Duration = Duration::from_millis(250);

/// Runs until a signal stops it. At SIGHUP it has the configuration read again, and says what needs another start.
///
/// # Errors
/// What kept it from starting. A database that does not answer does not: then the last list is used, or nothing is
/// touched.
pub async fn run<R>(config: RouterConfig, reread: R) -> anyhow::Result<()>
where
    R: Fn() -> anyhow::Result<Vec<Key>> + Send + Sync + 'static,
{
    let mut term = signal(SignalKind::terminate()).context("cannot install the signal handlers")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot install the signal handlers")?;
    let mut hup = signal(SignalKind::hangup()).context("cannot install the signal handlers")?;
    let kept = Kept::open(&config.state_dir, &config.sight.pool)?;
    let listener = match config.http {
        Some(addr) => Some(crate::observe::listen(addr).await?),
        None => None,
    };
    match look(config.sight.clone()).await {
        Ok(_) => {}
        Err(error) if error.is_transient() => match kept.list() {
            Some((list, age)) => tracing::warn!(
                "{error}; beginning with the last list: {} servers, {} s old",
                list.servers.len(),
                age.as_secs()
            ),
            None => tracing::warn!("{error}; nothing is known yet, and routing servers are left as they are"),
        },
        Err(error) => return Err(error.into()),
    }
    let following = follow(config.sight.clone(), Some(kept));
    let sinks = Sinks::start(&config, &following.routes);
    let ca = config.sight.databases.iter().find_map(|url| url.ca().map(Path::to_path_buf));
    let origin = Origin { schema: SCHEMA_VERSION.into(), ca, clock: clock::now };
    let (boards, seen) = watch::channel(Arc::new(RouteBoard::default()));
    let serve = async {
        match listener {
            Some(listener) => shown::serve(listener, seen, origin).await,
            None => std::future::pending().await,
        }
    };
    tokio::spawn(supervisor::follow(boards.subscribe(), status));
    let reload = async {
        let reread = Arc::new(reread);
        while hup.recv().await.is_some() {
            let reread = Arc::clone(&reread);
            told(tokio::task::spawn_blocking(move || reread()).await.map_err(anyhow::Error::new).flatten());
        }
        std::future::pending().await
    };
    tokio::select! {
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
        never = reload => never,
        served = serve => served.context("the router's HTTP"),
        () = show(&config, &following, &sinks, &boards) => Err(anyhow::anyhow!("the routes can no longer be followed")),
    }
}

/// Says what came of reading the configuration again.
fn told(reread: anyhow::Result<Vec<Key>>) {
    match reread {
        Ok(restart) if restart.is_empty() => tracing::info!("the configuration was read again"),
        Ok(restart) => {
            let names: Vec<&str> = restart.iter().map(|key| key.name()).collect();
            tracing::warn!(
                "the configuration was read again; obeyed after another start of the router: {}",
                names.join(", ")
            );
        }
        Err(why) => tracing::error!("the configuration cannot be obeyed, and the old one stays: {why:#}"),
    }
}

/// Renews the board, until nobody makes lists any more.
async fn show(config: &RouterConfig, following: &Following, sinks: &Sinks, boards: &watch::Sender<Arc<RouteBoard>>) {
    let mut routes = following.routes.clone();
    loop {
        let sight = following.sight.borrow().clone();
        let list = Arc::clone(&routes.borrow_and_update());
        let board = RouteBoard {
            pool: config.sight.pool.clone(),
            stale: sight.stale,
            database: away(&sight),
            routes: list,
            targets: sinks.views(),
            counts: counts(&sight),
            members: sight.members,
            faults: sight.faults,
            missing: sight.missing,
            default_port: config.default_port,
        };
        boards.send_replace(Arc::new(board));
        if let Ok(Err(_)) = tokio::time::timeout(SHOW, routes.changed()).await {
            return;
        }
    }
}

/// The line for `systemctl status`.
fn status(board: &RouteBoard) -> String {
    let (routed, all) = (board.routes.routed().count(), board.routes.servers.len());
    let away = board.database.as_ref().map_or("", |_| "; the database does not answer");
    let frozen = board.routes.panic.as_ref().map_or("", |_| "; the list is frozen");
    format!("{routed} of {all} servers of pool {} get clients{frozen}{away}", board.pool)
}

fn away(sight: &Sight) -> Option<Away> {
    let (since, why) = sight.away.as_ref()?;
    Some(Away { seconds: clock::now().since(*since).as_secs_f64(), why: why.clone() })
}

fn counts(sight: &Sight) -> Vec<Count> {
    let counts = sight.counts;
    [
        ("routes_reads", "pool", counts.looks),
        ("routes_reads", "rows", counts.quick_checks),
        ("routes_read_failures", "", counts.failures),
        ("routes_notices", "", counts.notices),
        ("routes_table_went_back", "", counts.went_back),
    ]
    .map(|(name, label, value)| Count { name, label, value })
    .to_vec()
}
