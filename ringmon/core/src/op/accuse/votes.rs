//! Which votes count, and which of this server's votes must be written.

use alloc::vec::Vec;
use core::time::Duration;

use super::chain::{Chain, Suspect};
use crate::edit::{TableSnapshot, VoteSet};
use crate::law;
use crate::op::accusation::Accusation;
use crate::op::plan::row;
use crate::row::{ServerRow, Vote};
use crate::{Rule, Tuning};

/// Whether this vote counts against its subject. The voter's row must have been read.
pub(super) fn stands(seen: &TableSnapshot, vote: &Vote, tuning: &Tuning, lifetime: Duration) -> bool {
    let (voter, now) = (row(seen, vote.voter), seen.db_now);
    let any_life = || !tuning.keeps(Rule::R8) && voter.is_some() && vote.is_fresh(now, lifetime, Duration::ZERO);
    vote.stands(voter, now, lifetime, Duration::ZERO) || any_life()
}

/// This server's vote against this suspect, if it belongs to this life and to this silence. A vote that is older than
/// the silence was meant for another one and should have been withdrawn.
pub(super) fn own<'a>(a: &Accusation, seen: &TableSnapshot, suspect: &Suspect<'a>) -> Option<&'a Vote> {
    let vote = suspect.row.vote(a.side.opposite())?;
    let mine =
        vote.voter == a.me && vote.voter_incarnation == a.incarnation && vote.kind == suspect.finding.silence.kind;
    let age = seen.db_now.since(vote.since)?;
    let renewed = vote.at.is_recent(seen.db_now, law::RENEWED);
    (mine && renewed && age < silence(seen, suspect)).then_some(vote)
}

/// Whether there is a vote by this life that [`own`] does not accept. It is cast again before anything else happens.
pub(super) fn is_outdated(a: &Accusation, seen: &TableSnapshot, suspect: &Suspect<'_>) -> bool {
    let slot = suspect.row.vote(a.side.opposite());
    slot.is_some_and(|vote| vote.voter == a.me && vote.voter_incarnation == a.incarnation)
        && own(a, seen, suspect).is_none()
}

/// How long the voter has been deaf to this suspect.
pub(super) fn silence(seen: &TableSnapshot, suspect: &Suspect<'_>) -> Duration {
    seen.read_at.since(suspect.finding.silence.since)
}

/// This server's votes that are missing, say something else, or are due for renewal, nearest suspect first.
///
/// A vote that was not renewed for [`law::RENEWED`] is cast again: the database was out of reach, perhaps for the
/// suspect too, whose answer is then as old (R4). The new vote has to stand for the suspect's wait (R3), and that gives
/// it time.
pub(super) fn due<'a>(a: &Accusation, seen: &TableSnapshot, chain: &Chain<'a>) -> Vec<(&'a ServerRow, VoteSet)> {
    let mut due = Vec::new();
    for (place, suspect) in chain.suspects.iter().enumerate() {
        if suspect.finding.proved && !suspect.row.accuses(chain.me) {
            continue;
        }
        let set = match own(a, seen, suspect) {
            Some(vote) if vote.at.is_recent(seen.db_now, law::REVOTE * 4 / 5) => continue,
            // R12: it remains as a counter-vote (R4). It must not become old enough to remove with (R3).
            Some(_) if suspect.finding.proved => cast(a, suspect),
            Some(_) => VoteSet::Renew,
            None if nearer_votes(a, seen, chain, place) => continue,
            None => cast(a, suspect),
        };
        due.push((suspect.row, set));
    }
    due
}

fn cast(a: &Accusation, suspect: &Suspect<'_>) -> VoteSet {
    VoteSet::Cast { voter: a.me, incarnation: a.incarnation, kind: suspect.finding.silence.kind }
}

/// Whether a server nearer to the suspect holds the slot and renews its vote. This server does not hear it, but it is
/// alive, and otherwise both would overwrite each other's vote for ever.
fn nearer_votes(a: &Accusation, seen: &TableSnapshot, chain: &Chain<'_>, place: usize) -> bool {
    let Some(vote) = chain.suspects[place].row.vote(a.side.opposite()) else { return false };
    let suspect = chain.suspects[place].row.id;
    let mut nearer = chain.between.iter().take_while(|row| row.id != suspect);
    // It may have been cast after the clock was read.
    let renews = |row: &ServerRow| {
        row.id == vote.voter
            && row.incarnation == vote.voter_incarnation
            && vote.at.is_recent(seen.db_now, row.renewal())
    };
    nearer.any(|row| renews(row))
}
