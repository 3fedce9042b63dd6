//! The end: leave the ring, or stay in it, within the time that a stopping service has.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::asks::{Asks, Me};
use super::contract::{Output, Stopped, TableDone};
use super::entry::{NextPhase, Spliced};
use super::facts::Facts;
use super::table::Concern;
use crate::buddy::BuddyList;
use crate::event::{EventBody, Left};
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::{Outcome, Time};

/// The row is being taken out of the table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Leaving {
    /// Row of this server; `None` while a join that was under way may still be committed.
    row: Option<Me>,
    kept: Option<BuddyList>,
    until: Time,
    retry_at: Time,
    cause: String,
}

impl Leaving {
    /// The database has this long to answer before the server stops with its row still in the table.
    const PATIENCE: Duration = Duration::from_millis(1500);
    /// Pause between two tries.
    pub const RETRY: Duration = Duration::from_millis(200);

    pub fn new(row: Option<Me>, kept: Option<BuddyList>, facts: &Facts, asks: &Asks) -> Self {
        let cause =
            asks.tables().away().map_or_else(|| "the database did not answer in time".to_owned(), |a| a.1.clone());
        Self { row, kept, until: facts.now + Self::PATIENCE, retry_at: facts.now, cause }
    }

    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks) -> Option<NextPhase> {
        if asks.due(self.until) {
            return Some(NextPhase::Stopped(Stopped::RowRemains(self.cause.clone())));
        }
        if let Some(Me { id, incarnation }) = self.row
            && !asks.busy(Concern::Leave)
            && asks.due(self.retry_at)
        {
            let by = facts.identity.card.name.clone();
            asks.begin(Concern::Leave, TableOp::Leave { id, incarnation: Some(incarnation), by });
        }
        None
    }

    pub fn table(&mut self, facts: &Facts, asks: &mut Asks, concern: Concern, done: &TableDone) -> Option<NextPhase> {
        let outcome = match &done.result {
            Ok(outcome) => outcome,
            Err(failure) => {
                self.cause.clone_from(&failure.cause);
                self.retry_at = facts.now + Self::RETRY;
                return None;
            }
        };
        if concern == Concern::Join {
            let Some(spliced) = Spliced::of(outcome, false, 1, None) else {
                return Some(NextPhase::Stopped(Stopped::Left));
            };
            self.row = Some(Me { id: spliced.id, incarnation: spliced.incarnation });
            return None;
        }
        if concern != Concern::Leave {
            return None;
        }
        if *outcome != Outcome::Left {
            self.retry_at = facts.now + asks.rng().between(Duration::ZERO, Duration::from_millis(10));
            return None;
        }
        asks.own_event(EventBody::Left(Left { by: Some(facts.identity.card.name.clone()), ..Left::default() }));
        let subject = asks.me().id;
        asks.tell_followers(subject);
        let Some(kept) = self.kept.take() else { return Some(NextPhase::Stopped(Stopped::Left)) };
        for buddy in kept.first.iter().chain(&kept.second) {
            asks.send(buddy.address, buddy.notice_port, NoticeBody::Spliced { subject });
        }
        // Perhaps no notice had told this server yet.
        let row = done.snapshot.rows.get(&subject);
        let drained = row.map_or(kept.drained, |row| row.draining && (facts.drained || !facts.drains_itself));
        if drained != kept.drained {
            asks.say(Output::Keep(BuddyList { drained, ..kept }));
        }
        Some(NextPhase::Stopped(Stopped::Left))
    }
}
