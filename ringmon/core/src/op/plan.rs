//! What the operations share: asking for rows that were not read yet, and building a plan.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::edit::{Guard, Held, Lookup, Outcome, Plan, RowSet, RowWrite, Step, TableSnapshot, VoteSet};
use crate::op::accusation::Accusation;
use crate::ring::Edit;
use crate::row::{ServerRow, Side};
use crate::{DbTime, EventDraft, Incarnation, ServerId, law};

/// The next step. `Err` is a step that ends the operation early.
pub(super) type Next = Result<Step, Step>;

/// Joins and leaves rest on no silence, so they do not become false after R7's 500 ms. But the proof that a joining
/// server is heard does, after a while.
pub(super) const UNHURRIED: Duration = Duration::from_secs(5);

/// Ends the operation.
pub(super) fn done<T>(outcome: Outcome) -> Result<T, Step> {
    Err(Step::Done(outcome))
}

/// Ends the operation: this rule holds the removal back.
pub(super) fn held<T>(held: Held) -> Result<T, Step> {
    done(Outcome::Held(held))
}

/// Ends the operation if some of these lookups were not made yet: they are made first.
pub(super) fn need(seen: &TableSnapshot, lookups: impl IntoIterator<Item = Lookup>) -> Result<(), Step> {
    let mut missing: Vec<Lookup> = Vec::new();
    for lookup in lookups {
        if !seen.asked(&lookup) && !missing.contains(&lookup) {
            missing.push(lookup);
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Step::Read(missing)) }
}

/// Like [`need`], for rows that another lookup may have read already.
pub(super) fn need_rows(seen: &TableSnapshot, ids: impl IntoIterator<Item = ServerId>) -> Result<(), Step> {
    need(seen, ids.into_iter().filter(|id| !seen.rows.contains_key(id)).map(Lookup::Id))
}

/// The row with this id, if it was read and is there.
pub(super) fn row(seen: &TableSnapshot, id: ServerId) -> Option<&ServerRow> {
    let asked = Lookup::Id(id);
    if seen.asked(&asked) { seen.row(&asked) } else { seen.rows.get(&id) }
}

/// The row with this id. Reads it if it was not read yet. If it is gone, the operation is [`Outcome::Stale`].
pub(super) fn must_row(seen: &TableSnapshot, id: ServerId) -> Result<&ServerRow, Step> {
    need_rows(seen, [id])?;
    row(seen, id).map_or_else(|| done(Outcome::Stale), Ok)
}

/// Like [`must_row`], but only this life of the server counts.
pub(super) fn must_live(seen: &TableSnapshot, id: ServerId, life: Incarnation) -> Result<&ServerRow, Step> {
    let row = must_row(seen, id)?;
    if row.incarnation == life { Ok(row) } else { done(Outcome::Stale) }
}

/// The writes of one plan, by row: one statement per row, in id order.
#[derive(Default)]
pub(super) struct Draft<'a> {
    updates: BTreeMap<ServerId, (&'a ServerRow, RowSet)>,
    deletes: BTreeMap<ServerId, &'a ServerRow>,
    /// Of an accusation: the servers whose own word is compared. `None`: every column of every row is.
    words: Option<BTreeSet<ServerId>>,
    /// Rows of which every column is compared all the same.
    whole: BTreeSet<ServerId>,
}

impl<'a> Draft<'a> {
    /// For a plan that compares what an accusation relies on; of these servers, what they say of themselves, too.
    pub(super) fn accusation(words: impl IntoIterator<Item = ServerId>) -> Self {
        Self { words: Some(words.into_iter().collect()), ..Self::default() }
    }

    /// The changes of this row. A row without changes is still compared, and its version grows (R4).
    pub(super) fn touch(&mut self, row: &'a ServerRow) -> &mut RowSet {
        &mut self.updates.entry(row.id).or_insert_with(|| (row, RowSet::default())).1
    }

    /// The counter-vote of an agent that cannot answer is its answer, for as long as it is renewed (R4). So each column
    /// of this row is compared, if there is such a vote by one of these.
    pub(super) fn compare_objections(&mut self, row: &ServerRow, by: &[&ServerRow]) {
        let objects = |one: &&ServerRow| one.answering().is_none() && one.accuses(row);
        if by.iter().any(objects) {
            self.whole.insert(row.id);
        }
    }

    /// Deletes this row.
    pub(super) fn delete(&mut self, row: &'a ServerRow) {
        self.deletes.insert(row.id, row);
    }

    /// Writes the links of a splice. Rows that the snapshot does not have are left out: the caller has read what it
    /// splices.
    pub(super) fn relink(&mut self, seen: &'a TableSnapshot, edit: &Edit) {
        for (id, links) in edit {
            if let Some(row) = row(seen, *id) {
                let set = self.touch(row);
                set.first_buddy = links.first.or(set.first_buddy);
                set.second_buddy = links.second.or(set.second_buddy);
            }
        }
    }

    /// Empties the vote slots of touched rows for which `of` is true.
    pub(super) fn clear_votes(&mut self, of: impl Fn(&ServerRow, Side) -> bool) {
        for (row, set) in self.updates.values_mut() {
            for side in Side::BOTH {
                if row.vote(side).is_some() && of(row, side) {
                    *vote_set(set, side) = VoteSet::Clear;
                }
            }
        }
    }

    /// The statements, in id order.
    pub(super) fn writes(self) -> Vec<RowWrite> {
        let guard = |row: &ServerRow| match &self.words {
            Some(words) if !self.whole.contains(&row.id) => Guard::accusation(row, words.contains(&row.id)),
            Some(_) | None => row.into(),
        };
        let mut writes: BTreeMap<ServerId, RowWrite> = self
            .updates
            .into_iter()
            .map(|(id, (row, set))| (id, RowWrite::Update { guard: guard(row), set }))
            .collect();
        for (id, row) in self.deletes {
            writes.insert(id, RowWrite::Delete(guard(row)));
        }
        writes.into_values().collect()
    }
}

/// The vote slot of this side.
pub(super) fn vote_set(set: &mut RowSet, side: Side) -> &mut VoteSet {
    match side {
        Side::First => &mut set.vote_first,
        Side::Second => &mut set.vote_second,
    }
}

/// A plan that rests on no silence.
pub(super) fn unhurried(now: DbTime, writes: Vec<RowWrite>, events: Vec<EventDraft>, outcome: Outcome) -> Plan {
    Plan { deadline: now + UNHURRIED, writes, pool: None, events, recheck: false, outcome }
}

/// A plan that rests on a silence (R7).
pub(super) fn hurried(
    a: &Accusation,
    now: DbTime,
    writes: Vec<RowWrite>,
    events: Vec<EventDraft>,
    outcome: Outcome,
) -> Plan {
    let within = (a.lag * 4).clamp(law::WRITE_WITHIN, law::WRITE_MOST);
    Plan { deadline: now + within, writes, pool: None, events, recheck: true, outcome }
}

/// Wraps a plan as a step.
pub(super) fn apply(plan: Plan) -> Step {
    Step::Apply(Box::new(plan))
}
