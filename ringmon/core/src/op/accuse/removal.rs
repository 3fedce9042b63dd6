//! Splicing a run out: which servers go, what prevents it, and the plan.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::case::Case;
use super::chain::Chain;
use super::judge::judge;
use crate::edit::{Lookup, Plan, Step, TableSnapshot};
use crate::event::Braked;
use crate::law;
use crate::op::accusation::Accusation;
use crate::op::plan::{Draft, Halt, apply, need};
use crate::outcome::{Held, Outcome, effective_mode};
use crate::ring::splice_out;
use crate::row::{Mode, PoolRow, Quorum, ServerRow, VoteKind};
use crate::{EventBody, EventDraft, Rule, ServerId};

/// Removes all servers of the chain that can be removed now.
///
/// # Errors
/// What holds the nearest one back, or all of them.
pub(super) fn attempt(a: &Accusation, seen: &TableSnapshot, chain: &Chain<'_>) -> Result<Step, Halt> {
    let Some(pool) = &seen.pool else { return Err(Step::Done(Outcome::Stale).into()) };
    if chain.far.is_none() || !chain.may_look_past(a) {
        return Err(Halt::Held(Held::NoSecondVote));
    }
    let mut run: Vec<Case<'_>> = Vec::new();
    let mut held: Option<Held> = None;
    for (place, suspect) in chain.suspects.iter().enumerate() {
        if pool.rules.quorum == Quorum::Single && chain.passes_before(place) {
            // One report is enough if it is a buddy's. The mute one that stands there was not asked.
            break;
        }
        match judge(a, &pool.rules, seen, chain, place) {
            Ok(case) => run.push(case),
            Err(Halt::Held(reason)) => {
                held = held.or(Some(reason));
                // A server beyond one that lives is for that one to report (R4). Where one report is enough, the same
                // goes for every host that stays.
                let single = pool.rules.quorum == Quorum::Single && suspect.finding.silence.kind == VoteKind::Host;
                if reason == Held::Answered || single {
                    break;
                }
            }
            Err(early) => return Err(early),
        }
    }
    if run.is_empty() {
        return Err(Halt::Held(held.unwrap_or(Held::NoSecondVote)));
    }
    let splice = Splice::of(chain, run);
    let names: Vec<&str> = splice.run.iter().map(|case| case.suspect.row.card.name.as_str()).collect();
    gate(a, seen, pool, &names)?;
    Ok(splice.plan(a, seen, chain, pool))
}

/// R11, once a removal is due.
///
/// # Errors
/// The pool is frozen or only observed, or the brake holds. Where the brake has not said so lately, an early step does.
pub(in crate::op) fn gate(a: &Accusation, seen: &TableSnapshot, pool: &PoolRow, run: &[&str]) -> Result<(), Halt> {
    if pool.frozen.is_some() {
        return Err(Halt::Held(Held::Frozen));
    }
    match effective_mode(pool.rules.mode, a.mode) {
        Mode::Observe => return Err(Halt::Held(Held::Observing)),
        Mode::Act => {}
    }
    if pool.rules.brake_permille >= 1000 || !a.tuning.keeps(Rule::R11) {
        return Ok(());
    }
    if a.braked && spoke(seen)? {
        return Err(Halt::Held(Held::Brake));
    }
    let gone = Lookup::Gone(law::BRAKE_WINDOW);
    need(seen, [gone.clone()])?;
    let gone = seen.counts.get(&gone).copied().unwrap_or_default();
    let after = gone.saturating_add(run.len() as u64);
    if after <= u64::from(law::BRAKE_FLOOR) {
        return Ok(());
    }
    need(seen, [Lookup::Members])?;
    let members = seen.counts.get(&Lookup::Members).copied().unwrap_or_default();
    let share = members.saturating_add(gone).saturating_mul(u64::from(pool.rules.brake_permille)) / 1000;
    let limit = share.max(u64::from(law::BRAKE_FLOOR));
    if after <= limit {
        return Ok(());
    }
    if spoke(seen)? {
        return Err(Halt::Held(Held::Brake));
    }
    let due = run.iter().map(|name| String::from(*name)).collect();
    Err(speak(a, seen, pool, Braked { due, gone, limit }).into())
}

