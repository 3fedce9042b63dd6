//! The end: out of the ring, or not, within the time a stopping service has; and out of the routes some time before.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::common::Common;
use super::contract::{Buddy, Stopped, TableDone};
use super::joining::Spliced;
use super::member::Member;
use super::table::Concern;
use super::{Engine, Next, Phase};
use crate::event::{EventBody, Left, Service};
use crate::notice::NoticeBody;
use crate::op::TableOp;
use crate::{Incarnation, Outcome, ServerId, Time};

/// Leaving.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Leaving {
    /// The own row; `None` while a join that was under way may still be committed.
    row: Option<(ServerId, Incarnation)>,
    buddies: Vec<Buddy>,
    until: Time,
    retry_at: Time,
    cause: String,
}

impl Leaving {
    /// The database has this long.
    const PATIENCE: Duration = Duration::from_millis(1500);
    /// Between two tries.
    pub const RETRY: Duration = Duration::from_millis(200);

    fn new(row: Option<(ServerId, Incarnation)>, buddies: Vec<Buddy>, common: &Common) -> Self {
        let cause =
            common.tables.away().map_or_else(|| "the database did not answer in time".to_owned(), |a| a.1.clone());
        Self { row, buddies, until: common.now + Self::PATIENCE, retry_at: common.now, cause }
    }

    pub fn settle(&mut self, common: &mut Common) -> Option<Next> {
        if common.due(self.until) {
            return Some(Next::Stop(Stopped::RowRemains(self.cause.clone())));
        }
        if let Some((id, incarnation)) = self.row
            && !common.tables.busy(Concern::Leave)
            && common.due(self.retry_at)
        {
            let by = common.identity.name.clone();
            common.begin(Concern::Leave, TableOp::Leave { id, incarnation: Some(incarnation), by });
        }
        None
    }

    pub fn table(&mut self, common: &mut Common, concern: Concern, done: TableDone) -> Option<Next> {
        let outcome = match done.result {
            Ok(outcome) => outcome,
            Err(failure) => {
                self.cause = failure.cause;
                self.retry_at = common.now + Self::RETRY;
                return None;
            }
        };
        if concern == Concern::Join {
            let Some(spliced) = Spliced::of(&outcome, false, 1) else { return Some(Next::Stop(Stopped::Left)) };
            self.row = Some((spliced.id, spliced.incarnation));
            return None;
        }
        if concern != Concern::Leave {
            return None;
        }
        if outcome != Outcome::Left {
            self.retry_at = common.now + common.rng.between(Duration::ZERO, Duration::from_millis(10));
            return None;
        }
        common.own_event(EventBody::Left(Left { by: Some(common.identity.name.clone()), ..Left::default() }));
        let subject = common.me.0;
        common.tell_followers(subject);
        for buddy in core::mem::take(&mut self.buddies) {
            common.send(buddy.address, buddy.notice_port, NoticeBody::Spliced { subject });
        }
        Some(Next::Stop(Stopped::Left))
    }
}

/// Whether a member that is about to leave has its row say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Drain {
    #[default]
    No,
    Wanted,
    Since(Time),
}

impl Drain {
    pub const fn since(self) -> Option<Time> {
        match self {
            Self::No | Self::Wanted => None,
            Self::Since(at) => Some(at),
        }
    }
}

impl Member {
    /// No new clients: the row is to say so.
    pub fn drain(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Wanted;
        }
    }

    pub fn settle_drain(&self, common: &mut Common) {
        if self.drain == Drain::Wanted && common.ready(Concern::Drain) {
            let (id, incarnation, by) = (self.id, Some(self.incarnation), common.identity.name.clone());
            common.begin(Concern::Drain, TableOp::SetDraining { id, incarnation, draining: true, by });
        }
    }

    /// A failure is asked again when the database may be asked again. Another life's row is none of ours: nobody is told of it.
    pub fn drained(&mut self, common: &mut Common, done: &TableDone) {
        let Ok(outcome) = &done.result else { return };
        if *outcome != Outcome::Written {
            self.drain = Drain::No;
            return;
        }
        self.drain = Drain::Since(common.now);
        common.own_event(EventBody::Service(Service { draining: Some(true), ..Service::default() }));
        common.tell_followers(self.id);
    }
}

impl Engine {
    /// Clean shutdown.
    pub(super) fn stop(&mut self, leave: bool) -> Option<Next> {
        let common = &mut self.common;
        let joining = common.tables.busy(Concern::Join);
        let (row, buddies) = match &self.phase {
            Phase::Member(member) => {
                let buddies = member.view.iter().flat_map(|v| v.buddies.iter().flatten().cloned()).collect();
                (Some((member.id, member.incarnation)), buddies)
            }
            // The kept row may be there still; the database cannot say.
            Phase::Starting(starting) => {
                let kept = starting.kept().filter(|_| common.tables.away().is_some());
                (kept.map(|k| (k.id, k.incarnation)), Vec::new())
            }
            Phase::Idle | Phase::Joining(_) | Phase::Removed { .. } => (None, Vec::new()),
            Phase::Leaving(_) | Phase::Stopped => return None,
        };
        if row.is_none() && !joining {
            return Some(Next::Stop(Stopped::Left));
        }
        if !leave {
            return Some(Next::Stop(Stopped::Stayed));
        }
        if row.is_some() {
            common.tables.forget();
        }
        self.phase = Phase::Leaving(Leaving::new(row, buddies, common));
        None
    }
}
