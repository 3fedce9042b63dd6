//! A suspect with everything against it that its removal needs, and what is reported once it is gone.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::chain::Suspect;
use crate::edit::TableSnapshot;
use crate::event::{Evidence, Removed, VoteSeen};
use crate::evidence::Confirmed;
use crate::op::accusation::{Accusation, Finding};
use crate::outcome::Removal;
use crate::row::{PoolRow, ServerRow, Vote, VoteKind};
use crate::{EventBody, EventDraft, ServerId};

/// See the module.
pub(in crate::op) struct Case<'a> {
    pub(super) suspect: Suspect<'a>,
    /// Host or agent: what both witnesses can confirm.
    pub(super) kind: VoteKind,
    /// The other witness and its vote; `None` where one witness is enough.
    pub(super) second: Option<(&'a ServerRow, &'a Vote)>,
    /// The other witness, if its kernel takes the place of its vote.
    pub(super) kernel: Option<(&'a ServerRow, Confirmed)>,
    /// This server's vote, if it is in the table.
    pub(super) own: Option<&'a Vote>,
    /// R3: how long the accused had to have to answer.
    pub(super) wait: Duration,
    /// Rows beyond the far end that the other witness must look past for its vote to count.
    pub(super) relied: Vec<&'a ServerRow>,
}

impl<'a> Case<'a> {
    /// A case that needs no votes: its accuser hears no other server (R2).
    pub(in crate::op) const fn without_votes(row: &'a ServerRow, finding: &'a Finding, wait: Duration) -> Self {
        let kind = finding.silence.kind;
        Self {
            suspect: Suspect { finding, row },
            kind,
            second: None,
            kernel: None,
            own: None,
            wait,
            relied: Vec::new(),
        }
    }

    /// What the remover learns from the outcome.
    pub(in crate::op) fn removal(&self, a: &Accusation) -> Removal {
        let row = self.suspect.row;
        Removal {
            server: row.id,
            name: row.card.name.clone(),
            address: row.card.address,
            notice_port: row.card.notice_port,
            kind: self.kind,
            voters: self.voters(a),
        }
    }

    /// The names of the accusers, the remover first.
    fn voters(&self, a: &Accusation) -> Vec<String> {
        let second = self.second.map(|(voter, _)| voter).or(self.kernel.map(|(witness, _)| witness));
        core::iter::once(a.name.clone()).chain(second.map(|row| row.card.name.clone())).collect()
    }

    /// The votes that the removal rests on, as they were read.
    fn votes(&self, a: &Accusation, seen: &TableSnapshot) -> Vec<VoteSeen> {
        let second = self.second.map(|(voter, vote)| (&voter.card.name, vote));
        let own = self.own.map(|vote| (&a.name, vote));
        let age = |stamp| seen.db_now.since(stamp).map(ms);
        let vote_seen = |(voter, vote): (&String, &Vote)| VoteSeen {
            age_ms: age(vote.since),
            kind: vote.kind,
            renewed_ms: age(vote.at),
            voter: voter.clone(),
        };
        second.into_iter().chain(own).map(vote_seen).collect()
    }

    /// The line in `event`. Its `removal` and `ends` say what the outcome would have told the remover if the answer to
    /// its COMMIT had arrived ([`already_removed`](super::lost::already_removed)).
    pub(in crate::op) fn event(
        &self,
        a: &Accusation,
        seen: &TableSnapshot,
        pool: &PoolRow,
        ends: (ServerId, ServerId),
    ) -> EventDraft {
        let Suspect { row, finding } = self.suspect;
        let removed = Removed {
            address: Some(row.card.address),
            by_incarnation: Some(a.incarnation),
            ends: Some(ends),
            evidence: None,
            hold_ms: Some(ms(self.wait)),
            incarnation: Some(row.incarnation),
            kernel: self.kernel.map(|(_, said)| Evidence {
                misses: Some(said.misses),
                pulseless_ms: None,
                silence_ms: Some(ms(seen.read_at.since(said.since)) as f64),
            }),
            misses: Some(finding.misses),
            quorum: Some(pool.rules.quorum),
            removal: Some(self.removal(a)),
            silence_ms: Some(ms(seen.read_at.since(finding.silence.since))),
            voters: self.voters(a),
            votes: Some(self.votes(a, seen)),
        };
        EventDraft::about(row, &a.name, EventBody::removed(self.kind, removed))
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
