//! `ringmon init`

use super::exit::Verdict;
use super::{database, out};
use crate::config::{Typed, pool_access};
use crate::store::Store;
use ringmon_core::Word as _;
use ringmon_core::row::Quorum;

/// Makes what is missing, says what it did, and what to do next.
pub fn run(typed: &Typed, quorum: Quorum) -> anyhow::Result<Verdict> {
    let access = pool_access(typed)?;
    let report = database::wait(async { Ok(Store::init(&access.database, &access.pool, quorum).await?) })?;
    out::line(&report.to_string())?;
    let pool = &access.pool;
    if !report.created_pool && report.quorum != quorum {
        out::line(&format!("to change its quorum: ringmon pool set --pool {pool} quorum={}", quorum.word()))?;
    }
    let next = match access.database.file() {
        Some(_) => format!(
            "next, for each server of this machine (an embedded database is shared with nobody else): ringmon agent \
             --pool {pool} --database-url {}",
            access.database
        ),
        // Not this user's URL: agents need no right to make tables.
        None => format!(
            "next: give the agents a user of their own (docs/database.md has the statements), then on each server: \
             ringmon agent --pool {pool}, with that user's database_url and password file in /etc/ringmon/ringmon.toml"
        ),
    };
    out::line(&next)?;
    Ok(Verdict::Ok)
}
