//! Whether this server sees the others at all. A probe that did not leave is no miss, so a server that cannot send
//! suspects nobody, however dead the others are. It must say so.
//!
//! What counts is evidence: a proof of life, or a miss. A watch that is read for a while and gets neither is **blind**,
//! whatever the cause; if probes are held up, the datapath says by what. The server is blind if all of its watches are,
//! or if it hears nobody; a pool's only other server may have died instead. If it hears somebody, it is blind only
//! towards those servers that it cannot probe.
//!
//! A blind watch shows neither life nor death: no vote rests on it, and this server's kernel does not speak of its
//! server. While a buddy cannot be seen, this server's answers say so, and others look past it (R9).

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::asks::Asks;
use super::facts::Facts;
use super::sight::deaf;
use super::watching::Watch;
use crate::blindness::Blindness;
use crate::event::EventBody;
use crate::evidence::Purpose;
use crate::time::millis;
use crate::{ServerId, Time};

/// If all watches get blind, that is said of the server. So one watch waits a little for the others; it does so too
/// when the server sees again.
const OTHERS: Duration = Duration::from_millis(150);

/// The reason may change again and again. It is reported no more often than this.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// What the kernel has told of this server's interface and address since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// Nothing: they are as they were.
    #[default]
    Untold,
    /// One of them is gone.
    Lost(Blindness),
    /// They are there again.
    Back,
}

/// Why this server sees nobody, and since when.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Blind {
    why: Option<(Time, Blindness)>,
    /// When that was last reported, and with which reason.
    said: Option<(Time, Blindness)>,
    /// When that last ended.
    saw: Time,
}

impl Blind {
    pub const fn since(&self) -> Option<(Time, Blindness)> {
        self.why
    }
}

fn on_ring(watch: &&Watch) -> bool {
    matches!(watch.purpose, Purpose::Buddy | Purpose::Ahead)
}

impl Facts {
    /// Looks whether this server sees others, and reports what has changed.
    pub fn look_around(&mut self, asks: &mut Asks) {
        let why = self.sees_nobody();
        if let Some(why) = why {
            let since = self.blind.why.map_or(self.now, |(since, _)| since);
            self.blind.why = Some((since, why));
            let said = self.blind.said.filter(|(_, said)| *said == why);
            let lately = self.blind.said.filter(|(at, _)| self.now.since(*at) < SAID_EVERY);
            if said.or(lately).is_none() {
                self.blind.said = Some((self.now, why));
                asks.own_event(EventBody::Blind { all: true, why });
            }
        } else if why.is_none()
            && let Some((since, _)) = self.blind.why.take()
        {
            (self.blind.saw, self.blind.said) = (self.now, None);
            asks.own_event(EventBody::SeesAgain { all: true, blind_ms: millis(self.now.since(since)) });
        }
        self.look_at_each(asks);
    }

    /// Reports servers that this one cannot see, while it sees others.
    fn look_at_each(&mut self, asks: &mut Asks) {
        let (now, tuning) = (self.now, &self.identity.tuning);
        let whole = self.blind.why.is_some() || now.since(self.blind.saw) < OTHERS;
        for watch in self.watches.iter_mut() {
            let late = watch.sight.is_blind_for(OTHERS, &watch.reading, tuning);
            match (watch.sight.blind(), watch.sight.told) {
                (Some(why), None) if !whole && late && on_ring(&&*watch) => {
                    watch.sight.told = Some(now);
                    asks.event(&watch.target.name, EventBody::Blind { all: false, why });
                }
                (None, Some(since)) => {
                    watch.sight.told = None;
                    let blind_ms = millis(now.since(since));
                    asks.event(&watch.target.name, EventBody::SeesAgain { all: false, blind_ms });
                }
                (Some(_), _) | (None, None) => {}
            }
        }
    }

    fn sees_nobody(&self) -> Option<Blindness> {
        // The kernel has said so, and no evidence has to be missed first.
        if let Way::Lost(why) = self.way {
            return Some(why);
        }
        let tuning = &self.identity.tuning;
        let watches = || self.watches.iter().filter(on_ring);
        if watches().any(|watch| watch.sight.is_dark(tuning) == Some(false)) {
            return None;
        }
        let known = self.blind.why.map(|(_, why)| why);
        if watches().next().is_none() {
            // What is wrong with this machine is so, whomever it watches. The silent may have left the table.
            let link = self.link_down.map(|_| Blindness::LinkDown);
            return link.or(known.filter(|why| why.is_of_this_machine() && !self.is_over(*why)));
        }
        // Whoever has just come into view says nothing yet.
        if watches().any(|watch| watch.sight.is_dark(tuning).is_none()) {
            return known;
        }
        if let Some(why) = watches().find_map(|watch| watch.sight.blind()) {
            return Some(why);
        }
        let lately = self.now - deaf(tuning) / 2;
        let arrives =
            watches().any(|watch| self.callers.reached_since(watch.target.id, lately, self.now, tuning.interval));
        let why = if arrives { Blindness::NoAnswer } else { Blindness::ReceivePath };
        (watches().count() > 1).then_some(why)
    }

    /// Whether the kernel has told that this is no longer so.
    fn is_over(&self, why: Blindness) -> bool {
        match why {
            Blindness::LinkDown => self.link_down.is_none(),
            Blindness::NoAddress | Blindness::NoDevice => self.way == Way::Back,
            Blindness::Filtered
            | Blindness::NoRoute
            | Blindness::NeighboursFull
            | Blindness::Unstamped
            | Blindness::NoAnswer
            | Blindness::ReceivePath
            | Blindness::Unknown => false,
        }
    }

    /// Whether that server says that it is blind: there is no use in asking it.
    pub fn is_known_blind(&self, server: ServerId) -> bool {
        self.mute(server).is_some_and(|said| said.blind)
    }

    /// Whether this server cannot say of a buddy whether it lives.
    pub fn is_blind(&self) -> bool {
        let mut buddies = self.watches.iter().filter(|watch| watch.purpose == Purpose::Buddy);
        self.blind.why.is_some() || buddies.any(|watch| watch.sight.blind().is_some())
    }
}
