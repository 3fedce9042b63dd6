//! The one state machine of an agent: evidence in, decisions out.
//!
//! Call order, after quinn-proto: [`Engine::handle`] for each input and [`Engine::handle_timeout`] when
//! [`Engine::poll_timeout`] is due; after either, drain [`Engine::poll_output`] until `None`, then ask
//! [`Engine::poll_timeout`] again. No call blocks, reads a clock or fails.
//!
//! ```text
//!             own row found        proof from both ends,
//!             and free to take     spliced in
//!  Starting ----------------> Member <----------- Joining
//!     |  ^                     |   |                 ^
//!     |  | back-off over       |   | Stop(leave)     | no such row
//!     |  +---- Removed <-------+   v                 |
//!     |          (row gone)      Leaving             |
//!     +----------------------------------------------+
//!  Stop, a configuration error or an operator's word end each of them in Stopped.
//! ```
//!
//! Each phase is level-triggered: an input changes what is known, then `settle` compares what is true with what
//! is under way and asks for the difference. So a lost input delays and never wedges.

mod alone;
mod common;
mod contract;
mod followers;
mod joining;
mod leaving;
mod member;
mod show;
mod starting;
mod suspicion;
mod table;
mod view;
mod voting;
mod watching;
mod witness;

use alloc::boxed::Box;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use self::common::Common;
pub use self::contract::{Buddy, BuddyList, Identity, Input, Output, Stopped, TableDone, TableFailure};
use self::joining::Joining;
use self::leaving::Leaving;
use self::member::Member;
use self::show::Standing;
pub use self::show::{BrokenLink, Snapshot, WatchView};
use self::starting::Starting;
use super::event::{EventBody, Service};
use super::evidence::LocalFault;
pub use super::op::TableOp;
use super::{Incarnation, Time};
use crate::backoff::Rejoin;

/// See the module's documentation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    common: Common,
    phase: Phase,
    rejoin: Rejoin,
    /// The call that is asked for only so that standing still shows.
    beat: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Phase {
    Idle,
    Starting(Starting),
    Joining(Joining),
    Member(Box<Member>),
    Removed { rejoin_at: Time },
    Leaving(Leaving),
    Stopped,
}

/// What a phase wants to become.
#[derive(Debug)]
enum Next {
    /// The own row is there: a member from now on.
    Join(joining::Spliced),
    /// No such row: look for a place.
    Place {
        rejoining: bool,
    },
    /// Look for the own row (again) at this time.
    Find {
        at: Time,
        rejoining: bool,
    },
    /// The own row is gone, and not by an operator's word.
    Removed,
    Stop(Stopped),
}

impl Engine {
    /// A call that comes this much later than asked for was the machine's or the loop's fault. Whoever stands still for
    /// longer than a removal takes must notice, or it would not know that it may have been removed meanwhile.
    const LATE: Duration = Duration::from_millis(50);
    /// While anybody is watched, a call is asked for at least this often, so that standing still shows.
    const BEAT: Duration = Duration::from_millis(50);

