//! Taking a place on the ring, taking it again, and giving it up.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::plan::{Draft, Next, apply, done, must_row, need, row, unhurried};
use crate::edit::{
    AloneSet, Guard, Lookup, NewRow, Outcome, Plan, PoolWrite, RowSet, RowWrite, Step, TableSnapshot, VoteSet,
};
use crate::event::{Joined, Left};
use crate::ring::{is_chain, splice_in, splice_out};
use crate::row::{ServerRow, Side};
use crate::{EventBody, EventDraft, EventKind, Incarnation, ServerId};

/// Joins between a server and its first buddy. Both rows are read again: the links and the lives that were proved must
/// still be the same. Anything else in the rows (a vote, for example) may have changed since.
pub(super) fn join(new: &NewRow, place: Option<&(Guard, Guard)>, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Name(new.card.name.clone()), Lookup::Address(new.card.address)])?;
    already_there(new, seen)?;
    let mut new = NewRow { pick: free_pick(new.pick, seen)?, ..new.clone() };
    new.incarnation = new.incarnation.max(Incarnation(seen.db_now.as_us()));
    match place {
        None => found(new, seen),
        Some((at, next)) => join_between(new, at, next, seen),
    }
}

/// Ends the operation if the name or the address is in the table. A row of this same server, in a life not older than
/// the one asked for, is a join whose COMMIT was not answered. An older life is there to be taken over. (That COMMIT
/// may still arrive between the two reads, so the row may be found by its address alone.)
fn already_there(new: &NewRow, seen: &TableSnapshot) -> Result<(), Step> {
    let by_name = seen.row(&Lookup::Name(new.card.name.clone()));
    let Some(row) = by_name.or_else(|| seen.row(&Lookup::Address(new.card.address))) else { return Ok(()) };
    if row.card.name != new.card.name {
        return done(Outcome::AddressTaken { name: row.card.name.clone() });
    }
    if row.card.boot != new.card.boot || row.card.address != new.card.address {
        return done(Outcome::NameTaken { address: row.card.address });
    }
    if row.incarnation < new.incarnation {
        return done(Outcome::Stale);
    }
    done(Outcome::Joined { id: row.id, incarnation: row.incarnation, kept_place: false })
}

/// The wanted pick, or the next free one.
fn free_pick(wanted: i64, seen: &TableSnapshot) -> Result<i64, Step> {
    let mut pick = wanted;
    loop {
        let lookup = Lookup::Pick(pick);
        need(seen, [lookup.clone()])?;
        if seen.row(&lookup).is_none_or(|row| row.pick != pick) {
            return Ok(pick);
        }
        pick = pick.wrapping_add(1);
    }
}

/// The first server of a pool. It writes the pool's row, so if two servers are first at the same time, one of them gets
/// a conflict, starts again and finds the other.
fn found(new: NewRow, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Members])?;
    let (Some(pool), Some(0)) = (&seen.pool, seen.counts.get(&Lookup::Members)) else {
        return done(Outcome::Stale);
    };
    let pool = Some(PoolWrite { version: pool.version, frozen: None });
    Ok(apply(Plan { pool, ..joining(new, (ServerId::NEW, ServerId::NEW), Vec::new(), seen) }))
}

fn join_between(new: NewRow, at: &Guard, next: &Guard, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Id(at.id), Lookup::Id(next.id)])?;
    let (Some(left), Some(right)) = (row(seen, at.id), row(seen, next.id)) else {
        return done(Outcome::Stale);
    };
    let same_lives = left.incarnation == at.incarnation && right.incarnation == next.incarnation;
    if !same_lives || !is_chain(&[left, right], Side::First) {
        return done(Outcome::Stale);
    }
    let mut edit = splice_in(ServerId::NEW, left.id, right.id);
    let own = edit.remove(&ServerId::NEW).unwrap_or_default();
    let links = (own.first.unwrap_or(right.id), own.second.unwrap_or(left.id));
    let mut draft = Draft::default();
    draft.relink(seen, &edit);
    // The slots between the two belong to the new server from now on. A server that voted there no longer watches, and
    // both ends were proved alive a moment ago.
    draft.clear_votes(|row, side| {
        (row.id, side) == (left.id, Side::First) || (row.id, side) == (right.id, Side::Second)
    });
    Ok(apply(joining(new, links, draft.writes(), seen)))
}

