//! What votes do to the routes: a lot for a moment, but little in the long run.
//!
//! The first vote appears tens of milliseconds after a server died, and the second one a few milliseconds later. Two
//! votes of one silence keep a server out while they stand, whatever it says itself: two servers that should hear it do
//! not.
//!
//! A vote that stays alone more likely means a broken link than a dead server. It counts once the server has had the
//! time that it needs to answer and its row was read since, and for as long as no server is on record as hearing it:
//! neither it, by an answer of its own, nor another one, by an answer that names it. It does not count if two others
//! miss its voter, which then cannot take it back, nor afterwards until it is renewed, for a router that saw the two.
//! Where the accused is an agent that cannot answer, a lone vote counts for its lifetime, once, and not at all while
//! the same server accuses its voter.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::lone;
use super::policy::Policy;
use super::spoken::{BEHIND, LASTS, age, is_as_old, is_younger, on_record, record, speaks, words};
use crate::{DbTime, Incarnation, ServerId, ServerRow, Side, Vote, VoteKind, law};

/// An accusation as it was last seen: the voter and its suspect.
type Pair = (ServerId, ServerId);

#[derive(Clone, Debug, Default)]
pub(super) struct Votes {
    known: BTreeMap<Pair, Accusation>,
}

#[derive(Clone, Copy, Debug)]
struct Accusation {
    /// When it began, which identifies it.
    since: DbTime,
    /// When the first of those began that followed each other without a withdrawal: a voter whose database was away
    /// begins anew.
    began: DbTime,
    /// When it was last renewed, and in which of its voter's lives.
    at: DbTime,
    life: Incarnation,
    /// Whether it can keep the server out by itself.
    counts: bool,
    /// When its withdrawal was first seen.
    ended: Option<DbTime>,
    /// When the accused's row was last read.
    read: DbTime,
    /// When it had last been renewed while two others missed its voter. Unless it is renewed again, it counts no more
    /// alone: the voter may have been gone for as long, and be just about to begin a new life.
    orphaned: Option<DbTime>,
}

impl Accusation {
    /// Whether the accused has had the time that it needs to answer, at this moment.
    fn is_over(&self, row: &ServerRow, at: DbTime) -> bool {
        is_as_old(at, self.began.min(self.since), row.wait())
    }
}

impl Votes {
    /// Takes in the rows of which these were read now.
    pub(super) fn note(
        &mut self,
        rows: &BTreeMap<ServerId, ServerRow>,
        now: DbTime,
        is_read: impl Fn(ServerId) -> bool,
        policy: &Policy,
    ) {
        let votes = rows
            .values()
            .flat_map(|row| Side::BOTH.into_iter().filter_map(move |side| Some((row.id, row.vote(side)?))));
        let standing: BTreeMap<Pair, &Vote> = votes.map(|(id, vote)| ((vote.voter, id), vote)).collect();
        for (pair, accusation) in &mut self.known {
            if !standing.contains_key(pair) {
                accusation.ended.get_or_insert(now);
            }
        }
        for (pair, vote) in standing {
            let (at, life) = (vote.at, vote.voter_incarnation);
            let (since, read) = (vote.since, now);
            let fresh = Accusation { since, began: since, at, life, counts: true, ended: None, read, orphaned: None };
            let known = self.known.entry(pair).or_insert(fresh);
            if known.since != vote.since {
                // Accusations that may count again were already forgotten.
                let lasted = known.ended.is_none() && known.at + law::VOTE_LIFETIME >= vote.since;
                let goes_on = lasted && known.life == life;
                let began = if goes_on { known.began } else { vote.since };
                *known = Accusation { counts: false, began, read: known.read, ..fresh };
            }
            (known.at, known.life) = (at, life);
            if is_read(pair.1) {
                known.read = now;
            }
            if is_missed(rows, pair.0, now, policy) {
                known.orphaned = Some(at);
            }
        }
    }

    /// Forgets accusations that ended so long ago that they no longer matter.
    pub(super) fn forget(&mut self, now: DbTime, policy: &Policy) {
        self.known.retain(|_, known| {
            known.ended.is_none_or(|ended| now.since(ended).is_none_or(|span| span < policy.heard_again))
        });
    }

    /// Who accused anybody lately, in which life, and when the vote was last renewed.
    pub(super) fn last(&self) -> impl Iterator<Item = (ServerId, Incarnation, DbTime)> {
        self.known.iter().map(|((voter, _), known)| (*voter, known.life, known.at))
    }

    /// Whether votes keep this server out of the routes now.
    pub(super) fn keep_out(
        &self,
        rows: &BTreeMap<ServerId, ServerRow>,
        row: &ServerRow,
        now: DbTime,
        policy: &Policy,
    ) -> bool {
        let vote = match said(rows, row, now, policy.vote_lifetime) {
            Said::Nothing => return false,
            Said::Two => return true,
            Said::One(vote) => vote,
        };
        let known = self.known.get(&(vote.voter, row.id));
        // A voter that is gone cannot take its vote back.
        let orphaned = known.is_some_and(|known| known.orphaned == Some(vote.at));
        if orphaned || on_record(rows, row, now) || is_missed(rows, vote.voter, now, policy) {
            return false;
        }
        if row.answering().is_some() {
            return known.is_some_and(|known| known.is_over(row, known.read));
        }
        let once = known.is_none_or(|known| known.counts) && is_younger(now, vote.since, policy.vote_lifetime);
        once && !accuses(rows, row, vote, now, policy.vote_lifetime)
    }