    /// An engine that has not started.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { common: Common::new(identity), phase: Phase::Idle, rejoin: Rejoin::new(), beat: None }
    }

    /// Something happened at `now`, which never goes backwards.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.turn(now);
        let next = self.input(input);
        self.go(next);
        self.settle();
    }

    /// The moment of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        self.turn(now);
        self.settle();
    }

    /// When to call [`Self::handle_timeout`] at the latest; `None`: only inputs matter.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match (self.common.wake(), self.beat) {
            (Some(wake), Some(beat)) => Some(wake.min(beat)),
            (wake, beat) => wake.or(beat),
        }
    }

    /// When there will be something to do if no reading changes: [`Self::poll_timeout`] without the beat. For a simulator.
    #[must_use]
    pub fn poll_errand(&self) -> Option<Time> {
        self.common.wake()
    }

    /// The caller answers for it that this loop was called as it asked until `now`, and that nothing came of it. For a simulator.
    pub fn rest_until(&mut self, now: Time) {
        self.common.now = now.max(self.common.now);
        self.beat = self.beat.map(|beat| beat.max(now));
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.common.take()
    }

    /// A member's buddies as it knows them; `None`: it is no member, or has not read its row yet.
    #[must_use]
    pub fn member(&self) -> Option<&BuddyList> {
        match &self.phase {
            Phase::Member(member) => member.kept.as_ref(),
            Phase::Idle
            | Phase::Starting(_)
            | Phase::Joining(_)
            | Phase::Removed { .. }
            | Phase::Leaving(_)
            | Phase::Stopped => None,
        }
    }

    /// A copy of everything worth showing.
    #[must_use]
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let bare = |phase| Standing {
            phase,
            id: None,
            incarnation: Incarnation(0),
            buddies: None,
            drained: None,
            draining: false,
        };
        let standing = match &self.phase {
            Phase::Idle => bare("starting"),
            Phase::Starting(starting) => Standing { buddies: starting.kept().cloned(), ..bare("starting") },
            Phase::Joining(_) => bare("joining"),
            Phase::Member(member) => member.standing(),
            Phase::Removed { .. } => bare("removed"),
            Phase::Leaving(_) => bare("leaving"),
            Phase::Stopped => bare("stopped"),
        };
        Snapshot::of(&self.common, standing, now)
    }

    /// Take the time. A call long after it was asked for means that this loop, or the whole machine, stood still.
    fn turn(&mut self, now: Time) {
        self.common.now = now.max(self.common.now);
        if let Some(due) = self.poll_timeout()
            && now > due + Self::LATE
        {
            self.fault(LocalFault::LoopLate, due, now);
        }
    }

    /// Own evidence of a span counts for nothing. Who stood still for long may also have been removed meanwhile.
    fn fault(&mut self, fault: LocalFault, from: Time, until: Time) {
        self.common.fault(fault, from, until);
        if let Phase::Member(member) = &mut self.phase
            && until.since(from) >= Self::LATE
        {
            member.hint(&self.common);
        }
    }

    fn input(&mut self, input: Input) -> Option<Next> {
        if matches!(self.phase, Phase::Stopped) {
            return None;
        }
        match input {
            Input::Start { kept } => {
                if matches!(self.phase, Phase::Idle) {
                    self.phase = Phase::Starting(Starting::new(kept, self.common.now));
                }
            }
            Input::Watch(id, reading) => self.common.observe(id, reading),
            Input::Fault { fault, from, until } => self.fault(fault, from, until),
            Input::Link(up) => {
                self.common.link(up);
                if let Phase::Member(member) = &mut self.phase {
                    member.hint(&self.common);
                }
            }
            Input::Service(health) => self.service(health),
            Input::Stranger(address) => {
                if let Phase::Member(member) = &mut self.phase {
                    member.stranger(&self.common, address);
                }
            }
            Input::Answered(address, at) => match &mut self.phase {
                Phase::Joining(joining) => joining.answered(address, at),
                Phase::Member(member) => member.answered(&mut self.common, address, at),
                Phase::Idle | Phase::Starting(_) | Phase::Removed { .. } | Phase::Leaving(_) | Phase::Stopped => {}
            },
            Input::Notice(notice, from) => {
                if let Phase::Member(member) = &mut self.phase {
                    member.notice(&mut self.common, &notice, from);
                }
            }
            Input::Table(done) => return self.table(done),
            Input::Stop { leave } => return self.stop(leave),
            Input::Drain => {
                if let Phase::Member(member) = &mut self.phase {
                    member.drain();
                }
            }
        }
        None
    }

    fn table(&mut self, done: TableDone) -> Option<Next> {
        let most = match &self.phase {
            Phase::Member(member) => member.patience(),
            Phase::Leaving(_) => Leaving::RETRY,
            Phase::Idle | Phase::Starting(_) | Phase::Joining(_) | Phase::Removed { .. } | Phase::Stopped => {
                Duration::MAX
            }
        };
        let concern = self.common.ended(&done, most)?;
        let common = &mut self.common;
        match &mut self.phase {
            Phase::Starting(starting) => starting.table(common, concern, done),
            Phase::Joining(joining) => joining.table(common, concern, done),
            Phase::Member(member) => member.table(common, concern, done),
            Phase::Leaving(leaving) => leaving.table(common, concern, done),
            Phase::Idle | Phase::Removed { .. } | Phase::Stopped => None,
        }
    }

    fn service(&mut self, health: super::Health) {
        if health == self.common.health {
            return;
        }
        self.common.health = health;
        self.common.own_event(EventBody::Service(Service { health: Some(health), ..Service::default() }));
        if let Phase::Member(member) = &mut self.phase {
            member.service(&mut self.common);
        }
    }

    fn settle(&mut self) {
        self.common.clear_wake();
        self.beat = None;
        // A phase may hand over to the next, which has its own things to begin; each hands over at most once.
        for _ in 0..4 {
            let common = &mut self.common;
            let next = match &mut self.phase {
                Phase::Starting(starting) => starting.settle(common),
                Phase::Joining(joining) => joining.settle(common),
                Phase::Member(member) => member.settle(common),
                Phase::Removed { rejoin_at } => {
                    let at = *rejoin_at;
                    common.due(at).then_some(Next::Find { at, rejoining: true })
                }
                Phase::Leaving(leaving) => leaving.settle(common),
                Phase::Idle | Phase::Stopped => None,
            };
            if next.is_none() {
                break;
            }
            self.go(next);
        }
        if !self.common.watches.is_empty() {
            self.beat = Some(self.common.now + Self::BEAT);
        }
    }

    fn go(&mut self, next: Option<Next>) {
        let Some(next) = next else { return };
        self.common.tables.forget();
        self.phase = match next {
            Next::Join(spliced) => {
                self.rejoin.joined(self.common.now);
                Phase::Member(Box::new(Member::begin(&mut self.common, spliced)))
            }
            Next::Place { rejoining } => Phase::Joining(Joining::new(&self.common, rejoining)),
            Next::Find { at, rejoining } => Phase::Starting(Starting::again(at, rejoining)),
            Next::Removed => {
                self.common.watch_only(&[]);
                let pause = self.rejoin.removed(self.common.now, &mut self.common.rng);
                Phase::Removed { rejoin_at: self.common.now + pause }
            }
            Next::Stop(stopped) => {
                self.common.watch_only(&[]);
                self.common.say(Output::Stopped(stopped));
                Phase::Stopped
            }
        };
    }
}

#[cfg(test)]
mod tests;
