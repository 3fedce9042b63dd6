//! Splicing a run out: who goes, what stands in the way, and the plan.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::chain::Chain;
use super::judge::{Case, judge};
use super::mutual::is_mutual;
use crate::edit::{Held, Lookup, Outcome, Plan, PoolWrite, Removal, Step, StoredEvent, TableSnapshot, effective_mode};
use crate::event::{Frozen, Removed, VoteSeen};
use crate::law;
use crate::op::plan::{Draft, apply, done, need, row};
use crate::op::{Accusation, Finding};
use crate::ring::splice_out;
use crate::row::{Mode, PoolRow, Quorum, ServerRow, Vote, VoteKind};
use crate::{EventBody, EventDraft, Rule, ServerId};

/// The removal of everybody in the chain who can be removed now; or what holds the nearest one, or all, back.
///
/// # Errors
/// What to read first, or how the operation ends.
pub(super) fn attempt(a: &Accusation, seen: &TableSnapshot, chain: &Chain<'_>) -> Result<Result<Step, Held>, Step> {
    let Some(pool) = &seen.pool else { return done(Outcome::Stale) };
    if chain.far.is_none() {
        return Ok(Err(Held::NoSecondVote));
    }
    let mut run: Vec<Case<'_>> = Vec::new();
    let mut held: Option<Held> = None;
    // Where one report is enough it is the buddy's: whoever stands beyond a host that stays is for that one to report.
    let mut others = false;
    for (place, suspect) in chain.suspects.iter().enumerate() {
        match judge(a, &pool.rules, seen, chain, place)? {
            Ok(case) if !others => run.push(case),
            Ok(_) => {}
            Err(reason) => {
                others |= pool.rules.quorum == Quorum::Single && suspect.finding.silence.kind == VoteKind::Host;
                held = held.or(Some(reason));
            }
        }
    }
    if run.is_empty() {
        return Ok(Err(held.unwrap_or(Held::NoSecondVote)));
    }
    let splice = Splice::of(chain, run);
    // One witness is the user's literal rule: it asks nobody, the suspect included.
    let asks = pool.rules.quorum == Quorum::Both && a.tuning.keeps(Rule::R4);
    if asks && is_mutual(a, seen, chain, &splice.run, &splice.accusers)? {
        return Ok(Err(Held::Mutual));
    }
    let names: Vec<&str> = splice.run.iter().map(|case| case.suspect.row.name.as_str()).collect();
    match gate(a, seen, pool, &names)? {
        Err(held) => Ok(Err(held)),
        Ok(Some(brake)) => Ok(Ok(brake)),
        Ok(None) => Ok(Ok(splice.plan(a, seen, chain, pool))),
    }
}

/// R11, once a removal is due: `Err`, if the pool is frozen or somebody only observes; a step, if the brake freezes
/// the pool now; nothing, if nothing is in the way.
///
/// # Errors
/// What to read first.
pub(in crate::op) fn gate(
    a: &Accusation,
    seen: &TableSnapshot,
    pool: &PoolRow,
    run: &[&str],
) -> Result<Result<Option<Step>, Held>, Step> {
    if pool.frozen.is_some() {
        return Ok(Err(Held::Frozen));
    }
    match effective_mode(pool.rules.mode, a.mode) {
        Mode::Observe => return Ok(Err(Held::Observing)),
        Mode::Act => {}
    }
    if pool.rules.brake_permille >= 1000 || !a.tuning.keeps(Rule::R11) {
        return Ok(Ok(None));
    }
    let removals = Lookup::Removals(law::BRAKE_WINDOW);
    need(seen, [removals.clone()])?;
    let before = seen.counts.get(&removals).copied().unwrap_or_default();
    let after = before.saturating_add(run.len() as u64);
    if after <= u64::from(law::BRAKE_FLOOR) {
        return Ok(Ok(None));
    }
    need(seen, [Lookup::Members])?;
    let members = seen.counts.get(&Lookup::Members).copied().unwrap_or_default();
    let share = members.saturating_add(before).saturating_mul(u64::from(pool.rules.brake_permille)) / 1000;
    let limit = share.max(u64::from(law::BRAKE_FLOOR));
    Ok(Ok((after > limit).then(|| brake(a, seen, pool, run, before, limit))))
}

fn brake(a: &Accusation, seen: &TableSnapshot, pool: &PoolRow, run: &[&str], before: u64, limit: u64) -> Step {
    let why = format!(
        "{before} servers were removed within {} s, and {} more ({}) would pass the brake at {limit}",
        law::BRAKE_WINDOW.as_secs(),
        run.len(),
        run.join(", "),
    );
    let event = EventDraft {
        subject: None,
        subject_name: pool.name.clone(),
        by: a.name.clone(),
        body: EventBody::Frozen(Frozen {
            due: Some(run.iter().map(|name| String::from(*name)).collect()),
            limit: Some(limit),
            removed: Some(before),
            why: why.clone(),
        }),
    };
    apply(Plan {
        deadline: seen.db_now + law::WRITE_WITHIN,
        writes: Vec::new(),
        pool: Some(PoolWrite { version: pool.version, frozen: Some(Some(why)) }),
        events: vec![event],
        recheck: true,
        outcome: Outcome::Braked,
    })
}

