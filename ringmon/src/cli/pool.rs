//! `ringmon pool list|create|delete|show|set|freeze|thaw|forget|rotate-key`

mod rotate;
mod set;

use serde_json::{Value, json};

use super::exit::{Error, Verdict};
use super::{database, out};
use crate::config::{Typed, database_access, pool_access};
use crate::show::saying::clean;
use crate::store::{MISSED_FOR, PoolSummary, Store};
use ringmon_core::op::TableOp;
use ringmon_core::row::Quorum;
use ringmon_core::{Outcome, PoolRow, Word as _, law};

pub use rotate::rotate_key;

/// Lists the pools of a database.
pub fn list(typed: &Typed, json: bool) -> anyhow::Result<Verdict> {
    let database = database_access(typed)?;
    let pools = database::wait(async { Ok(Store::pools(&database).await?) })?;
    if json {
        let all: Vec<Value> = pools.iter().map(summary_as_json).collect();
        out::json(&all)?;
    } else if pools.is_empty() {
        out::line(&format!("{database} has no pools; `ringmon pool create NAME` makes one"))?;
    } else {
        out::line(&summaries_as_text(&pools))?;
    }
    Ok(Verdict::Ok)
}

/// Makes a pool.
pub fn create(typed: &Typed, quorum: Quorum) -> anyhow::Result<Verdict> {
    let access = pool_access(typed)?;
    database::wait(async { Ok(Store::create(&access.database, &access.pool, quorum).await?) })?;
    out::line(&format!("created pool {} with a new key, quorum {}", access.pool, quorum.word()))?;
    Ok(Verdict::Ok)
}

/// Deletes a pool that has no servers.
pub fn delete(typed: &Typed) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        let events = store.delete().await?;
        out::line(&format!("deleted pool {} with its rules, its keys and {events} events", store.pool_name()))?;
        Ok(Verdict::Ok)
    })
}

fn summary_as_json(summary: &PoolSummary) -> Value {
    let mut value = as_json(&summary.pool);
    value["servers"] = json!(summary.servers);
    value
}

fn summaries_as_text(pools: &[PoolSummary]) -> String {
    let rows = pools.iter().map(|PoolSummary { pool, servers }| {
        let cells = [
            pool.name.clone(),
            servers.to_string(),
            pool.rules.quorum.word().to_owned(),
            pool.rules.mode.word().to_owned(),
            brake(pool).to_string(),
            pool.frozen.clone().unwrap_or_else(|| "no".to_owned()),
        ];
        (pool.frozen.is_some(), cells)
    });
    out::rows(["pool", "servers", "quorum", "mode", "brake", "frozen"], &rows.collect::<Vec<_>>())
}

/// Shows the pool's rules; never its key.
pub fn show(typed: &Typed, json: bool) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        let (pool, gone) = (store.pool().await?, store.gone(law::BRAKE_WINDOW).await?);
        print(&pool, &gone, json)?;
        Ok(Verdict::Ok)
    })
}

/// Changes rules. Agents learn of it when they read the pool's row again.
pub fn set(typed: &Typed, settings: &[String], json: bool) -> anyhow::Result<Verdict> {
    let changes = set::changes(settings)?;
    database::wait(async {
        let store = database::open(typed).await?;
        let pool = store.set_rules(&changes).await?;
        for warning in set::warnings(&pool.rules) {
            tracing::warn!("{warning}");
        }
        print(&pool, &store.gone(law::BRAKE_WINDOW).await?, json)?;
        Ok(Verdict::Ok)
    })
}

/// Freezes (`Some(why)`) or thaws the pool.
pub fn freeze(typed: &Typed, frozen: Option<String>) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        let op = TableOp::SetFrozen { frozen: frozen.clone(), by: database::operator() };
        let (outcome, _) = database::run(&store, &op).await?;
        if !matches!(outcome, Outcome::Written | Outcome::Read) {
            return Err(database::unexpected(&outcome));
        }
        let name = store.pool_name();
        out::line(&match frozen {
            Some(why) => {
                format!("pool {name} is frozen ({}): nobody is removed until `ringmon pool thaw`", clean(&why))
            }
            None => format!("pool {name} is not frozen"),
        })?;
        Ok(Verdict::Ok)
    })
}

/// The brake counts these servers no longer.
pub fn forget(typed: &Typed, names: &[String]) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        // Longer than the brake counts: whoever is missed is also counted by routers, and by who is alerted.
        let gone = store.gone(MISSED_FOR).await?;
        if let Some(name) = names.iter().find(|name| !gone.contains(name)) {
            let why = format!("{name} is not gone: {}; nothing was changed", listed(&gone));
            return Err(Error::NotThere(why).into());
        }
        for name in names {
            let op = TableOp::Forget { name: name.clone(), by: database::operator() };
            let (outcome, _) = database::run(&store, &op).await?;
            if outcome != Outcome::Written {
                return Err(database::unexpected(&outcome));
            }
        }
        out::line(&format!("pool {} no longer counts {} as gone", store.pool_name(), names.join(", ")))?;
        Ok(Verdict::Ok)
    })
}

fn listed(gone: &[String]) -> String {
    if gone.is_empty() { "nobody is".to_owned() } else { format!("these are: {}", gone.join(", ")) }
}

fn print(pool: &PoolRow, gone: &[String], json: bool) -> anyhow::Result<()> {
    if !json {
        let gone = if gone.is_empty() { "nobody".to_owned() } else { gone.join(", ") };
        return out::line(&format!("{}\n{}", as_text(pool), out::said(&format!("gone           {gone}"), false)));
    }
    let mut value = as_json(pool);
    value["gone"] = json!(gone);
    out::json(&value)
}

fn brake(pool: &PoolRow) -> f64 {
    f64::from(pool.rules.brake_permille) / 1000.0
}

fn as_json(pool: &PoolRow) -> Value {
    json!({
        "pool": pool.name,
        "quorum": pool.rules.quorum,
        "agent_timeout_seconds": pool.rules.agent_timeout.as_secs_f64(),
        "brake": brake(pool),
        "alone": pool.rules.alone,
        "mode": pool.rules.mode,
        "frozen": pool.frozen,
        "key_ids": pool.keys.iter().map(|key| key.id).collect::<Vec<_>>(),
    })
}

fn as_text(pool: &PoolRow) -> String {
    let rules = &pool.rules;
    let keys: Vec<String> = pool.keys.iter().map(|key| key.id.to_string()).collect();
    [
        format!("pool           {}", pool.name),
        format!("quorum         {}", rules.quorum.word()),
        format!("agent_timeout  {:?}", rules.agent_timeout),
        format!("brake          {}{}", brake(pool), if rules.brake_permille >= 1000 { " (off)" } else { "" }),
        format!("alone          {}", rules.alone.word()),
        format!("mode           {}", rules.mode.word()),
        out::said(&format!("frozen         {}", pool.frozen.as_deref().unwrap_or("no")), pool.frozen.is_some()),
        format!("keys           {} (never shown)", keys.join(", ")),
    ]
    .join("\n")
}
