//! R3, R4: answers to votes against this server. Whoever misses a buddy, or finds votes in its own row, writes there
//! whom it hears, and renews that while it lasts.
//!
//! It does not wait for a vote before it answers. In a cut both sides miss each other at about the same time, so the
//! answer is there when the vote is; no notice has to come through, and no look at the table has to come at the right
//! moment.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::side::{After, SideWork};
use super::view::View;
use crate::detector::State;
use crate::edit::AnswerSet;
use crate::engine::asks::Asks;
use crate::engine::contract::TableDone;
use crate::engine::facts::Facts;
use crate::engine::table::Concern;
use crate::engine::watching::Watch;
use crate::law;
use crate::op::TableOp;
use crate::outcome::Outcome;
use crate::{Purpose, ServerId, Time};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answering {
    /// The next answer, if one is needed.
    next: Time,
    /// When the newest silence or vote that was answered began.
    reason: Option<Time>,
    /// When the last answer was given.
    answered: Time,
    /// The wait that this server's row was last asked to have; `None`: unknown.
    written: Option<Duration>,
    /// Whether the last answer said that this server hears nobody.
    lost: bool,
    /// Since when a buddy's kernel says that it misses this server.
    doubted: Option<Time>,
    /// Whether routers know that this server answers.
    told: bool,
}

impl Answering {
    /// This server's row was read. If it says nothing of a wait, an older schema could not take it: write it again.
    pub fn read(&mut self, view: &View) {
        let answering = view.place().and_then(|place| place.row.answering());
        if answering.is_none() || self.written.is_none() {
            self.written = answering.map(|answering| answering.wait);
        }
    }

    pub fn settle(&mut self, facts: &Facts, asks: &mut Asks, view: &View, sides: &[SideWork; 2]) {
        self.doubted = facts.doubted(asks.me().id).then(|| self.doubted.unwrap_or(facts.now));
        let reasons = sides.iter().filter_map(SideWork::suspected_since);
        let cut_off = facts.cut_off_since();
        let reason = reasons.chain(view.challenged_since()).chain(self.doubted).chain(cut_off).max();
        // An answer from before a silence says nothing to those who are deaf since then. And if the database did not
        // answer meanwhile, the table may have gone back in time (a failover, a restore), and the answer with it.
        if reason > self.reason || asks.tables().failed_at() > self.answered {
            self.next = facts.now;
        }
        let wait = facts.wait(asks);
        let hears = reason.and_then(|_| heard(facts));
        if self.lost && hears.is_some() {
            self.next = facts.now;
        }
        self.told &= hears.is_some();
        let deaf = sides.iter().all(|side| side.run().lost_buddy());
        let alone = deaf || self.doubted.is_some() || view.challenged_since().is_some() || cut_off.is_some();
        let new = reason.is_some_and(|since| facts.now.since(since) <= law::LONE_WORD - law::RENEWED);
        let says = hears.or((alone && new).then_some(asks.me().id));
        // Few writes: a wait that changes a little changes nothing.
        let other = self.written.is_none_or(|written| wait >= written * 2 || wait * 2 <= written);
        let due = says.is_some() && asks.due(self.next) || other;
        if due && asks.ready(Concern::Answer) {
            self.written = Some(wait);
            if says.is_some() {
                self.answered = facts.now;
                (self.next, self.reason, self.lost) = (facts.now + asks.revote(), reason, hears.is_none());
            }
            let (me, set) = (asks.me(), AnswerSet { wait, hears: says });
            asks.begin(Concern::Answer, TableOp::Answer { me: me.id, incarnation: me.incarnation, set });
        }
    }

    /// An answer was written, or not.
    pub fn done(&mut self, facts: &Facts, asks: &mut Asks, done: &TableDone) -> After {
        match done.result {
            // This server's row is not as this server knows it.
            Ok(Outcome::Stale) => return After::Read,
            Ok(_) => {
                // Routers must learn of the first answer before a vote counts. They read the others once a second.
                if self.next > facts.now && !core::mem::replace(&mut self.told, true) {
                    asks.tell_followers(asks.me().id);
                }
            }
            // It is unknown what the row says: write it again.
            Err(_) => (self.written, self.next) = (None, facts.now),
        }
        After::Nothing
    }
}

/// A member from which a fresh reply with a pulse came to a probe of this server: after the last miss of anybody, or
/// else this server may have gone deaf since. Probes that arrive are no proof either.
pub(super) fn heard(facts: &Facts) -> Option<ServerId> {
    let looked = |watch: &&Watch| matches!(watch.purpose, Purpose::Buddy | Purpose::Ahead);
    let missed = facts.watches.iter().filter(looked).filter_map(|watch| watch.detector.missed_at()).max();
    let fresh = facts.identity.tuning.ears() + law::READ_EVERY;
    let heard = facts.watches.iter().filter(looked).filter(|watch| {
        let known = watch.target.id != ServerId::NEW && watch.detector.state() == State::Alive;
        let within = fresh + watch.reading.patience;
        known && watch.reading.last_reply.is_some_and(|at| facts.now.since(at) <= within && Some(at) >= missed)
    });
    heard.map(|watch| watch.target.id).min()
}