/// A run that is about to go.
struct Splice<'a> {
    run: Vec<Case<'a>>,
    gone: BTreeSet<ServerId>,
    /// The ends of what goes, and the witnesses (R4).
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

    /// Everything it relies on is written, and so compared: the whole chain, both witnesses, and those they look past (R4).
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
        let gone: Vec<Gone<'_>> = self.run.iter().map(|case| Gone::of(a, case)).collect();
        apply(Plan {
            deadline: seen.db_now + law::WRITE_WITHIN,
            writes: draft.writes(),
            pool: None,
            events: gone.iter().map(|g| removed_event(a, seen, pool, g, self.ends)).collect(),
            recheck: true,
            outcome: Outcome::Removed { removed: gone.iter().map(Gone::removal).collect(), ends: self.ends },
        })
    }
}

/// One server that goes, and all that is known against it.
pub(in crate::op) struct Gone<'a> {
    pub(in crate::op) row: &'a ServerRow,
    pub(in crate::op) finding: &'a Finding,
    pub(in crate::op) kind: VoteKind,
    pub(in crate::op) voters: Vec<String>,
    pub(in crate::op) votes: Vec<(String, Vote)>,
}

impl<'a> Gone<'a> {
    fn of(a: &Accusation, case: &Case<'a>) -> Self {
        let second = case.second.map(|(voter, vote)| (voter.name.clone(), vote.clone()));
        let own = case.own.map(|vote| (a.name.clone(), vote.clone()));
        Self {
            row: case.suspect.row,
            finding: case.suspect.finding,
            kind: case.kind,
            voters: core::iter::once(a.name.clone()).chain(second.iter().map(|(name, _)| name.clone())).collect(),
            votes: second.into_iter().chain(own).collect(),
        }
    }

    pub(in crate::op) fn removal(&self) -> Removal {
        Removal {
            server: self.row.id,
            name: self.row.name.clone(),
            address: self.row.address,
            notice_port: self.row.notice_port,
            kind: self.kind,
            voters: self.voters.clone(),
        }
    }
}

/// The line in `event` for one removed server. Its `removal` and `ends` say what the remover's outcome would have said,
/// had the answer to its COMMIT arrived ([`already_removed`]).
pub(in crate::op) fn removed_event(
    a: &Accusation,
    seen: &TableSnapshot,
    pool: &PoolRow,
    gone: &Gone<'_>,
    ends: (ServerId, ServerId),
) -> EventDraft {
    let ms = |span: core::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let age = |stamp| seen.db_now.since(stamp).map(ms);
    let seen_vote = |(voter, vote): &(String, Vote)| VoteSeen {
        age_ms: age(vote.since),
        kind: vote.kind,
        renewed_ms: age(vote.at),
        voter: voter.clone(),
    };
    let removed = Removed {
        address: Some(gone.row.address),
        by_incarnation: Some(a.incarnation),
        ends: Some(ends),
        evidence: None,
        hold_ms: Some(ms(a.hold)),
        incarnation: Some(gone.row.incarnation),
        misses: Some(gone.finding.misses),
        quorum: Some(pool.rules.quorum),
        removal: Some(gone.removal()),
        silence_ms: Some(ms(seen.read_at.since(gone.finding.silence.since))),
        voters: gone.voters.clone(),
        votes: Some(gone.votes.iter().map(seen_vote).collect()),
    };
    EventDraft {
        subject: Some(gone.row.id),
        subject_name: gone.row.name.clone(),
        by: a.name.clone(),
        body: EventBody::removed(gone.kind, removed),
    }
}

/// Some suspects' rows are gone. If it was this server in this life that removed them, the answer to its COMMIT was
/// lost, and here it is; if it was another, the accusation is stale.
///
/// # Errors
/// What to read first.
pub(in crate::op) fn already_removed(a: &Accusation, seen: &TableSnapshot) -> Result<Step, Step> {
    let gone: Vec<ServerId> = a.findings.iter().map(|f| f.server).filter(|id| row(seen, *id).is_none()).collect();
    need(seen, gone.iter().copied().map(Lookup::LastEvent))?;
    let mut removed: Vec<Removal> = Vec::new();
    let mut ends = None;
    for event in gone.iter().filter_map(|id| seen.events.get(id)?.as_ref()) {
        if let Some((removal, at)) = own_removal(a, event) {
            removed.push(removal);
            ends = ends.or(Some(at));
        }
    }
    Ok(Step::Done(match ends {
        Some(ends) => Outcome::Removed { removed, ends },
        None => Outcome::Stale,
    }))
}

fn own_removal(a: &Accusation, event: &StoredEvent) -> Option<(Removal, (ServerId, ServerId))> {
    let (_, removed) = event.body.removal()?;
    if event.by != a.name || removed.by_incarnation != Some(a.incarnation) {
        return None;
    }
    Some((removed.removal.clone()?, removed.ends?))
}