fn joining(
    new: NewRow,
    (first_buddy, second_buddy): (ServerId, ServerId),
    mut writes: Vec<RowWrite>,
    seen: &TableSnapshot,
) -> Plan {
    let outcome = Outcome::Joined { id: ServerId::NEW, incarnation: new.incarnation, kept_place: false };
    let event = joined(ServerId::NEW, &new, new.incarnation, false);
    writes.insert(0, RowWrite::Insert { new, first_buddy, second_buddy });
    unhurried(seen.db_now, writes, vec![event], outcome)
}

fn joined(subject: ServerId, new: &NewRow, incarnation: Incarnation, kept_place: bool) -> EventDraft {
    EventDraft {
        subject: Some(subject),
        subject_name: new.card.name.clone(),
        by: new.card.name.clone(),
        body: EventBody::Joined(Joined { address: Some(new.card.address), attempts: None, incarnation, kept_place }),
    }
}

/// An agent that was away for less time than its removal takes goes on in its place, in a new life (R8). Votes
/// against the old life and by it end with it, and so does its alone mark.
pub(super) fn take_over(guard: &Guard, new: &NewRow, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Id(guard.id), Lookup::Address(new.card.address)])?;
    let own = must_row(seen, guard.id)?;
    if own.card.name != new.card.name {
        return done(Outcome::Stale);
    }
    if own.incarnation != guard.incarnation {
        let mine = own.card.boot == new.card.boot && own.incarnation > guard.incarnation;
        return done(if mine {
            Outcome::Joined { id: own.id, incarnation: own.incarnation, kept_place: true }
        } else {
            Outcome::Stale
        });
    }
    if let Some(other) = seen.row(&Lookup::Address(new.card.address))
        && other.id != own.id
    {
        return done(Outcome::AddressTaken { name: other.card.name.clone() });
    }
    if own.draining {
        need(seen, [Lookup::LastEvent(own.id)])?;
    }
    let last = Incarnation(own.incarnation.0.saturating_add(1));
    let incarnation = Incarnation(seen.db_now.as_us()).max(last).max(new.incarnation);
    let set = RowSet {
        draining: drained_itself(own, seen).then_some(false),
        incarnation: Some(incarnation),
        card: Some(new.card.clone()),
        vote_first: VoteSet::Clear,
        vote_second: VoteSet::Clear,
        alone: AloneSet::Clear,
        health: Some(new.health),
        wait: Some(new.wait),
        ..RowSet::default()
    };
    let writes = vec![RowWrite::Update { guard: own.into(), set }];
    let outcome = Outcome::Joined { id: own.id, incarnation, kept_place: true };
    Ok(apply(unhurried(seen.db_now, writes, vec![joined(own.id, new, incarnation, true)], outcome)))
}

/// Whether the newest event about a server says that it drains, and the server itself wrote that: it was about to leave
/// and was killed on the way. What an operator wrote is different, and stands until an operator takes it back.
fn drained_itself(own: &ServerRow, seen: &TableSnapshot) -> bool {
    let told = seen.events.get(&own.id).and_then(Option::as_ref);
    own.draining && told.is_some_and(|event| event.kind() == EventKind::Service && event.by == own.card.name)
}

/// Leaves the ring. If the row is gone, or has another life by now, there is nothing left to do.
pub(super) fn leave(id: ServerId, incarnation: Option<Incarnation>, by: &str, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Id(id)])?;
    let Some(own) = row(seen, id) else { return done(Outcome::Left) };
    if incarnation.is_some_and(|i| i != own.incarnation) {
        return done(Outcome::Left);
    }
    let mut draft = Draft::default();
    draft.delete(own);
    if own.first_buddy != id || own.second_buddy != id {
        let (before, after) = (must_row(seen, own.second_buddy)?, must_row(seen, own.first_buddy)?);
        if before.id == id || after.id == id || !is_chain(&[before, own, after], Side::First) {
            return done(Outcome::Stale);
        }
        let edit = splice_out(&[before.id, id, after.id], Side::First, &BTreeSet::from([id]));
        draft.relink(seen, &edit);
        draft.clear_votes(|row, side| row.vote(side).is_some_and(|vote| vote.voter == id));
    }
    let events = vec![left(own, by)];
    Ok(apply(unhurried(seen.db_now, draft.writes(), events, Outcome::Left)))
}

fn left(row: &ServerRow, by: &str) -> EventDraft {
    EventDraft {
        subject: Some(row.id),
        subject_name: row.card.name.clone(),
        by: by.to_owned(),
        body: EventBody::Left(Left { address: Some(row.card.address), incarnation: Some(row.incarnation), by: None }),
    }
}
