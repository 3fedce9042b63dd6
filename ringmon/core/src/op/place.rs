//! Taking a place on the ring, taking it again, and giving it up.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::Place;
use super::accuse::hears;
use super::plan::{Draft, Next, apply, done, must_row, need, row, unhurried};
use crate::edit::{
    AloneSet, Guard, Lookup, NewRow, Outcome, Plan, PoolWrite, RowSet, RowWrite, Step, TableSnapshot, VoteSet,
};
use crate::event::{Joined, Left};
use crate::ring::{is_chain, splice_in, splice_out};
use crate::row::{Mode, ServerRow, Side};
use crate::{EventBody, EventDraft, EventKind, Incarnation, ServerId, law};

/// Joins at a place, or into an empty pool.
pub(super) fn join(new: &NewRow, place: Option<&Place>, seen: &TableSnapshot) -> Next {
    need(seen, [Lookup::Name(new.card.name.clone()), Lookup::Address(new.card.address)])?;
    already_there(new, seen)?;
    let mut new = NewRow { pick: free_pick(new.pick, seen)?, ..new.clone() };
    new.incarnation = new.incarnation.max(Incarnation(seen.db_now.as_us()));
    match place {
        None => found(new, seen),
        Some(place) => join_between(new, place, seen),
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

fn join_between(new: NewRow, place: &Place, seen: &TableSnapshot) -> Next {
    let (left, right) = ends(place, seen)?;
    if !is_silent_to_both(place, left, right, seen)? {
        return done(Outcome::Stale);
    }
    let mut edit = splice_in(ServerId::NEW, left.id, right.id);
    let own = edit.remove(&ServerId::NEW).unwrap_or_default();
    let links = (own.first.unwrap_or(right.id), own.second.unwrap_or(left.id));
    let mut draft = Draft::default();
    draft.relink(seen, &edit);
    draft.clear_votes(|row, side| is_between((row.id, side), left, right));
    Ok(apply(joining(new, links, draft.writes(), seen)))
}

/// The rows at both ends of a place. They are read again: the links and the lives that were proved must still be the
/// same. Anything else in the rows (a vote, for example) may have changed since.
fn ends<'a>(place: &Place, seen: &'a TableSnapshot) -> Result<(&'a ServerRow, &'a ServerRow), Step> {
    need(seen, [Lookup::Id(place.at.id), Lookup::Id(place.next.id)])?;
    let (Some(left), Some(right)) = (row(seen, place.at.id), row(seen, place.next.id)) else {
        return done(Outcome::Stale);
    };
    let same_lives = left.incarnation == place.at.incarnation && right.incarnation == place.next.incarnation;
    if !same_lives || !is_chain(&[left, right], Side::First) {
        return done(Outcome::Stale);
    }
    Ok((left, right))
}

/// Whether the end that does not answer the new server does not answer its neighbour at the other end either, as that
/// one says in the table: by its vote, or by its alone mark. And it has not answered in the table of late. So a server
/// that only the new one does not hear gets no buddy that is deaf to it.
///
/// # Errors
/// What to read first.
fn is_silent_to_both(place: &Place, left: &ServerRow, right: &ServerRow, seen: &TableSnapshot) -> Result<bool, Step> {
    let (silent, other, side) = match place.silent {
        None => return Ok(true),
        Some(id) if id == left.id => (left, right, Side::First),
        Some(_) => (right, left, Side::Second),
    };
    if hears(seen, silent, Duration::MAX)? {
        return Ok(false);
    }
    let now = seen.db_now;
    let vote = silent.vote(side).filter(|vote| vote.voter == other.id);
    let accused = vote.is_some_and(|vote| vote.stands(Some(other), now, law::VOTE_LIFETIME, Duration::ZERO));
    Ok(accused || other.alone_at.is_some_and(|at| at.is_recent(now, law::RENEWED)))
}

/// Whether this slot belongs to a server between the two from now on. One that voted there no longer watches.
fn is_between((id, side): (ServerId, Side), left: &ServerRow, right: &ServerRow) -> bool {
    (id, side) == (left.id, Side::First) || (id, side) == (right.id, Side::Second)
}

/// Goes to another place on the ring in one transaction, with the same row and in the same life: no server has reason
/// to think that this one was away. The votes against it end, because its accusers are its neighbours no longer; what
/// they have to say against it, its new neighbours find out themselves.
pub(super) fn change(
    me: ServerId,
    incarnation: Incarnation,
    place: &Place,
    misplaced: Duration,
    seen: &TableSnapshot,
) -> Next {
    let own = must_row(seen, me)?;
    if own.incarnation != incarnation || place.at.id == me || place.next.id == me {
        return done(Outcome::Stale);
    }
    if (own.second_buddy, own.first_buddy) == (place.at.id, place.next.id) {
        return done(Outcome::Written);
    }
    let (left, right) = ends(place, seen)?;
    let (before, after) = (must_row(seen, own.second_buddy)?, must_row(seen, own.first_buddy)?);
    if before.id == after.id || !is_chain(&[before, own, after], Side::First) {
        return done(Outcome::Stale);
    }
    let mut draft = Draft::default();
    draft.relink(seen, &splice_out(&[before.id, me, after.id], Side::First, &BTreeSet::from([me])));
    draft.relink(seen, &splice_in(me, left.id, right.id));
    draft.clear_votes(|row, side| {
        let by_me = row.vote(side).is_some_and(|vote| vote.voter == me);
        row.id == me || by_me || is_between((row.id, side), left, right)
    });
    // The table has whole numbers.
    let misplaced_ms = u32::try_from(misplaced.as_millis()).unwrap_or(u32::MAX);
    let body = EventBody::Moving { misplaced_ms: misplaced_ms.into() };
    let event = EventDraft::about(own, &own.card.name, body);
    Ok(apply(unhurried(seen.db_now, draft.writes(), vec![event], Outcome::Written)))
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
    if own.card.address != new.card.address && !is_unclaimed(own, seen) {
        return done(Outcome::Stale);
    }
    if own.draining {
        need(seen, [Lookup::LastEvent(own.id)])?;
    }
    let last = Incarnation(own.incarnation.0.saturating_add(1));
    let incarnation = Incarnation(seen.db_now.as_us()).max(last).max(new.incarnation);
    let set = RowSet {
        draining: if new.draining { Some(true) } else { drained_itself(own, seen).then_some(false) },
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

/// Whether this row may be taken over from another address. That removes a server, so it is left to others, if there
/// are any, and is not done while nobody may be removed (R11).
fn is_unclaimed(own: &ServerRow, seen: &TableSnapshot) -> bool {
    let allowed = seen.pool.as_ref().is_some_and(|pool| pool.frozen.is_none() && pool.rules.mode == Mode::Act);
    own.first_buddy == own.id && allowed
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
    let left = Left { address: Some(row.card.address), incarnation: Some(row.incarnation), by: None };
    EventDraft::about(row, by, EventBody::Left(left))
}
