//! Whether the ring is whole after a measurement.

use std::collections::HashMap;

use anyhow::Context;
use ringmon_core::ring;
use sea_orm::{ConnectionTrait, Statement};

use crate::target::Database;

/// Names, addresses and picks are compared too if there are at most this many servers.
const SMALL: u32 = 20_000;

/// What is wrong; nothing, if it is one ring of this many servers.
pub async fn check(database: &Database, servers: u32) -> anyhow::Result<Option<String>> {
    let db = &database.sql[0];
    let sql = "SELECT id, first_buddy, second_buddy FROM server WHERE pool = ?";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [database.pool.into()]);
    let mut links: HashMap<i64, (i64, i64)> = HashMap::new();
    for row in db.query_all_raw(statement).await.context("cannot read the ring")? {
        links.insert(row.try_get_by_index(0)?, (row.try_get_by_index(1)?, row.try_get_by_index(2)?));
    }
    if links.len() != servers as usize {
        return Ok(Some(format!("{} servers are in the table, and should be {servers}", links.len())));
    }
    if let Some(damage) = damage(&links) {
        return Ok(Some(damage));
    }
    if servers > SMALL {
        return Ok(None);
    }
    let rows = database.store.servers().await?;
    let damage: Vec<String> = ring::check(rows.iter()).iter().take(3).map(ToString::to_string).collect();
    Ok((!damage.is_empty()).then(|| damage.join("; ")))
}

/// Links without a link back, or more than one ring.
fn damage(links: &HashMap<i64, (i64, i64)>) -> Option<String> {
    let answered = |id: &i64, (first, second): &(i64, i64)| {
        links.get(first).is_some_and(|back| back.1 == *id) && links.get(second).is_some_and(|back| back.0 == *id)
    };
    let broken = links.iter().filter(|(id, link)| !answered(id, link)).count();
    if broken > 0 {
        return Some(format!("the ring is broken: links of {broken} servers are not answered"));
    }
    let start = *links.keys().next()?;
    let (mut at, mut met) = (links[&start].0, 1);
    while at != start {
        (at, met) = (links[&at].0, met + 1);
    }
    (met != links.len()).then(|| format!("the ring is split: one of them has {met} of {} servers", links.len()))
}
