//! One transaction: all of a plan, or nothing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ringmon_common::wire::SPOKEN;

use super::{Commit, Index, VirtualTable};
use crate::card::Card;
use crate::edit::{
    AloneSet, AnswerSet, Guard, NewRow, Outcome, Plan, PoolWrite, RowSet, RowWrite, StoredEvent, VoteSet,
};
use crate::row::{Answer, Answering, PoolRow, ServerRow, Vote};
use crate::{DbTime, Incarnation, ServerId};

/// Works on the table itself and remembers what every row was before. That is cheap however large the ring is.
struct Transaction<'a> {
    rows: &'a mut BTreeMap<ServerId, ServerRow>,
    index: &'a mut Index,
    was: Vec<(ServerId, Option<ServerRow>)>,
    pool: PoolRow,
    now: DbTime,
    last_id: i64,
    id_step: i64,
    id_offset: i64,
    inserted: Option<ServerId>,
    links_only: bool,
}

pub(super) fn commit(table: &mut VirtualTable, plan: &Plan, check: &mut dyn FnMut() -> bool) -> Commit {
    if table.now > plan.deadline {
        return Commit::Late;
    }
    let mut work = Transaction {
        rows: &mut table.rows,
        index: &mut table.index,
        was: Vec::new(),
        pool: table.pool.clone(),
        now: table.now,
        last_id: table.last_id,
        id_step: table.id_step,
        id_offset: table.id_offset,
        inserted: None,
        links_only: table.links_only,
    };
    let ended = work.run(plan, check);
    // An autoincrement id that was assigned is not assigned again, even after a rollback.
    table.last_id = work.last_id;
    if let Err(why) = ended {
        work.roll_back();
        return why;
    }
    let new = work.inserted;
    table.touched.extend(core::mem::take(&mut work.was));
    table.pool = work.pool;
    append_events(table, plan, new);
    table.commits += 1;
    Commit::Done(filled_in(&plan.outcome, new))
}

