//! R4: a suspect that accuses its accusers may be alive and only out of their reach.
//!
//! No server is removed while a member of the run has a *fresh* vote against one of the run's ends or one of its
//! accusers. The run is all servers that this server does not hear, not only those whose removal is due. In a cut, the
//! servers in the middle of the other side hear both their buddies and accuse no server; those at its edges object for
//! them.
//!
//! A counter-vote is *fresh* if it was renewed within [`mutual_fresh`](crate::law::MUTUAL_FRESH). If the other witness
//! was not heard of for that long either, the counter-vote may be at most that much older than that witness's last
//! vote: the database stood still for all servers. Without the second half, the first server to reach a database that
//! comes back after a pause (Galera stops for seconds when a node goes) would find all counter-votes stale, and remove
//! the other side of a cut.
//!
//! *Not for ever*: once all three (the accuser's silence, the other witness's vote, the counter-vote) have lasted for
//! [`mutual_limit`](crate::law::MUTUAL_LIMIT), a counter-vote no longer protects if no other server seconded it in the
//! accused row's other slot. A victim that is isolated but reaches the database has usually heard one buddy a moment
//! longer than the other, and may hold on to its vote against the latter. No other server accuses that one, so the
//! victim goes after that time. Both sides of a cut second each other's votes, from either end of the run, so a cut
//! removes no server however long it lasts. One broken link removes no server either: there is no second witness. Nor
//! does a short blip at the other buddy, because the time counts from the youngest of the three. What is left is a
//! healthy server whose two links are both broken for longer: R12's asked witnesses speak for it. Where no server can
//! be asked, it is removed, and joins again where its links work.

use alloc::collections::BTreeMap;

use super::case::Case;
use super::chain::{Chain, Suspect};
use super::votes::{is_recent, silence, stands};
use crate::ServerId;
use crate::edit::{Step, TableSnapshot};
use crate::law;
use crate::op::accusation::Accusation;
use crate::op::plan::need_rows;
use crate::row::{ServerRow, Side, Vote, VoteKind};

/// Whether a member of the run is protected by its vote against one of `accusers` (ends and voters).
///
/// # Errors
/// What to read first.
pub(super) fn is_mutual(
    a: &Accusation,
    seen: &TableSnapshot,
    chain: &Chain<'_>,
    run: &[Case<'_>],
    accusers: &BTreeMap<ServerId, &ServerRow>,
) -> Result<bool, Step> {
    for accused in accusers.values() {
        for side in Side::BOTH {
            let Some(vote) = accused.vote(side) else { continue };
            let Some(suspect) = chain.suspects.iter().find(|suspect| suspect.row.id == vote.voter) else { continue };
            // The other witness's vote against the same suspect, if that suspect is about to be removed.
            let case = run.iter().find(|case| case.suspect.row.id == vote.voter);
            let second = case.and_then(|case| case.second).map(|(_, vote)| vote);
            // A server that accuses this one, and also those about to be removed, is the other witness. It does not
            // protect them.
            let seconds = |c: &Case<'_>| c.second.is_some_and(|(voter, _)| voter.id == vote.voter);
            if case.is_none() && run.iter().all(seconds) {
                continue;
            }
            if vote.voter_incarnation != suspect.row.incarnation || !is_fresh(seen, second, vote) {
                continue;
            }
            if agrees(a, vote, accused.id)
                && run.iter().all(|c| c.second.is_none_or(|(voter, _)| voter.id != accused.id))
            {
                continue;
            }
            if !is_overdue(seen, suspect, second, vote) || is_seconded(a, seen, accused, side)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether the counter-vote says about an end what this server also says about it: that it answers but its agent does
/// not beat (R9). That does not contradict the accusers, as long as it is aimed at none of them.
fn agrees(a: &Accusation, counter: &Vote, accused: ServerId) -> bool {
    let pulseless = a.findings.iter().any(|f| f.server == accused && f.silence.kind == VoteKind::Agent);
    pulseless && counter.kind == VoteKind::Agent
}

fn is_fresh(seen: &TableSnapshot, second: Option<&Vote>, counter: &Vote) -> bool {
    let within = law::MUTUAL_FRESH;
    let recent = |at| is_recent(seen.db_now, at, within);
    let paused = second.is_some_and(|vote| !recent(vote.at) && counter.at + within >= vote.at);
    recent(counter.at) || paused && counter.at <= seen.db_now
}

fn is_overdue(seen: &TableSnapshot, suspect: &Suspect<'_>, second: Option<&Vote>, counter: &Vote) -> bool {
    let age = |vote: &Vote| seen.db_now.since(vote.since).unwrap_or_default();
    let second = second.map_or(law::MUTUAL_LIMIT, age);
    let state = age(counter).min(second).min(silence(seen, suspect));
    state >= law::MUTUAL_LIMIT
}

/// Whether another server also accuses the accused, from its other side.
fn is_seconded(a: &Accusation, seen: &TableSnapshot, accused: &ServerRow, side: Side) -> Result<bool, Step> {
    let (Some(vote), Some(other)) = (accused.vote(side), accused.vote(side.opposite())) else { return Ok(false) };
    need_rows(seen, [other.voter])?;
    Ok(other.voter != vote.voter && stands(seen, other, &a.tuning, law::VOTE_LIFETIME))
}
