//! R12: whom asked witnesses heard, and when. What every side's votes look at.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Incarnation, ServerId, Time};

/// See the module.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Proofs {
    heard: BTreeMap<ServerId, (Incarnation, Time)>,
    /// Who votes against this server, as last read.
    accusers: BTreeSet<ServerId>,
}

impl Proofs {
    /// Nobody is removed for this long after a proof: three rounds of questions, of which two may be lost.
    const FRESH: Duration = Duration::from_secs(3);

    /// Whether this life of it was heard a moment ago.
    pub fn fresh(&self, server: ServerId, incarnation: Incarnation, now: Time) -> bool {
        self.heard.get(&server).is_some_and(|(life, at)| *life == incarnation && now.since(*at) < Self::FRESH)
    }

    /// Whether it votes against this server, as last read.
    pub fn accuses(&self, server: ServerId) -> bool {
        self.accusers.contains(&server)
    }

    /// Whether the own vote against it is to be taken back.
    pub fn spare(&self, server: ServerId, incarnation: Incarnation, now: Time) -> bool {
        self.fresh(server, incarnation, now) && !self.accusers.contains(&server)
    }

    /// A witness heard this life of it at that time.
    pub fn heard(&mut self, server: ServerId, incarnation: Incarnation, at: Time) {
        self.heard.insert(server, (incarnation, at));
    }

    /// Forget those that are not silent here any more; the accusers are these.
    pub fn keep(&mut self, silent: &BTreeSet<ServerId>, accusers: BTreeSet<ServerId>) {
        self.heard.retain(|id, _| silent.contains(id));
        self.accusers = accusers;
    }

    /// When the next proof is fresh no longer.
    pub fn next_end(&self, now: Time) -> Option<Time> {
        self.heard.values().map(|(_, at)| *at + Self::FRESH).filter(|at| *at > now).min()
    }
}
