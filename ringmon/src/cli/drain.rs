//! `ringmon drain|undrain NAME`: no new clients for a server that stays on the ring; and clients again.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::exit::{Error, Verdict};
use super::leave::find;
use super::tell::tell;
use super::{database, out};
use crate::config::{Machine, Typed, parse};
use ringmon_core::op::TableOp;
use ringmon_core::{NoticeBody, Outcome, ServerRow};

/// How often it looks who is still connected.
const EVERY: Duration = Duration::from_millis(200);
/// Routers that no notice reached look every second.
const ROUTERS: Duration = Duration::from_secs(2);

/// Writes the row, tells the server's agent, which tells the routers, and waits if asked to.
pub fn run(typed: &Typed, name: &str, draining: bool, wait: Option<Duration>) -> anyhow::Result<Verdict> {
    parse::name(name).map_err(|problem| Error::Usage(format!("{name:?} is no server's name: {problem}")))?;
    database::wait(async {
        let store = database::open(typed).await?;
        let row = find(&store, name).await.map_err(|error| away(error, draining))?;
        let op = TableOp::SetDraining { id: row.id, incarnation: None, draining, by: database::operator() };
        let (outcome, seen) = database::run(&store, &op).await?;
        if outcome != Outcome::Written {
            return Err(database::unexpected(&outcome));
        }
        if let Some(pool) = &seen.pool {
            tell(&pool.keys, &[(&row, NoticeBody::Changed { subject: row.id })]).await;
        }
        match (draining, row.draining) {
            (true, false) => out::line(&format!(
                "{name} ({}) drains: routers send no new clients there; it stays on the ring",
                row.id
            ))?,
            (false, true) => {
                out::line(&format!("{name} ({}) drains no more: routers send clients there again", row.id))?
            }
            (true, true) => out::line(&format!("{name} ({}) drains already", row.id))?,
            (false, false) => out::line(&format!("{name} ({}) does not drain", row.id))?,
        }
        let Some(wait) = wait.filter(|_| draining) else { return Ok(Verdict::Ok) };
        emptied(&row, wait).await
    })
}

/// Waits until nobody is connected to the server's port. Where that cannot be seen, it waits for the whole time.
async fn emptied(row: &ServerRow, wait: Duration) -> anyhow::Result<Verdict> {
    let begun = Instant::now();
    let Some(port) = row.card.clients.port.filter(|_| is_here(row)) else {
        let why =
            if is_here(row) { "this server has no route_port" } else { "that can only be seen on the server itself" };
        tracing::info!("waiting for {wait:?}, and not for those who are connected: {why}");
        tokio::time::sleep(wait).await;
        return Ok(Verdict::Ok);
    };
    loop {
        let connected = crate::observe::connected(port);
        if begun.elapsed() >= ROUTERS && connected == 0 {
            out::line(&format!("nobody is connected to port {port} any more"))?;
            return Ok(Verdict::Ok);
        }
        if begun.elapsed() >= wait {
            out::line(&format!("{connected} connections to port {port} are left after {wait:?}"))?;
            return Ok(Verdict::NotHealthy);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A server that is away may have been drained before.
fn away(error: anyhow::Error, draining: bool) -> anyhow::Error {
    match error.downcast::<Error>() {
        Ok(Error::NotThere(why)) if draining => {
            Error::NotThere(format!("{why}; to start it without clients: `ringmon agent --start-drained`")).into()
        }
        Ok(Error::NotThere(why)) => {
            Error::NotThere(format!("{why}; if it was drained before it went, it comes back so: undrain it then"))
                .into()
        }
        Ok(error) => error.into(),
        Err(error) => error,
    }
}

fn is_here(row: &ServerRow) -> bool {
    let Ok(machine) = Machine::this() else { return false };
    let at: IpAddr = row.card.clients.address.unwrap_or(row.card.address);
    machine.interfaces.values().any(|interface| interface.addresses.contains(&at))
}
