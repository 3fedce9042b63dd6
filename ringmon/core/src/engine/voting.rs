//! What votes and removals came to.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::common::{Common, millis};
use super::contract::{Buddy, TableDone};
use super::member::Member;
use super::suspicion::{Attempt, SideWork, Standing};
use crate::edit::{Held, Outcome, Removal, TableSnapshot};
use crate::event::{EventBody, Evidence, Removed};
use crate::law;
use crate::notice::NoticeBody;
use crate::{ServerId, Side, Time};

/// The coarsest clock that a database is read by.
const CLOCK_STEP: Duration = Duration::from_millis(1);

impl Member {
    /// An accusation or a withdrawal ended.
    pub(super) fn vote_done(&mut self, common: &mut Common, side: Side, done: TableDone) {
        let work = self.side_mut(side);
        let attempt = core::mem::take(&mut work.attempt);
        let Ok(outcome) = done.result else {
            // Nobody knows what was written: believe the worst, so that it is taken back when it is not true any more.
            if let Attempt::Cast(votes) = attempt {
                for (id, vote) in votes {
                    work.votes.entry(id).or_insert(vote);
                }
            }
            if let Some(suspicion) = &mut work.suspicion {
                suspicion.sent = None;
            }
            return;
        };
        work.look_for_cut(common.now, law::MUTUAL_FRESH, &done.snapshot);
        match outcome {
            Outcome::Voted { subjects } => self.voted(common, side, &subjects, attempt),
            Outcome::Withdrawn => self.taken_back(common, side, attempt),
            Outcome::Removed { removed, ends } if removed.iter().any(|r| !self.own_removals.contains(&r.server)) => {
                self.removed(common, &removed, ends, &done.snapshot.rows);
            }
            Outcome::Held(held) => {
                self.side_mut(side).held(common, held, &done.snapshot);
            }
            Outcome::Braked => {
                self.read_at = common.now;
                self.side_mut(side).wait(common);
            }
            Outcome::Overtaken => self.side_mut(side).retry(common),
            // Removed, it says again, of those whose removal was taken note of: what this side knew when it asked is old.
            Outcome::Removed { .. }
            | Outcome::Stale
            | Outcome::Read
            | Outcome::Joined { .. }
            | Outcome::Left
            | Outcome::AloneMarked
            | Outcome::Written
            | Outcome::NameTaken { .. }
            | Outcome::AddressTaken { .. } => {
                self.read_at = common.now;
                let work = self.side_mut(side);
                work.ahead_at = common.now;
                work.retry(common);
                self.taken_back(common, side, attempt);
            }
        }
    }

    fn voted(&mut self, common: &mut Common, side: Side, subjects: &[ServerId], attempt: Attempt) {
        let work = self.side_mut(side);
        let Attempt::Cast(cast) = attempt else { return };
        for (id, standing) in cast.into_iter().filter(|(id, _)| subjects.contains(id)) {
            let standing = Standing { confirmed: true, ..standing };
            if work.votes.insert(id, standing) != Some(standing) {
                common.tally.votes += 1;
                let name = work.chain.member(id).map_or_else(|| id.to_string(), |b| b.name.clone());
                common.event(&name, EventBody::Vote { kind: standing.kind, side });
                common.tell_followers(id);
            }
        }
        if let Some(suspicion) = &mut work.suspicion {
            suspicion.first_vote.get_or_insert(common.now);
            suspicion.conflicts.reset();
        }
        work.wait(common);
    }

    /// Votes were taken back, or were not there any more.
    fn taken_back(&mut self, common: &mut Common, side: Side, attempt: Attempt) {
        let Attempt::TakeBack(subjects) = attempt else { return };
        for id in subjects {
            let vote = self.side_mut(side).votes.remove(&id);
            if let Some(vote) = vote.filter(|v| v.confirmed) {
                let name = self.name_of(common, id);
                common.event(&name, EventBody::VoteWithdrawn { kind: vote.kind });
                common.tell_followers(id);
            }
        }
    }