impl Transaction<'_> {
    fn run(&mut self, plan: &Plan, check: &mut dyn FnMut() -> bool) -> Result<(), Commit> {
        let inserts = plan.writes.iter().filter(|w| matches!(w, RowWrite::Insert { .. }));
        let others = plan.writes.iter().filter(|w| !matches!(w, RowWrite::Insert { .. }));
        let ordered: Vec<&RowWrite> = inserts.chain(others).collect();
        let last = ordered.len().saturating_sub(1);
        for (place, write) in ordered.into_iter().enumerate() {
            if place == last && plan.recheck && !check() {
                return Err(Commit::Overtaken);
            }
            if !self.write(write) {
                return Err(Commit::Conflict);
            }
        }
        if plan.pool.as_ref().is_some_and(|write| !self.write_pool(write)) {
            return Err(Commit::Conflict);
        }
        if plan.recheck && !check() {
            return Err(Commit::Overtaken);
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        while let Some((id, was)) = self.was.pop() {
            match was {
                Some(row) => {
                    self.index.note(&row);
                    self.rows.insert(id, row);
                }
                None => {
                    if let Some(row) = self.rows.remove(&id) {
                        self.index.forget(&row);
                    }
                }
            }
        }
    }

    fn remember(&mut self, id: ServerId) {
        self.was.push((id, self.rows.get(&id).cloned()));
    }

    /// Whether the statement matched exactly one row.
    fn write(&mut self, write: &RowWrite) -> bool {
        match write {
            RowWrite::Insert { new, first_buddy, second_buddy } => self.insert(new, *first_buddy, *second_buddy),
            RowWrite::Update { guard, set } => {
                let (guard, set) = (self.known(*guard), self.known_set(set));
                self.update(&guard, &set)
            }
            RowWrite::Delete(guard) => {
                let guard = self.known(*guard);
                let fits = self.matches(&guard);
                if fits {
                    self.remember(guard.id);
                    if let Some(row) = self.rows.remove(&guard.id) {
                        self.index.forget(&row);
                    }
                }
                fits
            }
            RowWrite::Answer { id, life, set } => self.answer(*id, *life, *set),
        }
    }

    fn answer(&mut self, id: ServerId, life: Incarnation, set: AnswerSet) -> bool {
        if self.rows.get(&id).is_none_or(|row| row.incarnation != life) {
            return false;
        }
        self.remember(id);
        let now = self.now;
        let Some(row) = self.rows.get_mut(&id) else { return false };
        let new = set.hears.map(|hears| Answer { at: now, hears });
        let answer = new.or_else(|| row.answering().and_then(|old| old.answer));
        row.answering = Some(Answering { life, wait: set.wait, wire: SPOKEN, answer });
        row.version += 1;
        true
    }

    fn insert(&mut self, new: &NewRow, first_buddy: ServerId, second_buddy: ServerId) -> bool {
        // Rows written by hand count too, as they do in MySQL and SQLite.
        let highest = self.rows.keys().next_back().map_or(0, |id| id.0);
        self.last_id = self.last_id.max(highest) + 1;
        self.last_id += (self.id_offset - self.last_id).rem_euclid(self.id_step);
        let id = ServerId(self.last_id);
        if self.index.taken(self.rows, &new.card.name, new.card.address, new.pick) {
            return false;
        }
        self.inserted = Some(id);
        let row = ServerRow {
            id,
            card: new.card.clone(),
            first_buddy: self.real(first_buddy),
            second_buddy: self.real(second_buddy),
            incarnation: new.incarnation,
            pick: new.pick,
            draining: new.draining,
            health: new.health,
            vote_first: None,
            vote_second: None,
            alone_since: None,
            alone_at: None,
            alone_kind: None,
            answering: Some(Answering { life: new.incarnation, wait: new.wait, wire: SPOKEN, answer: None }),
            version: 1,
        };
        self.remember(id);
        self.index.note(&row);
        self.rows.insert(id, row);
        true
    }

    fn update(&mut self, guard: &Guard, set: &RowSet) -> bool {
        let address = set.card.as_ref().map(|card| card.address);
        if address.is_some_and(|a| self.index.address(self.rows, a).is_some_and(|r| r.id != guard.id)) {
            return false;
        }
        if !self.matches(guard) {
            return false;
        }
        self.remember(guard.id);
        let now = self.now;
        let Some(row) = self.rows.get_mut(&guard.id) else { return false };
        row.first_buddy = set.first_buddy.unwrap_or(row.first_buddy);
        row.second_buddy = set.second_buddy.unwrap_or(row.second_buddy);
        row.incarnation = set.incarnation.unwrap_or(row.incarnation);
        if let Some(card) = &set.card {
            row.card = Card { name: row.card.name.clone(), ..card.clone() };
        }
        row.draining = set.draining.unwrap_or(row.draining);
        row.health = set.health.unwrap_or(row.health);
        vote(&mut row.vote_first, set.vote_first, now);
        vote(&mut row.vote_second, set.vote_second, now);
        match set.alone {
            AloneSet::Keep => {}
            AloneSet::Clear => (row.alone_since, row.alone_at, row.alone_kind) = (None, None, None),
            AloneSet::Mark(kind) => {
                (row.alone_since, row.alone_at, row.alone_kind) = (Some(now), Some(now), Some(kind))
            }
            AloneSet::Renew => row.alone_at = Some(now),
        }
        if let Some(wait) = set.wait {
            row.answering = Some(Answering { life: row.incarnation, wait, wire: SPOKEN, answer: None });
        }
        row.version += 1;
        self.index.note(row);
        true
    }

    fn write_pool(&mut self, write: &PoolWrite) -> bool {
        if self.pool.version != write.version {
            return false;
        }
        if let Some(frozen) = &write.frozen {
            self.pool.frozen.clone_from(frozen);
        }
        self.pool.version += 1;
        true
    }

    fn matches(&self, guard: &Guard) -> bool {
        self.rows.get(&guard.id).map(|row| guard.again(row)).is_some_and(|now| {
            let links = (now.first_buddy, now.second_buddy) == (guard.first_buddy, guard.second_buddy);
            now == *guard || self.links_only && links
        })
    }

    fn real(&self, id: ServerId) -> ServerId {
        if id == ServerId::NEW { self.inserted.unwrap_or(id) } else { id }
    }

    fn known(&self, guard: Guard) -> Guard {
        Guard { first_buddy: self.real(guard.first_buddy), second_buddy: self.real(guard.second_buddy), ..guard }
    }

    fn known_set(&self, set: &RowSet) -> RowSet {
        RowSet {
            first_buddy: set.first_buddy.map(|id| self.real(id)),
            second_buddy: set.second_buddy.map(|id| self.real(id)),
            ..set.clone()
        }
    }
}

fn vote(slot: &mut Option<Vote>, set: VoteSet, now: DbTime) {
    match set {
        VoteSet::Keep => {}
        VoteSet::Clear => *slot = None,
        VoteSet::Cast { voter, incarnation, kind } => {
            *slot = Some(Vote { voter, voter_incarnation: incarnation, since: now, at: now, kind });
        }
        VoteSet::Renew => {
            if let Some(vote) = slot {
                vote.at = now;
            }
        }
    }
}

fn append_events(table: &mut VirtualTable, plan: &Plan, new: Option<ServerId>) {
    for draft in &plan.events {
        let id = table.events.last().map_or(1, |e| e.id + 1);
        table.events.push(StoredEvent {
            id,
            at: table.now,
            subject: draft.subject.map(|s| if s == ServerId::NEW { new.unwrap_or(s) } else { s }),
            subject_name: draft.subject_name.clone(),
            by: draft.by.clone(),
            body: draft.body.clone(),
        });
    }
}

fn filled_in(outcome: &Outcome, new: Option<ServerId>) -> Outcome {
    if let (Outcome::Joined { id: ServerId::NEW, incarnation, kept_place }, Some(id)) = (outcome, new) {
        return Outcome::Joined { id, incarnation: *incarnation, kept_place: *kept_place };
    }
    outcome.clone()
}
