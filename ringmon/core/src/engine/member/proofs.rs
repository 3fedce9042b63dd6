//! R12: which servers the asked witnesses heard, and when. The votes of both sides depend on it.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Incarnation, ServerId, Time};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Proofs {
    heard: BTreeMap<ServerId, (Incarnation, Time)>,
    /// Servers that vote against this one, as last read.
    accusers: BTreeSet<ServerId>,
}

impl Proofs {
    /// A server is not removed for this long after a proof: three rounds of questions, of which two may be lost.
    const FRESH: Duration = Duration::from_secs(3);

    /// Whether a witness heard this life of the server within the last 3 s.
    pub fn fresh(&self, server: ServerId, incarnation: Incarnation, now: Time) -> bool {
        self.heard_at(server, incarnation).is_some_and(|at| now.since(at) < Self::FRESH)
    }

    /// When a witness last heard this life of the server, as far as it matters.
    pub fn heard_at(&self, server: ServerId, incarnation: Incarnation) -> Option<Time> {
        self.heard.get(&server).filter(|(life, _)| *life == incarnation).map(|(_, at)| *at)
    }

    /// Whether it votes against this server, as last read.
    pub fn accuses(&self, server: ServerId) -> bool {
        self.accusers.contains(&server)
    }

    /// Whether this server's vote against it must be taken back.
    pub fn spare(&self, server: ServerId, incarnation: Incarnation, now: Time) -> bool {
        self.fresh(server, incarnation, now) && !self.accusers.contains(&server)
    }

    /// A witness heard this life of it at that time. True: none had heard the server before, since it is silent here.
    pub fn heard(&mut self, server: ServerId, incarnation: Incarnation, at: Time) -> bool {
        let at = self.heard_at(server, incarnation).map_or(at, |known| at.max(known));
        self.heard.insert(server, (incarnation, at)).is_none()
    }

    /// Forgets servers that are no longer silent here, and replaces the accusers.
    pub fn keep(&mut self, silent: &BTreeSet<ServerId>, accusers: BTreeSet<ServerId>) {
        self.heard.retain(|id, _| silent.contains(id));
        self.accusers = accusers;
    }

    /// When the next proof stops being fresh.
    pub fn next_end(&self, now: Time) -> Option<Time> {
        self.heard.values().map(|(_, at)| *at + Self::FRESH).filter(|at| *at > now).min()
    }
}
