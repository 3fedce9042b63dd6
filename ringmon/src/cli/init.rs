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
        Some(_) => "next, for each server of this machine (an embedded database is shared with nobody else)",
        None => "next, on each server",
    };
    out::line(&format!("{next}: ringmon agent --pool {pool} --database-url {}", access.database))?;
    Ok(Verdict::Ok)
}
