//! `ringmon ring show|check|repair`: the ring in the table.

#[cfg(test)]
mod kit;
mod repair;
mod show;
mod svg;

pub use repair::run as repair;

use jiff::tz::TimeZone;
use serde_json::json;

use super::exit::Verdict;
use super::{database, out};
use crate::config::Typed;
use crate::store::{self, Store};
use ringmon_core::law;
use ringmon_core::op::TableOp;
use ringmon_core::{DbTime, ServerRow, ring};

/// A whole pool at one moment.
pub(super) struct Ring {
    /// Its name.
    pub(super) pool: String,
    /// All its rows, by id.
    pub(super) rows: Vec<ServerRow>,
    /// The database's clock, a little earlier.
    pub(super) now: DbTime,
}

impl Ring {
    async fn read(store: &Store) -> anyhow::Result<Self> {
        // Any read brings the database's clock with it.
        let (_, seen) = database::run(store, &TableOp::PickPlace { pick: 0 }).await?;
        Ok(Self { pool: store.pool_name().to_owned(), rows: store.servers().await?, now: seen.db_now })
    }

    /// What is untidy but harmless.
    fn remarks(&self) -> Vec<String> {
        let lifetime = law::VOTE_LIFETIME;
        ring::remarks(&self.rows, self.now, lifetime).iter().map(ToString::to_string).collect()
    }
}

/// Shows every server in the order of the ring.
pub fn show(typed: &Typed, svg: bool, json: bool) -> anyhow::Result<Verdict> {
    database::wait(async {
        let ring = Ring::read(&database::open(typed).await?).await?;
        if json {
            out::json(&show::as_json(&ring))?
        } else if svg {
            out::line(&svg::as_svg(&ring))?
        } else {
            out::line(&show::as_text(&ring, &TimeZone::system()))?
        }
        Ok(Verdict::Ok)
    })
}

/// Says whether the ring is whole; if not, names the rows.
pub fn check(typed: &Typed, json: bool) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        let (servers, damages, remarks) = match Ring::read(&store).await {
            Ok(ring) => {
                let damages = ring::check(&ring.rows).iter().map(ToString::to_string).collect();
                (ring.rows.len(), damages, ring.remarks())
            }
            // A row that cannot be read is damage, and no failure of this command.
            Err(error) => match error.downcast_ref::<store::Error>() {
                Some(damaged @ store::Error::Damaged { .. }) => (0, vec![damaged.to_string()], Vec::new()),
                Some(_) | None => return Err(error),
            },
        };
        let whole = damages.is_empty();
        if json {
            let pool = store.pool_name();
            out::json(
                &json!({ "pool": pool, "whole": whole, "servers": servers, "damages": damages, "remarks": remarks }),
            )?;
        } else {
            out::line(&report(store.pool_name(), servers, &damages, &remarks))?;
        }
        Ok(if whole { Verdict::Ok } else { Verdict::NotHealthy })
    })
}

fn report(pool: &str, servers: usize, damages: &[String], remarks: &[String]) -> String {
    let mut lines = match (damages.len(), servers) {
        (0, 0) => vec![format!("pool {pool} has no servers")],
        (0, 1) => vec![format!("the ring of pool {pool} is whole: 1 server")],
        (0, _) => vec![format!("the ring of pool {pool} is whole: {servers} servers")],
        (_, _) => vec![format!("the ring of pool {pool} is broken:")],
    };
    lines.extend(damages.iter().map(|damage| out::said(&format!("  {damage}"), true)));
    lines.extend(remarks.iter().map(|remark| out::said(&format!("note: {remark}"), false)));
    lines.join("\n")
}
