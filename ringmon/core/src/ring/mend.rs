//! Makes one ring again from rows whose links are damaged.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Edit;
use crate::ServerId;
use crate::row::{ServerRow, Side};

/// The links to change so that these rows, which are all rows of one pool, form one ring; empty if they already do.
///
/// No server is dropped, and no more links are changed than necessary. Servers that link to each other in both
/// directions stay neighbours, except where that would close a ring that is not the whole. After a piece comes the
/// piece that its last link leads to or that links back to it, or otherwise the one that begins with the smallest id.
#[must_use]
pub fn mend(rows: &BTreeMap<ServerId, ServerRow>) -> Edit {
    let order = line_up(rows, pieces(rows));
    let mut edit = Edit::new();
    for (&from, &to) in order.iter().zip(order.iter().cycle().skip(1)) {
        if rows.get(&from).is_some_and(|row| row.first_buddy != to) {
            edit.entry(from).or_default().set(Side::First, to);
        }
        if rows.get(&to).is_some_and(|row| row.second_buddy != from) {
            edit.entry(to).or_default().set(Side::Second, from);
        }
    }
    edit
}

/// Servers that follow each other, with links in both directions. A closed ring is cut open before its smallest id.
fn pieces(rows: &BTreeMap<ServerId, ServerRow>) -> Vec<Vec<ServerId>> {
    let next = |id: ServerId| {
        let next = rows.get(&rows.get(&id)?.first_buddy)?;
        (next.second_buddy == id).then_some(next.id)
    };
    let follow: BTreeSet<ServerId> = rows.keys().filter_map(|id| next(*id)).collect();
    let begin = rows.keys().filter(|id| !follow.contains(id));
    let mut seen = BTreeSet::new();
    let mut pieces = Vec::new();
    for start in begin.chain(rows.keys()) {
        let mut piece = Vec::new();
        let mut at = Some(*start);
        while let Some(id) = at.filter(|id| seen.insert(*id)) {
            piece.push(id);
            at = next(id);
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}

fn line_up(rows: &BTreeMap<ServerId, ServerRow>, pieces: Vec<Vec<ServerId>>) -> Vec<ServerId> {
    let mut left: BTreeMap<ServerId, Vec<ServerId>> =
        pieces.into_iter().filter_map(|piece| Some((*piece.first()?, piece))).collect();
    // The piece that claims to come after this server. If several do, the one with the smallest id.
    let mut after: BTreeMap<ServerId, ServerId> = BTreeMap::new();
    for start in left.keys() {
        if let Some(row) = rows.get(start) {
            after.entry(row.second_buddy).or_insert(*start);
        }
    }
    let mut order: Vec<ServerId> = Vec::with_capacity(rows.len());
    let mut piece = left.pop_first();
    while let Some((_, servers)) = piece {
        order.extend(servers);
        let end = order.last().and_then(|id| rows.get(id));
        let said = end.map(|row| row.first_buddy).filter(|id| left.contains_key(id));
        let back = || end.and_then(|row| after.get(&row.id)).copied().filter(|id| left.contains_key(id));
        piece = match said.or_else(back) {
            Some(start) => left.remove_entry(&start),
            None => left.pop_first(),
        };
    }
    order
}
