//! Operations that only read.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::plan::{Next, done, must_row, need, need_rows, row};
use crate::ServerId;
use crate::edit::{Lookup, Outcome, TableSnapshot};
use crate::row::{Address, Side};

/// This server's row, both buddies' rows, the rows of servers that vote against it, and how missing servers left.
pub(super) fn view(me: ServerId, known: &[ServerId], seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Id(me)])?;
    let mut wanted: Vec<ServerId> = known.iter().copied().filter(|id| *id != me).collect();
    let mut ended: Vec<ServerId> = Vec::new();
    match row(seen, me) {
        Some(own) => {
            let voters = Side::BOTH.into_iter().filter_map(|side| own.vote(side)).map(|vote| vote.voter);
            wanted.extend(Side::BOTH.into_iter().map(|side| own.buddy(side)).chain(voters));
        }
        None => ended.push(me),
    }
    need_rows(seen, wanted)?;
    ended.extend(known.iter().filter(|id| row(seen, **id).is_none()));
    need(seen, ended.into_iter().map(Lookup::LastEvent))?;
    done(Outcome::Read)
}

/// Who has this name, and who has this address. If the name is at another address, also who watches it there.
pub(super) fn find_self(name: &str, address: Address, seen: &TableSnapshot) -> Next {
    let named = Lookup::Name(name.to_owned());
    need(seen, [named.clone(), Lookup::Address(address)])?;
    if let Some(row) = seen.row(&named).filter(|row| row.card.address != address) {
        need_rows(seen, [row.first_buddy, row.second_buddy])?;
    }
    done(Outcome::Read)
}

pub(super) fn ahead(from: ServerId, side: Side, count: u16, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Walk { from, side, count }])?;
    done(Outcome::Read)
}

/// A random server and its first buddy. In an empty pool the answer to the pick is empty.
pub(super) fn pick_place(pick: i64, seen: &TableSnapshot) -> Next {
    let lookup = Lookup::Pick(pick);
    need(seen, [lookup.clone()])?;
    if let Some(chosen) = seen.row(&lookup) {
        must_row(seen, chosen.first_buddy)?;
    }
    done(Outcome::Read)
}

/// Random servers. The same server may be drawn twice.
pub(super) fn pick_witnesses(picks: &[i64], seen: &TableSnapshot) -> Next {
    need(seen, picks.iter().copied().map(Lookup::Pick))?;
    done(Outcome::Read)
}
