//! An operator's repair of a ring that was damaged by hand. It changes only links, and the votes that depended on them.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::edit::{EventDraft, Guard, Outcome, Plan, RowSet, RowWrite, VoteSet};
use crate::event::{LinkPair, Relinked, Repaired};
use crate::row::{ServerRow, Vote};
use crate::{DbTime, EventBody, ServerId, ring};

/// Longer than other plans get: a repair writes many rows, and an operator waits for it.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// At most this many servers are named in the event.
const NAMED: usize = 50;

/// The plan that makes one ring of these rows, which are all rows of the pool; `None`: they already are one ring.
///
/// Every changed row is compared with what was read. So a server that joins or leaves in the meantime is a conflict
/// where it touches these rows, and does no harm elsewhere. Votes in a row that gets another neighbour are cleared:
/// they were cast from places that no longer exist.
#[must_use]
pub fn repair(pool: &str, rows: &[ServerRow], now: DbTime, by: &str) -> Option<Plan> {
    let rows: BTreeMap<ServerId, ServerRow> = rows.iter().map(|row| (row.id, row.clone())).collect();
    let edit = ring::mend(&rows);
    if edit.is_empty() {
        return None;
    }
    let clear = |vote: &Option<Vote>| if vote.is_some() { VoteSet::Clear } else { VoteSet::Keep };
    let writes = edit.iter().filter_map(|(id, links)| {
        let row = rows.get(id)?;
        let (vote_first, vote_second) = (clear(&row.vote_first), clear(&row.vote_second));
        let (first_buddy, second_buddy) = (links.first, links.second);
        let set = RowSet { first_buddy, second_buddy, vote_first, vote_second, ..RowSet::default() };
        Some(RowWrite::Update { guard: Guard::from(row), set })
    });
    let damages = ring::check(rows.values());
    let said: Vec<String> = damages.iter().take(NAMED).map(ToString::to_string).collect();
    let changed: Vec<Relinked> = edit
        .iter()
        .take(NAMED)
        .filter_map(|(id, links)| {
            let row = rows.get(id)?;
            let was = LinkPair { first: row.first_buddy, second: row.second_buddy };
            let is = LinkPair { first: links.first.unwrap_or(was.first), second: links.second.unwrap_or(was.second) };
            Some(Relinked { id: *id, is, server: row.card.name.clone(), was })
        })
        .collect();
    let body = EventBody::Repaired(Repaired { changed, damages: said, rows: edit.len() });
    let event = EventDraft::of_pool(pool, by, body);
    Some(Plan {
        deadline: now + WRITE_WITHIN,
        writes: writes.collect(),
        pool: None,
        events: vec![event],
        recheck: false,
        outcome: Outcome::Written,
    })
}
