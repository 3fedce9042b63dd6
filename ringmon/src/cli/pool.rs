//! `ringmon pool show|set|freeze|thaw`

mod set;

use serde_json::{Value, json};

use super::exit::Verdict;
use super::{database, out};
use crate::config::Typed;
use crate::config::parse::{ALONES, MODES, QUORUMS, word_for};
use crate::core::op::TableOp;
use crate::core::{Outcome, PoolRow};

/// Shows the pool's rules; never its key.
pub fn show(typed: &Typed, json: bool) -> anyhow::Result<Verdict> {
    database::wait(async {
        let pool = database::open(typed).await?.pool().await?;
        print(&pool, json)?;
        Ok(Verdict::Ok)
    })
}

/// Changes rules; agents learn of it when they read the pool's row again.
pub fn set(typed: &Typed, settings: &[String], json: bool) -> anyhow::Result<Verdict> {
    let changes = set::changes(settings)?;
    database::wait(async {
        let store = database::open(typed).await?;
        let pool = store.set_rules(&changes).await?;
        for warning in set::warnings(&pool.rules) {
            tracing::warn!("{warning}");
        }
        print(&pool, json)?;
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
            Some(why) => format!("pool {name} is frozen ({why}): nobody is removed until `ringmon pool thaw`"),
            None => format!("pool {name} is not frozen"),
        })?;
        Ok(Verdict::Ok)
    })
}

fn print(pool: &PoolRow, json: bool) -> anyhow::Result<()> {
    if json { out::json(&as_json(pool)) } else { out::line(&as_text(pool)) }
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
        format!("quorum         {}", word_for(QUORUMS, &rules.quorum)),
        format!("agent_timeout  {:?}", rules.agent_timeout),
        format!("brake          {}{}", brake(pool), if rules.brake_permille >= 1000 { " (off)" } else { "" }),
        format!("alone          {}", word_for(ALONES, &rules.alone)),
        format!("mode           {}", word_for(MODES, &rules.mode)),
        format!("frozen         {}", pool.frozen.as_deref().unwrap_or("no")),
        format!("keys           {} (never shown)", keys.join(", ")),
    ]
    .join("\n")
}
