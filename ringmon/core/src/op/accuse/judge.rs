//! Whether one suspect can be removed now, on whose votes, and if not, why.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::answers::{hears, is_answered, wait};
use super::case::Case;
use super::chain::{Chain, Suspect};
use super::votes::{is_outdated, own, silence, stands};
use crate::Rule;
use crate::edit::{Held, Lookup, Step, TableSnapshot};
use crate::evidence::Confirmed;
use crate::law;
use crate::op::accusation::Accusation;
use crate::op::plan::{held, need, row};
use crate::row::{Quorum, Rules, ServerRow, Vote, VoteKind};

/// An agent without a pulse is accused after this long at the earliest, in every profile. So at least this much of the
/// silence lies before an `agent` vote.
const SILENT_BEFORE_VOTE: Duration = Duration::from_millis(500);

/// Judges the suspect at this place of the chain.
///
/// # Errors
/// Why it stays.
pub(super) fn judge<'a>(
    a: &Accusation,
    rules: &Rules,
    seen: &'a TableSnapshot,
    chain: &Chain<'a>,
    place: usize,
) -> Result<Case<'a>, Step> {
    let suspect = chain.suspects[place];
    let (own, wait) = (own(a, seen, &suspect), wait(chain));
    let mut case =
        Case { suspect, kind: suspect.finding.silence.kind, second: None, kernel: None, own, wait, relied: Vec::new() };
    if suspect.finding.proved {
        return held(Held::Proved);
    }
    if a.tuning.keeps(Rule::R4) && is_answered(a, seen, chain, place)? {
        return held(Held::Answered);
    }
    if is_outdated(a, seen, &suspect) {
        return held(Held::TooYoung);
    }
    match rules.quorum {
        Quorum::Single if own.is_none() => return held(Held::TooYoung),
        Quorum::Single => {}
        Quorum::Both => {
            let second = second(a, seen, chain, place)?;
            let older = |vote: &Vote| seen.db_now.since(vote.since).is_none_or(|age| age >= silence(seen, &suspect));
            // One that goes on, and that the suspect answered until now, is of the same death: the suspect was cut off
            // from its voter before.
            let goes_on = |vote: &Vote| vote.at.is_recent(seen.db_now, law::RENEWED);
            let other = |vote: &Vote| older(vote) && !(goes_on(vote) && suspect.row.ceased(vote).is_some());
            let other = second.as_ref().is_some_and(|(_, vote, _)| other(vote)) && a.tuning.keeps(Rule::R5);
            let whole = second.as_ref().is_some_and(|(_, vote, _)| vote.kind == VoteKind::Host) && !other;
            // What a kernel says is of now. A vote may be left over, if its voter's database does not answer.
            match (second, confirmed(a, chain, &case).filter(|_| !whole)) {
                (_, Some(witness)) => case.kernel = Some(witness),
                (None, None) => return held(Held::NoSecondVote),
                (Some(_), None) if other => return held(Held::OtherSilence),
                (Some((voter, vote, relied)), None) => {
                    // Who hears no reply hears no pulse either, so both agree on the weaker kind: the greater.
                    case.kind = suspect.finding.silence.kind.max(vote.kind);
                    case.second = Some((voter, vote));
                    case.relied = relied;
                }
            }
        }
    }
    ripe(a, rules, seen, &case).map_or(Ok(case), held)
}

/// Why it is still too early, if it is. Everything else is there.
fn ripe(a: &Accusation, rules: &Rules, seen: &TableSnapshot, case: &Case<'_>) -> Option<Held> {
    let age = |vote: &Vote| seen.db_now.since(vote.since).unwrap_or_default();
    let votes = case.second.map(|(_, vote)| vote).into_iter().chain(ours(a, seen, &case.suspect)).map(age);
    let kernel = case.kernel.map(|(_, said)| seen.read_at.since(said.since));
    // Of each side's word. An old vote says nothing of a cut that has just begun: the accused may not know of it.
    let challenge = votes.chain(kernel).min().unwrap_or_default();
    if challenge.min(a.served) < case.wait && a.tuning.keeps(Rule::R3) {
        return Some(Held::TooYoung);
    }
    if !case.suspect.finding.enough {
        return Some(Held::TooShort);
    }
    let other = case.second.map(|(_, vote)| age(vote) + before_vote(vote.kind));
    let least = other.unwrap_or(Duration::MAX).min(silence(seen, &case.suspect));
    (case.kind == VoteKind::Agent && least < rules.agent_timeout).then_some(Held::AgentTimeout)
}

