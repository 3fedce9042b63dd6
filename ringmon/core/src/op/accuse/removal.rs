//! Splicing a run out: which servers go, what prevents it, and the plan.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::case::Case;
use super::chain::{Chain, Suspect};
use super::judge::judge;
use crate::edit::{Lookup, Step, TableSnapshot};
use crate::event::Braked;
use crate::law;
use crate::op::accusation::Accusation;
use crate::op::plan::{Draft, Next, apply, done, held, hurried, need};
use crate::outcome::{Held, Outcome, effective_mode};
use crate::ring::splice_out;
use crate::row::{Mode, PoolRow, Quorum, ServerRow, VoteKind};
use crate::{EventBody, EventDraft, Rule, ServerId};

/// Removes all servers of the chain that can be removed now.
///
/// # Errors
/// What holds the nearest one back, or all of them.
pub(super) fn attempt(a: &Accusation, seen: &TableSnapshot, chain: &Chain<'_>) -> Next {
    let Some(pool) = &seen.pool else { return done(Outcome::Stale) };
    if chain.far.is_none() || !chain.may_look_past(a) {
        return held(Held::NoSecondVote);
    }
    let mut run: Vec<Case<'_>> = Vec::new();
    let mut first: Option<Held> = None;
    // Those whose own word the removal relies on. Who lives and answers ends the run, and goes on answering.
    let mut asked = chain.suspects.as_slice();
    for (place, suspect) in chain.suspects.iter().enumerate() {
        if pool.rules.quorum == Quorum::Single && chain.passes_before(place) {
            // One report is enough if it is a buddy's. The mute one that stands there was not asked.
            break;
        }
        match judge(a, &pool.rules, seen, chain, place) {
            Ok(case) => run.push(case),
            Err(Step::Done(Outcome::Held(reason))) => {
                first = first.or(Some(reason));
                // A server beyond one that lives is for that one to report (R4). Where one report is enough, the same
                // goes for every host that stays.
                let single = pool.rules.quorum == Quorum::Single && suspect.finding.silence.kind == VoteKind::Host;
                if reason == Held::Answered {
                    asked = &chain.suspects[..place];
                }
                if reason == Held::Answered || single {
                    break;
                }
            }
            Err(early) => return Err(early),
        }
    }
    if run.is_empty() {
        return held(first.unwrap_or(Held::NoSecondVote));
    }
    let names: Vec<&str> = run.iter().map(|case| case.suspect.row.card.name.as_str()).collect();
    gate(a, seen, pool, &names)?;
    Ok(splice(a, seen, chain, asked, pool, &run))
}

/// R11, once a removal is due.
///
/// # Errors
/// The pool is frozen or only observed, or the brake holds. Where the brake has not said so lately, an early step does.
pub(in crate::op) fn gate(a: &Accusation, seen: &TableSnapshot, pool: &PoolRow, run: &[&str]) -> Result<(), Step> {
    if pool.frozen.is_some() {
        return held(Held::Frozen);
    }
    if effective_mode(pool.rules.mode, a.mode) != Mode::Act {
        return held(Held::Observing);
    }
    if pool.rules.brake_permille >= 1000 || !a.tuning.keeps(Rule::R11) {
        return Ok(());
    }
    if a.braked && spoke(seen)? {
        return held(Held::Brake);
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
        return held(Held::Brake);
    }
    let due = run.iter().map(|name| String::from(*name)).collect();
    Err(speak(a, seen, pool, Braked { due, gone, limit }))
}

/// Whether the brake spoke a moment ago. Then it still holds: of a whole pool of accusers, few count who is gone.
fn spoke(seen: &TableSnapshot) -> Result<bool, Step> {
    let lately = Lookup::Braked(law::BRAKE_HOLDS);
    need(seen, [lately.clone()])?;
    Ok(seen.counts.get(&lately).is_some_and(|times| *times > 0))
}

/// The event is everything that the brake writes. So there is nothing to undo when it lets go.
fn speak(a: &Accusation, seen: &TableSnapshot, pool: &PoolRow, braked: Braked) -> Step {
    let event = EventDraft::of_pool(&pool.name, &a.name, EventBody::Braked(braked));
    apply(hurried(a, seen.db_now, Vec::new(), vec![event], Outcome::Braked))
}

/// Takes this run out. Every row that the removal relies on is written, and so compared: the whole chain, both
/// witnesses, and the rows that they look past (R4). The suspects' own words are compared too, and those of the
/// servers that a witness looks past; the remover and the witnesses may answer meanwhile.
fn splice<'a>(
    a: &Accusation,
    seen: &'a TableSnapshot,
    chain: &Chain<'a>,
    asked: &[Suspect<'a>],
    pool: &PoolRow,
    run: &[Case<'a>],
) -> Step {
    let gone: BTreeSet<ServerId> = run.iter().map(|case| case.suspect.row.id).collect();
    let rows = chain.rows();
    let ids: Vec<ServerId> = rows.iter().map(|row| row.id).collect();
    // Of those that stay beside the run, the outermost two are named.
    let pairs = ids.windows(2).flat_map(|pair| [(pair[0], pair[1]), (pair[1], pair[0])]);
    let beside: Vec<ServerId> =
        pairs.filter(|(one, other)| !gone.contains(one) && gone.contains(other)).map(|(one, _)| one).collect();
    let end = |id: Option<&ServerId>| id.copied().unwrap_or(chain.me.id);
    let ends = (end(beside.first()), end(beside.last()));
    let relied = || run.iter().flat_map(|case| case.relied.iter().copied());
    let suspects: Vec<&ServerRow> = asked.iter().map(|suspect| suspect.row).collect();
    let mut draft = Draft::accusation(suspects.iter().copied().chain(relied()).map(|row| row.id));
    let voters = run.iter().filter_map(|case| case.second).map(|(voter, _)| voter);
    for row in rows.into_iter().chain(voters).chain(relied()) {
        if gone.contains(&row.id) {
            draft.delete(row);
        } else {
            draft.touch(row);
            draft.compare_objections(row, &suspects);
        }
    }
    draft.relink(seen, &splice_out(&ids, chain.side, &gone));
    draft.clear_votes(|row, side| row.vote(side).is_some_and(|vote| gone.contains(&vote.voter)));
    let events = run.iter().map(|case| case.event(a, seen, pool, ends)).collect();
    let removed = run.iter().map(|case| case.removal(a)).collect();
    apply(hurried(a, seen.db_now, draft.writes(), events, Outcome::Removed { removed, ends }))
}
