//! R12, answering: who asks whether this server hears another one makes it watch that one for a moment. Then its kernel
//! says what it hears, in its replies to whoever asks.
//!
//! A server of wire version 1 asks in a notice, and gets a notice as soon as the other one is heard. So do a
//! starting server whose name another one has, and `ringmon pool rotate-key`.

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
use crate::{Incarnation, ServerId, Time};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Questions {
    /// By the address that they are about.
    open: BTreeMap<Address, Question>,
    /// The earliest time at which all questions so far would have been allowed if they had come evenly spread.
    allowed: Time,
}

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    /// The row that it is about; [`ServerId::NEW`]: it came in notices alone.
    server: ServerId,
    since: Time,
    until: Time,
    /// Those that asked in a notice.
    askers: Vec<(Address, u16)>,
}

impl Questions {
    /// At most this many servers are probed for others at a time.
    const OPEN: usize = 8;
    /// At most this many servers get a notice about each subject.
    const ASKERS: usize = 8;
    /// Each question uses up this much of the allowance ...
    const COST: Duration = Duration::from_millis(50);
    /// ... and at most this much may be saved: a burst of sixteen questions.
    const SAVED: Duration = Duration::from_millis(800);
    /// A question stays open for this long, and for at least three probes.
    const LIFE: Duration = Duration::from_millis(500);

    /// Servers that this one probes for others.
    pub fn probed(&self) -> impl Iterator<Item = (ServerId, Address)> {
        self.open.iter().map(|(address, open)| (open.server, *address))
    }

    /// A prober asks about this server, and goes on asking: only the first time is a new question.
    pub fn asked_in_probes(&mut self, facts: &Facts, server: ServerId, address: Address) {
        let known = self.open.get_mut(&address).filter(|open| open.server == server);
        if let Some(open) = known {
            open.until = open.until.max(Self::end(facts));
        } else if let Some(open) = self.open(facts, address) {
            open.server = server;
        }
    }

    /// A notice says that its sender does not hear this address.
    pub fn asked_in_notice(&mut self, facts: &Facts, about: Address, asker: (Address, u16)) {
        let Some(open) = self.open(facts, about) else { return };
        // Earlier askers may have the later proof too.
        open.since = facts.now;
        if !open.askers.contains(&asker) && open.askers.len() < Self::ASKERS {
            open.askers.push(asker);
        }
    }

    /// The question about this address, if one more is allowed.
    fn open(&mut self, facts: &Facts, about: Address) -> Option<&mut Question> {
        let now = facts.now;
        let allowed = self.allowed.max(now) + Self::COST;
        let room = self.open.len() < Self::OPEN || self.open.contains_key(&about);
        if about == facts.identity.card.address || allowed > now + Self::SAVED || !room {
            return None;
        }
        self.allowed = allowed;
        let new = || Question { server: ServerId::NEW, since: now, until: now, askers: Vec::new() };
        let open = self.open.entry(about).or_insert_with(new);
        open.until = Self::end(facts);
        Some(open)
    }

    fn end(facts: &Facts) -> Time {
        facts.now + Self::LIFE.max(facts.identity.tuning.interval * 3)
    }

    /// Answers the notices that can be answered.
    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks) {
        let now = facts.now;
        self.open.retain(|about, open| {
            let watch = facts.watches.iter().find(|w| w.target.address == *about);
            if let Some((incarnation, at)) = watch.and_then(|watch| heard(watch, open.since)) {
                let age_ms = u32::try_from(now.since(at).as_millis()).unwrap_or(u32::MAX);
                let answered = !open.askers.is_empty();
                for (to, port) in open.askers.drain(..) {
                    asks.send(to, port, NoticeBody::Proof { incarnation, age_ms });
                }
                if answered && open.server == ServerId::NEW {
                    return false;
                }
            }
            open.until > now
        });
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
