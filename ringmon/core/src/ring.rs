//! Ring algebra: what a splice does to links, and whether a set of rows is one ring.
//!
//! Every row is on the ring. `first` is the next server and `second` the previous one. So following `first` from row to
//! row visits all of them once and comes back, and following `second` does the same in the other direction. In a ring
//! of one, both links are the server itself. In a ring of two, both are the other server.

mod check;
mod mend;
#[cfg(test)]
mod tests;

pub use check::{Damage, Named, Remark, VoteFlaw, check, order, remarks};
pub use mend::mend;

use alloc::collections::{BTreeMap, BTreeSet};

use super::ServerId;
use super::row::{ServerRow, Side};

/// New links of one row; `None` leaves a link as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// New first buddy.
    pub first: Option<ServerId>,
    /// New second buddy.
    pub second: Option<ServerId>,
}

impl Links {
    fn set(&mut self, side: Side, to: ServerId) {
        match side {
            Side::First => self.first = Some(to),
            Side::Second => self.second = Some(to),
        }
    }
}

/// The links that a splice changes, by row.
pub type Edit = BTreeMap<ServerId, Links>;

/// Splices `new` in between `at` and `next`, which is the first buddy of `at`. In a ring of one, `at` and `next` are
/// the same.
#[must_use]
pub fn splice_in(new: ServerId, at: ServerId, next: ServerId) -> Edit {
    let mut edit = Edit::new();
    connect(&mut edit, Side::First, at, new);
    connect(&mut edit, Side::First, new, next);
    edit
}

/// Splices all servers in `gone` out of `chain`, which lists servers one after the other on `side`. The first and the
/// last server stay. They may be the same one, if the chain goes all the way round. Survivors in the middle keep their
/// order.
#[must_use]
pub fn splice_out(chain: &[ServerId], side: Side, gone: &BTreeSet<ServerId>) -> Edit {
    let mut edit = Edit::new();
    let mut last: Option<(usize, ServerId)> = None;
    for (place, &server) in chain.iter().enumerate().filter(|(_, s)| !gone.contains(s)) {
        if let Some((before, from)) = last
            && before + 1 != place
        {
            connect(&mut edit, side, from, server);
        }
        last = Some((place, server));
    }
    edit
}

/// Whether `rows`, in this order, follow each other on `side`, with links in both directions.
#[must_use]
pub fn is_chain(rows: &[&ServerRow], side: Side) -> bool {
    rows.windows(2).all(|w| w[0].buddy(side) == w[1].id && w[1].buddy(side.opposite()) == w[0].id)
}

fn connect(edit: &mut Edit, side: Side, from: ServerId, to: ServerId) {
    edit.entry(from).or_default().set(side, to);
    edit.entry(to).or_default().set(side.opposite(), from);
}
