//! `ringmon leave NAME`

use super::exit::{Error, Verdict};
use super::{database, out};
use crate::config::Typed;
use crate::core::op::TableOp;
use crate::core::row::Address;
use crate::core::{Lookup, Outcome};

/// Takes a server out of the ring on an operator's word; its two buddies become each other's.
pub fn run(typed: &Typed, name: &str) -> anyhow::Result<Verdict> {
    database::wait(async {
        let store = database::open(typed).await?;
        // Nobody has this address: only the name is looked for, and its cost does not grow with the ring.
        let nowhere = Address::V4(core::net::Ipv4Addr::UNSPECIFIED);
        let find = TableOp::FindSelf { name: name.to_owned(), address: nowhere };
        let (_, seen) = database::run(&store, &find).await?;
        let Some(row) = seen.row(&Lookup::Name(name.to_owned())) else {
            return Err(Error::NotThere(format!(
                "there is no server {name} in pool {}; `ringmon ring show` lists them",
                store.pool_name()
            ))
            .into());
        };
        let leave = TableOp::Leave { id: row.id, incarnation: None, by: database::operator() };
        let (outcome, _) = database::run(&store, &leave).await?;
        if outcome != Outcome::Left {
            return Err(database::unexpected(&outcome));
        }
        let (id, pool) = (row.id, store.pool_name());
        out::line(&format!("{name} ({id}) has left the ring of pool {pool}; its agent will notice and stay out"))?;
        Ok(Verdict::Ok)
    })
}
