//! Operations that only read.

use super::plan::{Next, done, must_row, need, need_rows, row};
use crate::core::ServerId;
use crate::core::edit::{Lookup, Outcome, TableSnapshot};
use crate::core::row::{Address, Side};

/// Own row, both buddies' rows, and the rows of those who vote against this server.
pub(super) fn view(me: ServerId, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Id(me)])?;
    if let Some(own) = row(seen, me) {
        let voters = Side::BOTH.into_iter().filter_map(|side| own.vote(side)).map(|vote| vote.voter);
        need_rows(seen, Side::BOTH.into_iter().map(|side| own.buddy(side)).chain(voters))?;
    }
    done(Outcome::Read)
}

pub(super) fn find_self(name: &str, address: Address, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Name(name.to_owned()), Lookup::Address(address)])?;
    done(Outcome::Read)
}

pub(super) fn ahead(from: ServerId, side: Side, count: u16, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Walk { from, side, count }])?;
    done(Outcome::Read)
}

/// A random server and its first buddy. An empty pool has none: the answer to the pick is empty.
pub(super) fn pick_place(pick: i64, seen: &TableSnapshot) -> Next {
    let lookup = Lookup::Pick(pick);
    need(seen, [lookup.clone()])?;
    if let Some(chosen) = seen.row(&lookup) {
        must_row(seen, chosen.first_buddy)?;
    }
    done(Outcome::Read)
}