    /// Those who may have answered since their rows were read.
    pub(super) fn unread(&self, rows: &BTreeMap<ServerId, ServerRow>, now: DbTime) -> BTreeSet<ServerId> {
        let standing = self.known.iter().filter(|(_, known)| known.ended.is_none());
        let accused = standing.filter_map(|((_, id), known)| Some((rows.get(id)?, known)));
        let unread = accused.filter(|(row, known)| {
            row.answering().is_some() && known.is_over(row, now) && !known.is_over(row, known.read)
        });
        unread.map(|(row, _)| row.id).collect()
    }

    /// Those whose hosts are silent, and that could answer for as long as any server may ask for (R3) and did not. They
    /// are not lost from sight, but silent. A server without an agent cannot answer either, and may serve.
    pub(super) fn silent(rows: &BTreeMap<ServerId, ServerRow>, now: DbTime, policy: &Policy) -> BTreeSet<ServerId> {
        let old = |vote: &Vote| vote.kind == VoteKind::Host && is_as_old(now, vote.since, law::WAIT_MOST);
        let accused = |row: &ServerRow| live(rows, row, now, policy.vote_lifetime).any(old);
        let silent = |row: &&ServerRow| row.answering().is_some() && accused(row) && !speaks(rows, row, now);
        rows.values().filter(silent).map(|row| row.id).collect()
    }

    /// How long until the first of the votes ends, if none is read in the meantime.
    pub(super) fn next_end(
        &self,
        rows: &BTreeMap<ServerId, ServerRow>,
        now: DbTime,
        policy: &Policy,
    ) -> Option<Duration> {
        let accused =
            rows.values().flat_map(|row| live(rows, row, now, policy.vote_lifetime).map(move |vote| (row, vote)));
        let votes = accused.flat_map(|(row, vote)| {
            let lifetime = policy.vote_lifetime;
            [(vote.since, lifetime), (vote.at, lifetime), (vote.since, row.wait()), (vote.since, law::WAIT_MOST)]
        });
        let said = rows.values().flat_map(|row| words(row).chain(record(row)));
        let ends = votes.chain(said).chain(lone::ends(self));
        let left = ends.filter_map(|(from, span)| span.checked_sub(age(now, from)?));
        left.filter(|left| !left.is_zero()).min()
    }
}

/// What others say of a server's silence.
enum Said<'a> {
    Nothing,
    /// The younger vote, if the older one is of another silence.
    One(&'a Vote),
    Two,
}

fn said<'a>(rows: &'a BTreeMap<ServerId, ServerRow>, row: &'a ServerRow, now: DbTime, lifetime: Duration) -> Said<'a> {
    let mut votes: Vec<&Vote> = live(rows, row, now, lifetime).collect();
    votes.sort_by_key(|vote| vote.since);
    let (Some(older), Some(vote)) = (votes.first(), votes.last()) else { return Said::Nothing };
    // A server that is the only one with a database may reach a suspect from both sides.
    let agrees = older.voter != vote.voter && (row.answering().is_none() || is_of_now(older, vote, now));
    if agrees { Said::Two } else { Said::One(vote) }
}

/// Whether two others miss this server.
fn is_missed(rows: &BTreeMap<ServerId, ServerRow>, id: ServerId, now: DbTime, policy: &Policy) -> bool {
    rows.get(&id).is_some_and(|row| matches!(said(rows, row, now, policy.vote_lifetime), Said::Two))
}

/// Whether two votes say the same of the same silence, and one of them was renewed lately. A vote is left over if its
/// voter lost its database after it heard the server again.
fn is_of_now(older: &Vote, younger: &Vote, now: DbTime) -> bool {
    older.at + law::RENEWED >= younger.since && is_younger(now, older.at.max(younger.at), LASTS)
}

/// The votes against this server that count: young, and by a voter that is still in the same life.
fn live<'a>(
    rows: &'a BTreeMap<ServerId, ServerRow>,
    row: &'a ServerRow,
    now: DbTime,
    lifetime: Duration,
) -> impl Iterator<Item = &'a Vote> {
    let stands = move |vote: &&Vote| vote.stands(rows.get(&vote.voter), now, lifetime, BEHIND);
    Side::BOTH.into_iter().filter_map(|side| row.vote(side)).filter(stands)
}

/// Whether the server itself accuses its voter. That is a broken link, and it is unknown which end is at fault.
fn accuses(
    rows: &BTreeMap<ServerId, ServerRow>,
    row: &ServerRow,
    vote: &Vote,
    now: DbTime,
    lifetime: Duration,
) -> bool {
    let voter = rows.get(&vote.voter);
    voter.is_some_and(|voter| live(rows, voter, now, lifetime).any(|back| back.voter == row.id))
}