    /// A run is out of the table: tell, and go on as the table is now without waiting to read it.
    pub(super) fn removed(
        &mut self,
        common: &mut Common,
        removed: &[Removal],
        ends: (ServerId, ServerId),
        rows: &alloc::collections::BTreeMap<ServerId, crate::ServerRow>,
    ) {
        for removal in removed {
            if !self.own_removals.insert(removal.server) {
                continue;
            }
            common.tally.removals += 1;
            let evidence = self.evidence(common, removal.server);
            let told = Removed { voters: removal.voters.clone(), evidence: Some(evidence), ..Removed::default() };
            self.tell_gone(common, removal.server, &removal.name, EventBody::removed(removal.kind, told));
            common.send(removal.address, removal.notice_port, NoticeBody::Removed { subject: removal.server });
            common.tell_followers(removal.server);
        }
        let subject = removed.first().map_or(ServerId::NEW, |r| r.server);
        let others = [ends.0, ends.1].into_iter().filter(|id| *id != self.id);
        let known = |id: ServerId| {
            let chained = self.sides.iter().find_map(|w| w.chain.member(id)).cloned();
            chained.or_else(|| rows.get(&id).map(Buddy::from))
        };
        let ends: Vec<Buddy> = others.filter_map(known).collect();
        for end in &ends {
            common.send(end.address, end.notice_port, NoticeBody::Spliced { subject });
        }
        self.splice(common, removed, ends.first());
        self.read_at = common.now;
    }

    fn evidence(&self, common: &Common, server: ServerId) -> Evidence {
        let Some(watch) = common.watches.of(server) else { return Evidence::default() };
        let silence = common.now.since(watch.reading.silent_since());
        let pulseless = common.now.since(watch.reading.pulseless_since());
        Evidence {
            misses: Some(watch.reading.consecutive),
            pulseless_ms: Some(millis(pulseless)),
            silence_ms: Some(millis(silence)),
        }
    }

    /// A server is out of the table: told once.
    pub(super) fn tell_gone(&mut self, common: &mut Common, server: ServerId, name: &str, body: EventBody) {
        if self.told_gone.insert(server) {
            common.event(name, body);
        }
    }
}

impl SideWork {
    fn held(&mut self, common: &mut Common, held: Held, seen: &TableSnapshot) {
        *common.tally.held.entry(held).or_default() += 1;
        let name = self.chain.members.first().map_or_else(String::new, |b| b.name.clone());
        let Some(suspicion) = &mut self.suspicion else { return };
        if suspicion.held.replace(held) != Some(held) {
            common.event(&name, EventBody::Held { why: held });
        }
        self.wait(common);
        if held == Held::TooYoung
            && let Some(at) = self.old_enough_at(common, seen)
            && let Some(suspicion) = &mut self.suspicion
        {
            suspicion.next = suspicion.next.min(at);
        }
    }

    /// R3: when the next of the votes against this run that are too young will have stood for H. To look again at 2H, as for
    /// reasons that nobody can reckon, costs up to another H: both witnesses vote within a few milliseconds of each other.
    fn old_enough_at(&self, common: &Common, seen: &TableSnapshot) -> Option<Time> {
        let hold = common.tables.hold();
        let rows = self.run.silent.iter().filter_map(|(id, _)| seen.rows.get(id));
        let votes = rows.flat_map(|row| Side::BOTH.map(|side| row.vote(side))).flatten();
        let missing =
            votes.filter_map(|vote| hold.checked_sub(seen.db_now.since(vote.since)?)).filter(|m| !m.is_zero());
        missing.min().map(|missing| seen.read_at + missing + CLOCK_STEP)
    }

    /// Again at H, 2H, 4H ... after the first vote, at most a re-vote's time apart.
    fn wait(&mut self, common: &mut Common) {
        if let Some(suspicion) = &mut self.suspicion {
            let first = suspicion.first_vote.unwrap_or(suspicion.since);
            suspicion.next = common.next_check(first);
        }
    }

    /// The table was not as believed: again soon, formed anew.
    fn retry(&mut self, common: &mut Common) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.sent = None;
            suspicion.not_before =
                common.now + suspicion.conflicts.next(&mut common.rng).min(Duration::from_millis(250));
        }
    }
}