/// The far end, if its kernel confirms this silence and this server's challenge is in the row. It stands next to the
/// suspect, and what it says is of now: so there is nothing else to check of it.
fn confirmed<'a>(a: &Accusation, chain: &Chain<'a>, case: &Case<'a>) -> Option<(&'a ServerRow, Confirmed)> {
    let far = chain.far.filter(|_| chain.suspects.len() == 1 && case.own.is_some() && case.kind == VoteKind::Host)?;
    let confirmed = a.confirmed.filter(|it| it.of == case.suspect.row.id && it.by == far.id)?;
    Some((far, confirmed))
}

/// The vote on this server's side: its own, or another server's in its place, if that one renews it. It may have been
/// cast after the clock was read. There may be none: the second to miss the suspect need not vote.
fn ours<'a>(a: &Accusation, seen: &TableSnapshot, suspect: &Suspect<'a>) -> Option<&'a Vote> {
    let vote = suspect.row.vote(a.side.opposite())?;
    let lives = row(seen, vote.voter).is_some_and(|voter| voter.incarnation == vote.voter_incarnation);
    (lives && vote.at.is_recent(seen.db_now, law::RENEWED)).then_some(vote)
}

const fn before_vote(kind: VoteKind) -> Duration {
    match kind {
        VoteKind::Host => Duration::ZERO,
        VoteKind::Agent => SILENT_BEFORE_VOTE,
    }
}

type Second<'a> = (&'a ServerRow, &'a Vote, Vec<&'a ServerRow>);

/// The vote on the far side of the suspect, if it counts and its voter stands there.
fn second<'a>(
    a: &Accusation,
    seen: &'a TableSnapshot,
    chain: &Chain<'a>,
    place: usize,
) -> Result<Option<Second<'a>>, Step> {
    let Some(vote) = chain.suspects[place].row.vote(a.side) else { return Ok(None) };
    let Some(voter) = row(seen, vote.voter) else { return Ok(None) };
    if vote.voter == a.me || !stands(seen, vote, &a.tuning, law::VOTE_LIFETIME) {
        return Ok(None);
    }
    let in_run = chain.suspects.iter().any(|s| s.row.id == vote.voter);
    // A voter beyond mute servers takes its vote back if they hear the suspect again.
    let past_mute = chain.far.is_some_and(|far| far.id != vote.voter && a.mute.beyond.contains(&far.id));
    if (in_run || past_mute) && !vote.at.is_recent(seen.db_now, law::RENEWED) {
        return Ok(None);
    }
    Ok(standing(a, seen, chain, place, vote)?.map(|relied| (voter, vote, relied)))
}

/// Whether the voter accuses all servers between the suspect and itself, but for mute ones, which both hear. Beyond
/// this server's own run only a missing pulse counts (R9): a server that this one hears and the voter does not hear is
/// a broken link, and a witness of its own. Returns the rows beyond the far end in which the voter says so.
fn standing<'a>(
    a: &Accusation,
    seen: &'a TableSnapshot,
    chain: &Chain<'a>,
    place: usize,
    vote: &Vote,
) -> Result<Option<Vec<&'a ServerRow>>, Step> {
    let accused = |row: &ServerRow| {
        let by_voter = |v: &&Vote| {
            v.voter == vote.voter
                && v.voter_incarnation == vote.voter_incarnation
                && stands(seen, v, &a.tuning, law::VOTE_LIFETIME)
        };
        row.vote(a.side).filter(by_voter).map(|v| v.kind)
    };
    for (place, suspect) in chain.suspects.iter().enumerate().skip(place + 1) {
        if suspect.row.id == vote.voter {
            return Ok(Some(Vec::new()));
        }
        let answered = a.tuning.keeps(Rule::R4) && is_answered(a, seen, chain, place)?;
        if accused(suspect.row).is_none() || answered {
            return Ok(None);
        }
    }
    let Some(far) = chain.far else { return Ok(None) };
    let mut relied = Vec::new();
    let mut beyond = vec![far];
    if far.id != vote.voter {
        let mute = u16::try_from(a.mute.beyond.len()).unwrap_or(u16::MAX);
        let walk = Lookup::Walk { from: far.id, side: a.side, count: law::AHEAD.saturating_add(mute) };
        need(seen, [walk.clone()])?;
        let ids = seen.answers.get(&walk).map(Vec::as_slice).unwrap_or_default();
        beyond.extend(ids.iter().filter_map(|id| row(seen, *id)));
    }
    for row in beyond {
        if row.id == vote.voter {
            return Ok(Some(relied));
        }
        if a.mute.beyond.contains(&row.id) {
            relied.push(row);
            continue;
        }
        let answered = a.tuning.keeps(Rule::R4) && hears(seen, row, Duration::MAX)?;
        if accused(row) != Some(VoteKind::Agent) || row.id == a.me || answered {
            return Ok(None);
        }
        relied.push(row);
    }
    Ok(None)
}
