//! R2 for a server that hears no other server while the database answers.
//!
//! It marks that in its *own* row, and renews the mark while it is true. A mark in the others' rows would cost one
//! write for each of them, and a pool full of lone servers (a switch is gone, the database is behind another) would
//! write n rows each. This way a lone server costs one small write every half second. A server that wants to remove all
//! the others reads in their rows whether one of them is alone too.
//!
//! The mark seconds no vote. It holds up another server's removal of all others, and protects its own server for a
//! while (R4). For a join beside a silent server, it counts as its neighbour's vote against that one.
//!
//! The mark says of which kind the silence is, for the routes: a server that only lost its agent may serve. When that
//! changes, the mark starts anew, so that its age is the age of what it says.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::accuse::{Case, already_removed, answers, gate};
use super::plan::{Draft, Next, apply, done, held, hurried, must_live, need, unhurried};
use crate::edit::{AloneSet, Held, Lookup, Outcome, Step, TableSnapshot, VoteSet};
use crate::law;
use crate::op::accusation::{Accusation, Finding};
use crate::ring::is_chain;
use crate::row::{Alone, PoolRow, ServerRow, Side, VoteKind};
use crate::{Incarnation, Rule, ServerId};

/// Writes, renews or clears this server's alone mark. A mark that was not renewed in time starts again, and so does one
/// that said something else. One without a kind is of an older schema, and goes on: there, none has a kind.
pub(super) fn mark(me: ServerId, incarnation: Incarnation, alone: Option<VoteKind>, seen: &TableSnapshot) -> Next {
    let own = must_live(seen, me, incarnation)?;
    let set = match (alone, own.alone_at) {
        (None, None) if own.alone_since.is_none() => return done(Outcome::AloneMarked),
        (None, _) => AloneSet::Clear,
        (Some(kind), Some(at)) if goes_on(own, kind) && at.is_recent(seen.db_now, law::RENEWED) => {
            if at.is_recent(seen.db_now, law::REVOTE * 4 / 5) {
                return done(Outcome::AloneMarked);
            }
            AloneSet::Renew
        }
        (Some(kind), _) => AloneSet::Mark(kind),
    };
    // Nobody else writes the mark, and this server answers meanwhile.
    let mut draft = Draft::accusation([]);
    draft.touch(own).alone = set;
    Ok(apply(unhurried(seen.db_now, draft.writes(), Vec::new(), Outcome::AloneMarked)))
}

/// Whether the mark in this row says what is to be said now.
fn goes_on(own: &ServerRow, kind: VoteKind) -> bool {
    own.alone_since.is_some() && own.alone_kind.is_none_or(|marked| marked == kind)
}

/// Removes all other servers. It is the only way out where there is no second witness, because no second server hears
/// anything. Every other server must have been silent for long enough, and none of them may object: no vote against
/// this server, and no alone mark of its own.
pub(super) fn remove_all(a: &Accusation, seen: &TableSnapshot) -> Next {
    // If there are more servers than expected, the walk does not come back to the start.
    let count = u16::try_from(a.findings.len()).unwrap_or(u16::MAX);
    let walk = Lookup::Walk { from: a.me, side: a.side, count };
    need(seen, [Lookup::Id(a.me), walk.clone()])?;
    let me = must_live(seen, a.me, a.incarnation)?;
    let ids = seen.answers.get(&walk).map(Vec::as_slice).unwrap_or_default();
    let others: Vec<&ServerRow> = ids.iter().filter_map(|id| seen.rows.get(id)).collect();
    if others.is_empty() {
        return already_removed(a, seen);
    }
    let Some(pool) = &seen.pool else { return done(Outcome::Stale) };
    let found: BTreeMap<ServerId, &Finding> = a.findings.iter().map(|f| (f.server, f)).collect();
    let Some(run) = matched(me, a.side, &others, &found) else { return done(Outcome::Stale) };
    if let Some(reason) = blocked(a, seen, pool, me, &run)? {
        return held(reason);
    }
    let wait = run.iter().map(|(row, _)| row.wait()).max().unwrap_or_default();
    if a.tuning.keeps(Rule::R2) {
        if let Some(remark) = mark_for_this_silence(a, seen, me, &run) {
            return Ok(remark);
        }
        let least = if run.len() == 1 { law::ALONE_ONE } else { law::ALONE_MORE };
        let age = me.alone_since.and_then(|since| seen.db_now.since(since)).unwrap_or_default();
        // The mark is a challenge to all others (R3).
        if age < least || age.min(a.served) < wait && a.tuning.keeps(Rule::R3) {
            return held(Held::TooYoung);
        }
    }
    let names: Vec<&str> = run.iter().map(|(row, _)| row.card.name.as_str()).collect();
    gate(a, seen, pool, &names)?;
    Ok(plan(a, seen, pool, me, &run, wait))
}

