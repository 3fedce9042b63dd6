//! `ringmon init`

use super::exit::{Error, Verdict};
use super::{database, out};
use crate::config::{Typed, pool_access};
use crate::store::Store;
use ringmon_core::Word as _;
use ringmon_core::row::Quorum;

/// What the users are for, and the statements that make them, in the database `ringmon`.
const PAGE: &str = include_str!("../../../docs/database.md");

/// Prints the statements that make the users, for the database that is named. Nobody is asked.
pub fn print_grants(typed: &Typed) -> anyhow::Result<Verdict> {
    let access = pool_access(typed)?;
    let url = access.database.to_string();
    let Some(database) = url.rsplit('/').next().filter(|_| access.database.file().is_none()) else {
        return Err(
            Error::Usage("an embedded database has no users; name a MySQL with --database-url".to_owned()).into()
        );
    };
    out::line("-- Put passwords in place of PASSWORD. docs/database.md says what each user is for.")?;
    out::line(&grants(database).join("\n"))?;
    Ok(Verdict::Ok)
}

/// The blocks of SQL on the page's section about users, each under the line before it.
fn grants(database: &str) -> Vec<String> {
    let users = PAGE.split("\n## ").find(|section| section.starts_with("Users")).unwrap_or_default();
    let blocks: Vec<&str> = users.split("```sql\n").collect();
    let pairs = blocks.iter().zip(blocks.iter().skip(1));
    pairs
        .map(|(before, block)| {
            let title = before.trim_end().lines().last().unwrap_or_default();
            let statements = block.split("```").next().unwrap_or_default();
            format!("\n-- {title}\n{}", statements.replace("ringmon.", &format!("`{database}`.")).trim_end())
        })
        .collect()
}

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
            "next: give the agents a user of their own (the same command with --print-grants says how), then on each \
             server: \
             ringmon agent --pool {pool}, with that user's database_url and password file in /etc/ringmon/ringmon.toml"
        ),
    };
    out::line(&next)?;
    Ok(Verdict::Ok)
}
