//! R12, answering: questions from other servers. Each is answered as soon as its subject is heard, and dropped if the
//! subject is not.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detector::State;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::engine::watching::Watch;
use crate::notice::NoticeBody;
use crate::row::Address;
use crate::{Incarnation, Time};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Questions {
    /// By the address that they are about.
    open: BTreeMap<Address, Question>,
    /// The earliest time at which all questions so far would have been allowed if they had come evenly spread.
    allowed: Time,
}

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    since: Time,
    until: Time,
    askers: Vec<(Address, u16)>,
}

impl Questions {
    /// At most this many servers are probed for others at a time.
    const OPEN: usize = 4;
    /// At most this many servers get an answer about each subject.
    const ASKERS: usize = 8;
    /// Each question uses up this much of the allowance ...
    const COST: Duration = Duration::from_millis(50);
    /// ... and at most this much may be saved: a burst of sixteen questions.
    const SAVED: Duration = Duration::from_millis(800);
    /// A question stays open for this long, and for at least three probes.
    const LIFE: Duration = Duration::from_millis(500);

    /// Addresses that this server probes for others.
    pub fn probed(&self) -> impl Iterator<Item = Address> {
        self.open.keys().copied()
    }

    /// Another server does not hear this address.
    pub fn asked(&mut self, facts: &Facts, about: Address, asker: (Address, u16)) {
        if about == facts.identity.card.address {
            return;
        }
        let now = facts.now;
        let allowed = self.allowed.max(now) + Self::COST;
        if allowed > now + Self::SAVED || (self.open.len() >= Self::OPEN && !self.open.contains_key(&about)) {
            return;
        }
        self.allowed = allowed;
        let until = now + Self::LIFE.max(facts.identity.tuning.interval * 3);
        let open = self.open.entry(about).or_insert_with(|| Question { since: now, until, askers: Vec::new() });
        // Earlier askers may have the later proof too.
        (open.since, open.until) = (now, until);
        if !open.askers.contains(&asker) && open.askers.len() < Self::ASKERS {
            open.askers.push(asker);
        }
    }

    /// Answers the questions that can be answered.
    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks) {
        let now = facts.now;
        self.open.retain(|_, open| open.until > now);
        let answers = self.open.iter().filter_map(|(about, open)| {
            let watch = facts.watches.iter().find(|w| w.target.address == *about)?;
            heard(watch, open.since).map(|(incarnation, at)| (*about, incarnation, at))
        });
        for (about, incarnation, at) in answers.collect::<Vec<_>>() {
            let age_ms = u32::try_from(now.since(at).as_millis()).unwrap_or(u32::MAX);
            for (to, port) in self.open.remove(&about).into_iter().flat_map(|open| open.askers) {
                asks.send(to, port, NoticeBody::Proof { incarnation, age_ms });
            }
        }
        if let Some(until) = self.open.values().map(|open| open.until).min() {
            asks.wake_at(until);
        }
    }
}

/// The life that answered after this moment, with a pulse, and the time of its last answer.
fn heard(watch: &Watch, since: Time) -> Option<(Incarnation, Time)> {
    let at = watch.reading.last_reply.filter(|at| *at >= since)?;
    let life = watch.reading.incarnation;
    (watch.detector.state() == State::Alive && life != Incarnation(0)).then_some((life, at))
}
