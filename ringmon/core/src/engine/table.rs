//! Table operations under way, and whether the database answers.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::contract::{Output, TableDone};
use crate::backoff::Backoff;
use crate::op::TableOp;
use crate::rng::Rng;
use crate::{Side, Time};

/// What an operation is for. At most one operation of each concern is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Concern {
    Find,
    Place,
    Join,
    View,
    Ahead(Side),
    Vote(Side),
    Alone,
    Witnesses,
    Health,
    Leave,
    Drain,
}

impl Concern {
    /// Whether it takes as long as a vote. The operations of a join do not: they open the connection, and wait for
    /// other servers that join.
    const fn is_like_a_vote(self) -> bool {
        match self {
            Self::Find | Self::Place | Self::Join | Self::Leave => false,
            Self::View
            | Self::Ahead(_)
            | Self::Vote(_)
            | Self::Alone
            | Self::Witnesses
            | Self::Health
            | Self::Drain => true,
        }
    }

    /// Whether its purpose is to write. (It writes nothing if the table already says so.)
    const fn writes(self) -> bool {
        match self {
            Self::Join | Self::Vote(_) | Self::Alone | Self::Health | Self::Leave | Self::Drain => true,
            Self::Find | Self::Place | Self::View | Self::Ahead(_) | Self::Witnesses => false,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Flying {
    concern: Concern,
    began: Time,
    /// Whether the current phase asked for it, and so is told how it ended.
    current: bool,
}

/// What the end of an operation says about the database.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Away(String),
    Back(Duration),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tables {
    last_ticket: u64,
    flying: BTreeMap<u64, Flying>,
    away: Option<(Time, String)>,
    backoff: Backoff,
    failed_at: Time,
    quiet_until: Time,
    /// When a database that answers last refused to write.
    #[serde(default)]
    refused_at: Option<Time>,
    /// When a member's operations ended, and how long they took.
    took: VecDeque<(Time, Duration)>,
}

impl Tables {
    /// A refusal to write counts until something is written, or until no write was refused for this long. Reads prove
    /// nothing about writes.
    const REFUSED: Duration = Duration::from_secs(15);
    /// How many durations are kept for the percentile.
    const KEPT: usize = 100;
    /// How long each duration is kept. At rest, a row is read every 30 s: a hundred durations would remember a hiccup
    /// for most of an hour, and every removal would wait for it. The duration of a vote counts before the removal that
    /// rests on that vote.
    const FRESH: Duration = Duration::from_secs(60);

    pub fn new() -> Self {
        Self {
            last_ticket: 0,
            flying: BTreeMap::new(),
            away: None,
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
            failed_at: Time::ZERO,
            quiet_until: Time::ZERO,
            refused_at: None,
            took: VecDeque::new(),
        }
    }

    /// Since when the database does not answer, and why.
    pub const fn away(&self) -> Option<&(Time, String)> {
        self.away.as_ref()
    }

    /// After a failure, no operation begins before this time.
    pub const fn quiet_until(&self) -> Time {
        self.quiet_until
    }

    pub fn busy(&self, concern: Concern) -> bool {
        self.flying.values().any(|f| f.current && f.concern == concern)
    }

    /// Begins an operation, if none of its concern is under way.
    pub fn begin(&mut self, concern: Concern, op: TableOp, now: Time) -> Option<Output> {
        if self.busy(concern) {
            return None;
        }
        self.last_ticket += 1;
        self.flying.insert(self.last_ticket, Flying { concern, began: now, current: true });
        Some(Output::Table { ticket: self.last_ticket, op })
    }

    /// Another phase has begun: operations under way still show whether the database answers, and nothing else.
    pub fn forget(&mut self) {
        for flying in self.flying.values_mut() {
            flying.current = false;
        }
    }

    /// An operation ended. Returns its concern, if the current phase asked for it, and what its end says about the
    /// database.
    pub fn end(
        &mut self,
        done: &TableDone,
        now: Time,
        rng: &mut Rng,
        most: Duration,
    ) -> (Option<Concern>, Option<Turn>) {
        let Some(flying) = self.flying.remove(&done.ticket) else { return (None, None) };
        let turn = match &done.result {
            Ok(_) => self.answered(flying.concern, done.took, now),
            Err(failure) => {
                self.refused_at = failure.readable.then_some(now);
                self.failed(&failure.cause, flying.began, now, rng, most)
            }
        };
        (flying.current.then_some(flying.concern), turn)
    }

    fn answered(&mut self, concern: Concern, took: Duration, now: Time) -> Option<Turn> {
        self.backoff.reset();
        self.quiet_until = Time::ZERO;
        if concern.is_like_a_vote() {
            self.took.push_back((now, took));
        }
        let old = |(ended, _): &(Time, Duration)| now.since(*ended) > Self::FRESH;
        while self.took.len() > Self::KEPT || self.took.front().is_some_and(old) {
            self.took.pop_front();
        }
        if !concern.writes() && self.refused_at.is_some_and(|at| now.since(at) < Self::REFUSED) {
            return None;
        }
        self.refused_at = None;
        self.away.take().map(|(since, _)| Turn::Back(now.since(since)))
    }

    /// Operations that were under way together fail together. That counts as one failure.
    fn failed(&mut self, cause: &str, began: Time, now: Time, rng: &mut Rng, most: Duration) -> Option<Turn> {
        if self.away.is_none() || began >= self.failed_at {
            self.failed_at = now;
            self.quiet_until = now + self.backoff.next(rng).min(most);
        }
        let first = self.away.is_none();
        let since = self.away.take().map_or(now, |(since, _)| since);
        self.away = Some((since, cause.to_owned()));
        first.then(|| Turn::Away(cause.to_owned()))
    }

    /// 99th percentile of how long a member's operations took in the last minute.
    pub fn p99(&self) -> Duration {
        let mut sorted: Vec<Duration> = self.took.iter().map(|(_, took)| *took).collect();
        sorted.sort_unstable();
        let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    /// R3: how long the oldest vote for a removal must have stood. Both sides of a cut vote at the same moment, and
    /// each side must have had time to see the other's vote.
    pub fn hold(&self) -> Duration {
        let ms = Duration::from_millis;
        (ms(40) + 2 * self.p99()).clamp(ms(60), ms(2000))
    }
}
