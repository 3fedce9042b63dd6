//! `ringmon leave NAME...`

use super::exit::{Error, Verdict};
use super::tell::tell;
use super::{database, out};
use crate::config::{Typed, parse};
use crate::store::Store;
use ringmon_core::op::TableOp;
use ringmon_core::row::{Address, Side};
use ringmon_core::{Lookup, NoticeBody, Outcome, ServerRow, TableSnapshot};

/// Removes servers from the ring on an operator's word, one after the other. The two buddies of each become each
/// other's buddies.
///
/// A word that cannot be a name is not looked for: MySQL's collations treat `"a "` as `"a"`, and would find another
/// server.
pub fn run(typed: &Typed, names: &[String]) -> anyhow::Result<Verdict> {
    for name in names {
        parse::name(name).map_err(|problem| Error::Usage(format!("{name:?} is no server's name: {problem}")))?;
    }
    database::wait(async {
        let store = database::open(typed).await?;
        for name in names {
            remove(&store, name).await?;
        }
        Ok(Verdict::Ok)
    })
}

async fn remove(store: &Store, name: &str) -> anyhow::Result<()> {
    let row = find(store, name).await?;
    // Its current buddies, which have to be told.
    let (_, seen) = database::run(store, &TableOp::View { me: row.id, known: Vec::new() }).await?;
    let leave = TableOp::Leave { id: row.id, incarnation: None, by: database::operator() };
    let (outcome, _) = database::run(store, &leave).await?;
    if outcome != Outcome::Left {
        return Err(database::unexpected(&outcome));
    }
    let (id, pool) = (row.id, store.pool_name());
    out::line(&format!("{name} ({id}) has left the ring of pool {pool}; its agent will notice and stay out"))?;
    if let Some(pool) = &seen.pool {
        tell(&pool.keys, &letters(&row, &seen)).await;
    }
    Ok(())
}

/// The server with this name.
pub async fn find(store: &Store, name: &str) -> anyhow::Result<ServerRow> {
    // No server has this address, so only the name is looked for, and the cost does not grow with the ring.
    let nowhere = Address::V4(core::net::Ipv4Addr::UNSPECIFIED);
    let find = TableOp::FindSelf { name: name.to_owned(), address: nowhere };
    let (_, seen) = database::run(store, &find).await?;
    let found = seen.row(&Lookup::Name(name.to_owned())).cloned();
    let pool = store.pool_name();
    let missing =
        || Error::NotThere(format!("there is no server {name} in pool {pool}; `ringmon ring show` lists them"));
    Ok(found.ok_or_else(missing)?)
}

/// Who is told what: the server itself, and its buddies.
fn letters<'a>(gone: &'a ServerRow, seen: &'a TableSnapshot) -> Vec<(&'a ServerRow, NoticeBody)> {
    let subject = gone.id;
    let buddies = Side::BOTH.into_iter().filter_map(|side| seen.rows.get(&gone.buddy(side)));
    let mut letters = vec![(gone, NoticeBody::Removed { subject })];
    letters.extend(buddies.filter(|row| row.id != subject).map(|row| (row, NoticeBody::Spliced { subject })));
    letters
}
