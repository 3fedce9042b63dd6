//! What the mark of a server that hears nobody does to the routes.
//!
//! Such a server votes for nobody, because it may be the one that is cut off (R2). So if two of three servers die at
//! once there is no vote, and without this rule clients would be sent to the dead for ever. The mark keeps another
//! server out, as an old vote of kind `host` would, while all of this is so:
//!
//! - The mark says that no host answers on the whole ring. Where only agents are gone, hosts may serve.
//! - It was renewed lately, and for at least [`law::WAIT_MOST`] since it began, since the other server's life began,
//!   and since its own server last answered that it hears somebody. It is renewed only while it is true, so who is deaf
//!   for a moment takes nobody out; and nobody needs longer to answer. (Who hears somebody for less than a second and a
//!   half in between goes on with the same mark.)
//! - The other server can answer, and did not: it wrote nothing lately, and no other one wrote that it hears it. So two
//!   lone servers keep each other in.
//! - Nobody is on record as hearing anybody, but for servers with such marks. A fresh answer that names another server,
//!   or a fresh vote (who may vote hears somebody), ends the effect of all marks. So does a mark that says less.
//!
//! The last point is for the servers that are well and have nothing to say: who hears both its buddies writes nothing,
//! and in a pool of five that is so for two servers while another one is deaf. But its buddies miss it, or are told by
//! its kernel that they are missed, and they answer. **The assumption**: of the servers that a lone server cannot hear
//! and that hear each other, one that is its buddy reaches the database.
//!
//! If it does not hold, because the lone server and the database are cut off from all others that live, then routers
//! that still read the database send all clients to the lone server, until it hears another one. Routers on the other
//! side read nothing, and keep the list that they have.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::spoken::{BEHIND, LASTS, age, is_younger, record, speaks};
use super::votes::Votes;
use crate::{DbTime, ServerId, ServerRow, VoteKind, law};

/// The servers whose marks count now: none, in a pool that is well.
pub(super) struct Lone<'a> {
    rows: &'a BTreeMap<ServerId, ServerRow>,
    marks: Vec<&'a ServerRow>,
    now: DbTime,
}

impl<'a> Lone<'a> {
    pub(super) fn of(rows: &'a BTreeMap<ServerId, ServerRow>, votes: &Votes, now: DbTime) -> Self {
        let marks: Vec<&ServerRow> =
            rows.values().filter(|row| is_marked(row, now) && has_lasted(row, row.alone_since)).collect();
        let nobody = marks.iter().filter_map(|row| row.alone_at).min().is_some_and(|renewed| {
            let others = rows.values().filter(|row| !is_in(&marks, row.id));
            !others.clone().any(|row| may_hear(row, renewed, now)) && !is_any_vote(rows, votes, &marks, renewed, now)
        });
        Self { rows, marks: if nobody { marks } else { Vec::new() }, now }
    }

    /// Whether a mark keeps this server out of the routes.
    pub(super) fn misses(&self, row: &ServerRow) -> bool {
        let life = Some(DbTime::from_us(row.incarnation.0));
        let against = |mark: &&ServerRow| mark.id != row.id && has_lasted(mark, mark.alone_since.max(life));
        row.answering().is_some() && self.marks.iter().any(against) && !speaks(self.rows, row, self.now)
    }
}

/// The moments at which marks begin or cease to count, besides those at which words become too old: each as a time, and
/// how long after it.
pub(super) fn ends(votes: &Votes) -> impl Iterator<Item = (DbTime, Duration)> {
    votes.last().map(|(.., at)| (at, LASTS))
}

fn is_in(marks: &[&ServerRow], id: ServerId) -> bool {
    marks.iter().any(|mark| mark.id == id)
}

/// Whether it says now that no host answers.
fn is_marked(row: &ServerRow, now: DbTime) -> bool {
    row.alone_kind == Some(VoteKind::Host) && row.alone_at.is_some_and(|at| is_younger(now, at, LASTS))
}

/// Whether a mark was renewed for long enough after this.
fn has_lasted(mark: &ServerRow, began: Option<DbTime>) -> bool {
    let began = began.max(record(mark).map(|(at, _)| at));
    let lasted = mark.alone_at.zip(began).and_then(|(at, began)| at.since(began));
    lasted.is_some_and(|lasted| lasted >= law::WAIT_MOST)
}

/// Whether a server that is not one of those may hear another one: it says so, or it says that it is alone, but not
/// that no host answers. What was still said when the marks were last renewed counts for as long as they do.
fn may_hear(row: &ServerRow, renewed: DbTime, now: DbTime) -> bool {
    let alone = row.alone_at.map(|at| (at, LASTS));
    let said = |(at, lasts)| is_younger(now, at, lasts) || age(now, at).is_some() && at + lasts >= renewed + BEHIND;
    record(row).into_iter().chain(alone).any(said)
}

/// Whether a server that is not one of those accused another one: it heard somebody. That stays true when the vote is
/// taken back, or goes with the row of a server that is removed.
fn is_any_vote(
    rows: &BTreeMap<ServerId, ServerRow>,
    votes: &Votes,
    marks: &[&ServerRow],
    renewed: DbTime,
    now: DbTime,
) -> bool {
    let of_others = votes.last().filter(|(voter, ..)| !is_in(marks, *voter));
    let mut of_now = of_others.filter(|(voter, life, _)| rows.get(voter).is_some_and(|row| row.incarnation == *life));
    of_now.any(|(.., at)| is_younger(now, at, LASTS) || age(now, at).is_some() && at + LASTS >= renewed + BEHIND)
}
