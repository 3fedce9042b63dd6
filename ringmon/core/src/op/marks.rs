//! Small writes: votes taken back, answers to votes, the health of this server's service, the pool's brake.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::plan::{Draft, Next, apply, done, must_live, must_row, need, row, unhurried, vote_set};
use crate::card::{Card, Clients};
use crate::edit::{AnswerSet, Lookup, Outcome, Plan, PoolWrite, RowWrite, Step, TableSnapshot, VoteSet};
use crate::event::{Frozen, Service};
use crate::row::{Health, Side};
use crate::{EventBody, EventDraft, Incarnation, ServerId};

/// Empties every slot of these rows that holds a vote by `me`, from any of its lives.
pub(super) fn withdraw(me: ServerId, subjects: &[ServerId], seen: &TableSnapshot) -> Next {
    need(seen, subjects.iter().copied().map(Lookup::Id))?;
    // It compares what it takes back. Others vote, and the accused answers, while it lasts.
    let mut draft = Draft::accusation([]);
    for accused in subjects.iter().filter_map(|id| row(seen, *id)) {
        for side in Side::BOTH {
            if accused.vote(side).is_some_and(|vote| vote.voter == me) {
                *vote_set(draft.touch(accused), side) = VoteSet::Clear;
            }
        }
    }
    let writes = draft.writes();
    if writes.is_empty() {
        return done(Outcome::Withdrawn);
    }
    Ok(apply(unhurried(seen.db_now, writes, Vec::new(), Outcome::Withdrawn)))
}

/// Answers without reading first: nothing that others wrote makes an answer wrong.
pub(super) fn answer(me: ServerId, life: Incarnation, set: AnswerSet, seen: &TableSnapshot) -> Step {
    let writes = vec![RowWrite::Answer { id: me, life, set }];
    apply(unhurried(seen.db_now, writes, Vec::new(), Outcome::Written))
}

pub(super) fn set_service(
    me: ServerId,
    incarnation: Incarnation,
    health: Health,
    weight: Option<u16>,
    seen: &TableSnapshot,
) -> Next {
    let own = must_live(seen, me, incarnation)?;
    let weight = weight.filter(|weight| *weight != own.card.clients.weight);
    if own.health == health && weight.is_none() {
        return done(Outcome::Written);
    }
    let mut draft = Draft::default();
    let set = draft.touch(own);
    set.health = Some(health);
    set.card = weight.map(|weight| Card { clients: Clients { weight, ..own.card.clients }, ..own.card.clone() });
    Ok(apply(unhurried(seen.db_now, draft.writes(), Vec::new(), Outcome::Written)))
}

pub(super) fn set_draining(
    id: ServerId,
    incarnation: Option<Incarnation>,
    draining: bool,
    by: &str,
    seen: &TableSnapshot,
) -> Next {
    let row = must_row(seen, id)?;
    if incarnation.is_some_and(|life| life != row.incarnation) {
        return done(Outcome::Stale);
    }
    if row.draining == draining {
        return done(Outcome::Written);
    }
    let mut draft = Draft::default();
    draft.touch(row).draining = Some(draining);
    let body = EventBody::Service(Service { draining: Some(draining), ..Service::default() });
    let event = EventDraft::about(row, by, body);
    Ok(apply(unhurried(seen.db_now, draft.writes(), vec![event], Outcome::Written)))
}

pub(super) fn set_frozen(frozen: Option<&String>, by: &str, seen: &TableSnapshot) -> Next {
    let Some(pool) = &seen.pool else { return done(Outcome::Stale) };
    if pool.frozen.as_ref() == frozen {
        return done(Outcome::Written);
    }
    let body = match frozen {
        Some(why) => EventBody::Frozen(Frozen { why: why.clone() }),
        None => EventBody::Thawed { why: pool.frozen.clone() },
    };
    let event = EventDraft::of_pool(&pool.name, by, body);
    let write = PoolWrite { version: pool.version, frozen: Some(frozen.cloned()) };
    let plan = unhurried(seen.db_now, Vec::new(), vec![event], Outcome::Written);
    Ok(apply(Plan { pool: Some(write), ..plan }))
}

/// A server that is in the table is not gone. A name that was never removed changes no count.
pub(super) fn forget(name: &str, by: &str, seen: &TableSnapshot) -> Next {
    let lookup = Lookup::Name(name.to_owned());
    need(seen, [lookup.clone()])?;
    if let Some(row) = seen.row(&lookup) {
        return done(Outcome::NameTaken { address: row.card.address });
    }
    let event =
        EventDraft { subject: None, subject_name: name.to_owned(), by: by.to_owned(), body: EventBody::Forgotten {} };
    Ok(apply(unhurried(seen.db_now, Vec::new(), vec![event], Outcome::Written)))
}