/// Whether the brake spoke a moment ago. Then it still holds: of a whole pool of accusers, few count who is gone.
fn spoke(seen: &TableSnapshot) -> Result<bool, Step> {
    let lately = Lookup::Braked(law::BRAKE_HOLDS);
    need(seen, [lately.clone()])?;
    Ok(seen.counts.get(&lately).is_some_and(|times| *times > 0))
}

/// The event is everything that the brake writes. So there is nothing to undo when it lets go.
fn speak(a: &Accusation, seen: &TableSnapshot, pool: &PoolRow, braked: Braked) -> Step {
    let event = EventDraft {
        subject: None,
        subject_name: pool.name.clone(),
        by: a.name.clone(),
        body: EventBody::Braked(braked),
    };
    apply(Plan {
        deadline: seen.db_now + law::WRITE_WITHIN,
        writes: Vec::new(),
        pool: None,
        events: vec![event],
        recheck: true,
        outcome: Outcome::Braked,
    })
}

/// A run that is about to be removed.
struct Splice<'a> {
    run: Vec<Case<'a>>,
    gone: BTreeSet<ServerId>,
    /// The ends of the run, and the witnesses (R4).
    accusers: BTreeMap<ServerId, &'a ServerRow>,
    ends: (ServerId, ServerId),
}

impl<'a> Splice<'a> {
    fn of(chain: &Chain<'a>, run: Vec<Case<'a>>) -> Self {
        let gone: BTreeSet<ServerId> = run.iter().map(|case| case.suspect.row.id).collect();
        let rows = chain.rows();
        let mut accusers: BTreeMap<ServerId, &'a ServerRow> = BTreeMap::from([(chain.me.id, chain.me)]);
        accusers.extend(run.iter().filter_map(|case| case.second).map(|(voter, _)| (voter.id, voter)));
        let mut ends: Vec<ServerId> = Vec::new();
        for pair in rows.windows(2) {
            for (one, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                if gone.contains(&other.id) && !gone.contains(&one.id) {
                    accusers.insert(one.id, one);
                    ends.push(one.id);
                }
            }
        }
        let me = chain.me.id;
        let ends = (ends.first().copied().unwrap_or(me), ends.last().copied().unwrap_or(me));
        Self { run, gone, accusers, ends }
    }

    /// Every row that the removal relies on is written, and so compared: the whole chain, both witnesses, and the rows
    /// that they look past (R4).
    fn plan(self, a: &Accusation, seen: &'a TableSnapshot, chain: &Chain<'a>, pool: &PoolRow) -> Step {
        let rows = chain.rows();
        let ids: Vec<ServerId> = rows.iter().map(|row| row.id).collect();
        let mut draft = Draft::default();
        let relied = self.run.iter().flat_map(|case| case.relied.iter().copied());
        for row in rows.into_iter().chain(self.accusers.values().copied()).chain(relied) {
            if self.gone.contains(&row.id) {
                draft.delete(row);
            } else {
                draft.touch(row);
            }
        }
        draft.relink(seen, &splice_out(&ids, chain.side, &self.gone));
        draft.clear_votes(|row, side| row.vote(side).is_some_and(|vote| self.gone.contains(&vote.voter)));
        apply(Plan {
            deadline: seen.db_now + law::WRITE_WITHIN,
            writes: draft.writes(),
            pool: None,
            events: self.run.iter().map(|case| case.event(a, seen, pool, self.ends)).collect(),
            recheck: true,
            outcome: Outcome::Removed {
                removed: self.run.iter().map(|case| case.removal(a)).collect(),
                ends: self.ends,
            },
        })
    }
}