/// Pairs every other row with its finding, if these are all rows of the pool and each is as it was watched.
fn matched<'a>(
    me: &ServerRow,
    side: Side,
    others: &[&'a ServerRow],
    found: &BTreeMap<ServerId, &'a Finding>,
) -> Option<Vec<(&'a ServerRow, &'a Finding)>> {
    let ring: Vec<&ServerRow> = [me].into_iter().chain(others.iter().copied()).chain([me]).collect();
    if !is_chain(&ring, side) {
        return None;
    }
    let known =
        |row: &&'a ServerRow| found.get(&row.id).filter(|f| f.incarnation == row.incarnation).map(|f| (*row, *f));
    others.iter().map(known).collect()
}

fn blocked(
    a: &Accusation,
    seen: &TableSnapshot,
    pool: &PoolRow,
    me: &ServerRow,
    run: &[(&ServerRow, &Finding)],
) -> Result<Option<Held>, Step> {
    let entitled = pool.rules.alone == Alone::All || run.len() == 1;
    if !entitled && a.tuning.keeps(Rule::R2) {
        return Ok(Some(Held::UnhealthyVoter));
    }
    for (row, finding) in run.iter().filter(|_| a.tuning.keeps(Rule::R4)) {
        let silence = seen.read_at.since(finding.silence.since) + a.lag;
        if answers(seen, row, silence)? {
            return Ok(Some(Held::Answered));
        }
    }
    let accused = Side::BOTH.into_iter().filter_map(|side| me.vote(side)).any(|vote| {
        vote.at.is_recent(seen.db_now, law::RENEWED)
            && run.iter().any(|(row, _)| row.id == vote.voter && row.incarnation == vote.voter_incarnation)
    });
    let alone_too = run.iter().any(|(row, _)| row.alone_at.is_some_and(|at| at.is_recent(seen.db_now, law::RENEWED)));
    if (accused || alone_too) && a.tuning.keeps(Rule::R2) {
        return Ok(Some(Held::AloneBlocked));
    }
    if run.iter().any(|(_, finding)| finding.proved) {
        return Ok(Some(Held::Proved));
    }
    if run.iter().any(|(_, finding)| !finding.enough) {
        return Ok(Some(Held::TooShort));
    }
    let early = |finding: &Finding| {
        finding.silence.kind == VoteKind::Agent && seen.read_at.since(finding.silence.since) < pool.rules.agent_timeout
    };
    Ok(run.iter().any(|(_, finding)| early(finding)).then_some(Held::AgentTimeout))
}

/// Writes a new mark if the mark is missing, was not renewed, or is older than the youngest silence (and so was meant
/// for another one). The others must get their time to object, counted from the moment at which all of this was true.
fn mark_for_this_silence(
    a: &Accusation,
    seen: &TableSnapshot,
    me: &ServerRow,
    run: &[(&ServerRow, &Finding)],
) -> Option<Step> {
    let youngest: Duration = run.iter().map(|(_, f)| seen.read_at.since(f.silence.since)).min().unwrap_or_default();
    let renewed = me.alone_at.is_some_and(|at| at.is_recent(seen.db_now, law::RENEWED));
    let age = me.alone_since.and_then(|since| seen.db_now.since(since));
    if renewed && age.is_some_and(|age| age < youngest) {
        return None;
    }
    let mut draft = Draft::accusation([]);
    let agents = run.iter().any(|(_, finding)| finding.silence.kind == VoteKind::Agent);
    draft.touch(me).alone = AloneSet::Mark(if agents { VoteKind::Agent } else { VoteKind::Host });
    Some(apply(hurried(a, seen.db_now, draft.writes(), Vec::new(), Outcome::AloneMarked)))
}

fn plan(
    a: &Accusation,
    seen: &TableSnapshot,
    pool: &PoolRow,
    me: &ServerRow,
    run: &[(&ServerRow, &Finding)],
    wait: Duration,
) -> Step {
    let ends = (me.id, me.id);
    let gone: Vec<Case<'_>> = run.iter().map(|(row, finding)| Case::without_votes(row, finding, wait)).collect();
    let rows: Vec<&ServerRow> = run.iter().map(|(row, _)| *row).collect();
    let mut draft = Draft::accusation(rows.iter().map(|row| row.id));
    draft.compare_objections(me, &rows);
    let set = draft.touch(me);
    (set.first_buddy, set.second_buddy) = (Some(me.id), Some(me.id));
    (set.vote_first, set.vote_second, set.alone) = (VoteSet::Clear, VoteSet::Clear, AloneSet::Clear);
    for (row, _) in run {
        draft.delete(row);
    }
    let events = gone.iter().map(|case| case.event(a, seen, pool, ends)).collect();
    let removed = gone.iter().map(|case| case.removal(a)).collect();
    apply(hurried(a, seen.db_now, draft.writes(), events, Outcome::Removed { removed, ends }))
}
