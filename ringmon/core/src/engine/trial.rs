//! A place on trial: does this server hear the servers at both ends, and do they hear it?

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::asks::Asks;
use super::callers::lived;
use super::facts::Facts;
use crate::buddy::Buddy;
use crate::detector::State;
use crate::edit::{Lookup, TableSnapshot};
use crate::notice::NoticeBody;
use crate::op::Place;
use crate::row::Address;
use crate::{Purpose, ServerRow, Time, law};

/// The place between `ends[0]` and its first buddy `ends[1]`. In a ring of one, both are the same server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Trial {
    began: Time,
    ends: [ServerRow; 2],
    /// When this server last answered a probe from each end.
    answered: [Option<Time>; 2],
}

/// What is known of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It answered with a pulse, and this server answered it.
    Good,
    /// It does not answer, or its agent does not.
    Silent,
    /// Neither is shown.
    Open,
}

impl Trial {
    /// The place that was picked. `Err`: its other end's row disappeared between two reads. `None`: the pool is empty.
    pub fn of(seen: &TableSnapshot, now: Time) -> Option<Result<Self, ()>> {
        let picked = seen.answers.iter().find(|(lookup, _)| matches!(lookup, Lookup::Pick(_)));
        let chosen = picked.and_then(|(_, ids)| seen.rows.get(ids.first()?))?;
        let first = seen.rows.get(&chosen.first_buddy).ok_or(());
        Some(first.map(|first| Self { began: now, ends: [chosen.clone(), first.clone()], answered: [None; 2] }))
    }

    /// Asks both ends to probe this server.
    pub fn begin(&self, facts: &Facts, asks: &mut Asks) {
        let address = facts.identity.card.address;
        for end in self.ends() {
            asks.send(end.card.address, end.card.notice_port, NoticeBody::ProbeMe { address });
        }
    }

    /// The servers at its ends: two, or one.
    pub fn ends(&self) -> impl Iterator<Item = &ServerRow> {
        let twice = self.ends[0].id == self.ends[1].id;
        self.ends.iter().take(if twice { 1 } else { 2 })
    }

    /// The servers to probe.
    pub fn probed(&self) -> Vec<(Buddy, Purpose)> {
        self.ends().map(|end| (Buddy::from(end), Purpose::Join)).collect()
    }

    /// This server answered a probe from `address`: half of the proof.
    pub fn answered(&mut self, address: Address, at: Time, proved: Option<Time>) {
        for (end, answered) in self.ends.iter().zip(&mut self.answered) {
            if end.card.address == address {
                *answered = (*answered).max(lived(end.proves(), at, proved));
            }
        }
    }

    /// When there was time enough for a proof: a watch that goes on is probed at its own pace, and an end proves itself
    /// by the probe after the one that was answered here.
    pub fn over(&self, facts: &Facts) -> Time {
        self.began + law::JOIN_PROOF.max(facts.identity.tuning.interval * 3)
    }

    /// The place, if both ends are good. `half`: one good end will do if the other does not answer.
    pub fn proved(&self, facts: &Facts, half: bool) -> Option<Place> {
        let [at, next] = &self.ends;
        let silent = match self.judge(facts) {
            [End::Good, End::Good] => None,
            [End::Good, End::Silent] if half => Some(next.id),
            [End::Silent, End::Good] if half => Some(at.id),
            _ => return None,
        };
        Some(Place { silent, ..Place::between(at, next) })
    }

    /// The ends that did not answer.
    pub fn silent(&self, facts: &Facts) -> impl Iterator<Item = &ServerRow> {
        self.ends.iter().zip(self.judge(facts)).filter(|(_, end)| *end == End::Silent).map(|(row, _)| row)
    }

    fn judge(&self, facts: &Facts) -> [End; 2] {
        let end = |number: usize| {
            let Some(watch) = facts.watches.of(self.ends[number].id) else { return End::Open };
            let shown = Some(self.began);
            match watch.detector.state() {
                State::Alive if watch.reading.last_reply >= shown && self.answered[number] >= shown => End::Good,
                State::Suspect | State::AgentSilent => End::Silent,
                // A slow profile has not missed enough probes by then.
                State::Waiting | State::Restarting if facts.now >= self.over(facts) => End::Silent,
                State::Alive | State::Waiting | State::Restarting => End::Open,
            }
        };
        [end(0), end(1)]
    }
}
