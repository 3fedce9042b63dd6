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
use crate::{Side, Time, law};

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
    Answer,
    Witnesses,
    Service,
    Leave,
    Move,
    Drain,
}

impl Concern {
    /// Whether its purpose is to write. (It writes nothing if the table already says so.)
    const fn writes(self) -> bool {
        !matches!(self, Self::Find | Self::Place | Self::View | Self::Ahead(_) | Self::Witnesses)
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
    refused_at: Option<Time>,
    /// How long the last operations took.
    took: VecDeque<Duration>,
    /// When the last pause was over for all: see [`Self::paused`].
    paused: Time,
}

impl Tables {
    /// A refusal to write counts until something is written, or until no write was refused for this long. What is read
    /// proves nothing about writes, also if it was read in order to write.
    const REFUSED: Duration = Duration::from_secs(15);
    /// The pause after an operation that others overtook again and again, which took two seconds.
    const GAVE_WAY: Duration = Duration::from_millis(100);
    /// How many durations are kept. At rest, a row is read every 30 s.
    const KEPT: usize = 16;
    /// With fewer durations, an operation is taken to need [`Self::PACE_OF_FEW`] at least.
    const FEW: usize = 4;
    const PACE_OF_FEW: Duration = Duration::from_millis(10);

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
            paused: Time::ZERO,
        }
    }

    /// Since when the database does not answer, and why.
    pub const fn away(&self) -> Option<&(Time, String)> {
        self.away.as_ref()
    }

    /// When an operation last failed.
    pub const fn failed_at(&self) -> Time {
        self.failed_at
    }

    /// After a failure, no operation begins before this time.
    pub const fn quiet_until(&self) -> Time {
        self.quiet_until
    }

    pub fn busy(&self, concern: Concern) -> bool {
        self.flying.values().any(|f| f.current && f.concern == concern)
    }

    /// Whether a write is under way that the next one has to wait for ([`crate::op::Lane`]). Answers wait for nothing.
    pub fn writing(&self) -> bool {
        self.flying.values().any(|f| f.concern.writes() && f.concern != Concern::Answer)
    }

    /// Begins an operation. None of its concern is under way: whoever asks has looked.
    pub fn begin(&mut self, concern: Concern, op: TableOp, now: Time) -> Output {
        debug_assert!(!self.busy(concern), "{concern:?} is under way");
        self.last_ticket += 1;
        self.flying.insert(self.last_ticket, Flying { concern, began: now, current: true });
        Output::Table { ticket: self.last_ticket, op }
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
            Ok(_) => self.answered(&flying, done, now),
            // It read, and the database wrote for others. They are left alone for a moment.
            Err(failure) if failure.overtaken => {
                let turn = self.back(now);
                self.quiet_until = now + Self::GAVE_WAY;
                turn
            }
            Err(failure) => {
                self.paused(now, done.took);
                self.refused_at = failure.readable.then_some(now);
                self.failed(&failure.cause, flying.began, now, rng, most)
            }
        };
        (flying.current.then_some(flying.concern), turn)
    }

    fn answered(&mut self, flying: &Flying, done: &TableDone, now: Time) -> Option<Turn> {
        self.rested();
        // Writes may wait for others that write the same rows, which says nothing of the database.
        if !flying.concern.writes() {
            if done.took > self.wait(Duration::ZERO) / 2 {
                self.paused(now, done.took);
            }
            // What began while the database was away says nothing of how long an answer takes when it is not.
            if self.failed_at == Time::ZERO || flying.began > self.failed_at {
                self.took.push_back(done.took);
            }
            if self.took.len() > Self::KEPT {
                self.took.pop_front();
            }
        }
        if !done.snapshot.wrote && self.refused_at.is_some_and(|at| now.since(at) < Self::REFUSED) {
            return None;
        }
        self.back(now)
    }

    const fn rested(&mut self) {
        self.backoff.reset();
        self.quiet_until = Time::ZERO;
    }

    fn back(&mut self, now: Time) -> Option<Turn> {
        self.rested();
        self.refused_at = None;
        self.away.take().map(|(since, _)| Turn::Back(now.since(since)))
    }

    /// The database did not answer for this long. Another server may wait for as long again: TCP doubles the time
    /// between its retransmissions (RFC 6298, 5.5), so a statement that was lost leaves anew only then.
    fn paused(&mut self, now: Time, span: Duration) {
        self.paused = self.paused.max(now + span.min(law::WAIT_MOST));
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

    /// How long this server's operations take: the second longest of the last ones, so that one hiccup does not count.
    /// While there are few, it is taken to be longer. At most this much time passes between this server's clock and the
    /// database's, when an operation reads both.
    pub fn pace(&self) -> Duration {
        let mut sorted: Vec<Duration> = self.took.iter().copied().collect();
        sorted.sort_unstable();
        let rest = sorted.len().saturating_sub(2);
        let pace = sorted.get(rest).copied().unwrap_or_default();
        if sorted.len() < Self::FEW { pace.max(Self::PACE_OF_FEW) } else { pace }
    }

    /// R3: how long this server needs to answer a vote: to notice a cut by its own silence, to look ahead for a server
    /// that it hears, and to write the answer. In a cut it opens several connections at once for that, and whoever else
    /// is cut off does the same. So four looks at rest, and not two.
    pub fn wait(&self, notice: Duration) -> Duration {
        (notice + 4 * self.pace()).clamp(law::WAIT_LEAST, law::WAIT_MOST)
    }

    /// R3: for how long the database has answered everybody without a pause, as far as this server can tell. A look
    /// that takes half of what an answer may take is a pause. While a server is silent there are enough looks that no
    /// longer pause goes unseen.
    pub fn served(&self, now: Time) -> Duration {
        let long = self.wait(Duration::ZERO) / 2;
        let stuck = self.flying.values().any(|f| !f.concern.writes() && now.since(f.began) > long);
        if stuck || self.away.is_some() { Duration::ZERO } else { now.since(self.paused) }
    }
}
