//! The one state machine of an agent: evidence in, decisions out.
//!
//! Call order, after quinn-proto: call [`Engine::handle`] for each input, and [`Engine::handle_timeout`] when
//! [`Engine::poll_timeout`] is due. After either, drain [`Engine::poll_output`] until `None`, then ask
//! [`Engine::poll_timeout`] again. No call blocks, reads a clock or fails. Readings of watches come several at a time:
//! each is taken in, and what follows from all of them is decided in the next call, which is due at once.
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
//!  A member whose table went back in time starts over: it finds its row and takes it again, or joins.
//!  Stop, a configuration error or an operator's command ends each phase in Stopped.
//! ```
//!
//! Each phase is level-triggered: an input changes what is known, then `settle` compares what is true with what is
//! under way and asks for the difference. So a lost input causes a delay and never blocks the engine for good.

mod asks;
mod away;
mod blind;
mod callers;
mod contract;
mod entry;
mod epoch;
mod facts;
mod followers;
mod joining;
mod leaving;
mod member;
mod path;
mod show;
mod sight;
mod starting;
mod table;
#[cfg(test)]
mod tests;
mod trial;
mod watching;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use self::asks::Asks;
use self::away::Away;
pub use self::contract::{Answers, Identity, Input, Output, Stopped, TableDone, TableFailure};
use self::entry::NextPhase;
use self::facts::Facts;
use self::joining::Joining;
use self::leaving::Leaving;
use self::member::Member;
pub use self::show::{BrokenLink, Snapshot, WatchView};
use self::starting::Starting;
use self::table::Concern;
use crate::backoff::Rejoin;
use crate::buddy::BuddyList;
use crate::event::{EventBody, Service};
use crate::evidence::LocalFault;
use crate::host::HostChange;
use crate::{Health, Time};

/// See the module's documentation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    facts: Facts,
    asks: Asks,
    phase: Phase,
    rejoin: Rejoin,
    /// The next call that is needed only to notice that this loop stood still.
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

impl Engine {
    /// A call that comes this much later than requested is the fault of the machine or the loop.
    const LATE: Duration = Duration::from_millis(50);
    /// A server that stood still for longer than this may have been removed in the meantime, and looks. A removal takes
    /// [`law::REMOVAL_SILENCE`](crate::law::REMOVAL_SILENCE) from the last reply, which may be an interval older.
    const STILL: Duration = Duration::from_millis(75);
    /// While this server watches another, it asks for a call at least this often, to notice when it stood still.
    const BEAT: Duration = Duration::from_millis(50);

    /// Creates an engine that has not started.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            asks: Asks::new(&identity.card.name, identity.seed),
            facts: Facts::new(identity),
            phase: Phase::Idle,
            rejoin: Rejoin::new(),
            beat: None,
        }
    }

    /// Something happened at `now`, which never goes backwards.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.turn(now);
        let reading = matches!(input, Input::Watch(..));
        let next = self.input(input);
        if reading {
            return self.asks.wake_at(self.facts.now);
        }
        self.go(next);
        self.settle();
    }

    /// The moment from [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        self.turn(now);
        self.settle();
    }

    /// When to call [`Self::handle_timeout`] at the latest; `None`: only inputs matter.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.asks.wake().into_iter().chain(self.beat).min()
    }

    /// When there will be work if no reading changes: [`Self::poll_timeout`] without the beat. For a simulator.
    #[must_use]
    pub fn poll_errand(&self) -> Option<Time> {
        self.asks.wake()
    }

    /// The caller guarantees that this loop was called as it asked until `now` and that these calls did nothing. For a
    /// simulator.
    pub fn rest_until(&mut self, now: Time) {
        self.clock(now);
        self.beat = self.beat.map(|beat| beat.max(now));
    }

    /// The next thing to do. Call it until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.asks.take()
    }

    /// A member's buddies as it knows them; `None`: it is not a member, or has not read its row yet.
    #[must_use]
    pub fn member(&self) -> Option<&BuddyList> {
        if let Phase::Member(member) = &self.phase { member.kept() } else { None }
    }

    /// A copy of everything worth showing.
    #[must_use]
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let base = |phase| Snapshot::of(&self.facts, &self.asks, phase, now);
        match &self.phase {
            Phase::Idle => base("starting"),
            Phase::Starting(starting) => {
                let (buddies, waiting) = (starting.kept().cloned(), starting.waiting().map(ToOwned::to_owned));
                Snapshot { buddies, waiting, ..base("starting") }
            }
            Phase::Joining(joining) => Snapshot { waiting: joining.waiting().cloned(), ..base("joining") },
            Phase::Member(member) => member.show(&self.facts, &self.asks, now),
            Phase::Removed { .. } => base("removed"),
            Phase::Leaving(_) => base("leaving"),
            Phase::Stopped => base("stopped"),
        }
    }

    fn clock(&mut self, now: Time) {
        self.facts.now = now.max(self.facts.now);
        self.asks.turn(self.facts.now);
    }

    /// Sets the time. A call long after it was requested means that this loop, or the whole machine, stood still.
    fn turn(&mut self, now: Time) {
        let before = self.facts.now;
        self.clock(now);
        if self.beat.is_some()
            && now.since(before) >= Self::STILL
            && let Phase::Member(member) = &mut self.phase
        {
            member.hint(&self.facts);
        }
        if let Some(due) = self.poll_timeout()
            && now > due + Self::LATE
        {
            self.fault(LocalFault::LoopLate, due, now);
        }
    }

    /// What this server observed in this span does not count. If it was late for long, it may also have been removed in
    /// the meantime.
    fn fault(&mut self, fault: LocalFault, from: Time, until: Time) {
        self.facts.fault(&mut self.asks, fault, from, until);
        if until.since(from) >= Self::LATE
            && let Phase::Member(member) = &mut self.phase
        {
            member.hint(&self.facts);
        }
    }

    fn input(&mut self, input: Input) -> Option<NextPhase> {
        if matches!(self.phase, Phase::Stopped) {
            return None;
        }
        let Self { facts, asks, phase, .. } = self;
        match (input, phase) {
            (Input::Start { kept }, Phase::Idle) => {
                facts.away = Away::started(facts.now);
                facts.drained = facts.identity.start_drained || kept.as_ref().is_some_and(|kept| kept.drained);
                self.phase = Phase::Starting(Starting::new(kept, self.facts.now));
            }
            (Input::Watch(id, reading), _) => facts.observe(asks, id, reading),
            (Input::Fault { fault, from, until }, _) => self.fault(fault, from, until),
            (Input::Link(up), phase) => {
                facts.link(asks, up);
                if let Phase::Member(member) = phase {
                    member.hint(facts);
                }
            }
            (Input::Host { change, interface }, phase) => {
                facts.host_changed(change);
                asks.own_event(EventBody::HostChanged { change, interface });
                // Whoever could not be reached may have been removed.
                let is_back = matches!(change, HostChange::AddressBack | HostChange::InterfaceBack);
                if is_back && let Phase::Member(member) = phase {
                    member.hint(facts);
                }
            }
            (Input::Service(health), phase) => service(facts, asks, phase, health),
            (Input::Weight(weight), _) => reweighed(facts, asks, weight),
            (Input::Stranger(address), Phase::Member(member)) => member.stranger(facts, address),
            (Input::Asked { server, address }, Phase::Member(member)) => member.asked(facts, server, address),
            (Input::Answered { address, at, proved }, phase) => {
                facts.path.frame(address, at);
                match phase {
                    Phase::Joining(joining) => joining.answered(address, at, proved),
                    Phase::Member(member) => member.answered(facts, address, at, proved),
                    Phase::Idle | Phase::Starting(_) | Phase::Removed { .. } | Phase::Leaving(_) | Phase::Stopped => {}
                }
            }
            (Input::Notice(notice, _), Phase::Starting(starting)) => return starting.notice(&notice),
            (Input::Notice(notice, from), Phase::Member(member)) => member.notice(facts, asks, &notice, from),
            (Input::Table(done), _) => return self.table(&done),
            (Input::Stop { leave }, _) => return self.stop(leave),
            (Input::Drain, Phase::Member(member)) => member.drain(),
            // These inputs mean nothing to this phase.
            (Input::Start { .. } | Input::Stranger(_) | Input::Asked { .. } | Input::Notice(..) | Input::Drain, _) => {}
        }
        None
    }

    fn table(&mut self, done: &TableDone) -> Option<NextPhase> {
        let Self { facts, asks, phase, .. } = self;
        let most = match phase {
            Phase::Member(member) => member.patience(),
            Phase::Leaving(_) => Leaving::RETRY,
            Phase::Idle | Phase::Starting(_) | Phase::Joining(_) | Phase::Removed { .. } | Phase::Stopped => {
                Duration::MAX
            }
        };
        let concern = asks.ended(done, most);
        facts.adopt_pool(asks, &done.snapshot);
        let concern = concern?;
        match phase {
            Phase::Starting(starting) => starting.table(facts, asks, concern, done),
            Phase::Joining(joining) => joining.table(facts, asks, concern, done),
            Phase::Member(member) => member.table(facts, asks, concern, done),
            Phase::Leaving(leaving) => leaving.table(facts, asks, concern, done),
            Phase::Idle | Phase::Removed { .. } | Phase::Stopped => None,
        }
    }

    /// Clean shutdown.
    fn stop(&mut self, leave: bool) -> Option<NextPhase> {
        let asks = &mut self.asks;
        let (row, kept) = match &self.phase {
            Phase::Member(member) => (Some(asks.me()), member.kept().cloned()),
            // The row of the last run may still be there, and be this server's or that of the one that it is a copy of;
            // the database cannot say.
            Phase::Starting(starting) if starting.kept().is_some() && asks.tables().away().is_some() => {
                let cause = asks.tables().away().map(|(_, cause)| cause.clone()).unwrap_or_default();
                return Some(NextPhase::Stopped(if leave { Stopped::RowRemains(cause) } else { Stopped::Stayed }));
            }
            Phase::Starting(_) | Phase::Idle | Phase::Joining(_) | Phase::Removed { .. } => (None, None),
            Phase::Leaving(_) | Phase::Stopped => return None,
        };
        if row.is_none() && !asks.busy(Concern::Join) {
            return Some(NextPhase::Stopped(Stopped::Left));
        }
        if !leave {
            return Some(NextPhase::Stopped(Stopped::Stayed));
        }
        if row.is_some() {
            asks.forget_operations();
        }
        self.phase = Phase::Leaving(Leaving::new(row, kept, &self.facts, asks));
        None
    }

    fn settle(&mut self) {
        self.asks.clear_wake();
        self.beat = None;
        self.facts.look_around(&mut self.asks);
        // A phase may hand over to the next one, which has its own work to begin. Each hands over at most once.
        for _ in 0..4 {
            let Self { facts, asks, phase, .. } = self;
            let next = match phase {
                Phase::Starting(starting) => starting.settle(facts, asks),
                Phase::Joining(joining) => joining.settle(facts, asks),
                Phase::Member(member) => {
                    member.settle(facts, asks);
                    None
                }
                Phase::Removed { rejoin_at } => {
                    let at = *rejoin_at;
                    asks.due(at).then_some(NextPhase::Starting { at, rejoining: true })
                }
                Phase::Leaving(leaving) => leaving.settle(facts, asks),
                Phase::Idle | Phase::Stopped => None,
            };
            if next.is_none() {
                break;
            }
            self.go(next);
        }
        if !self.facts.watches.is_empty() {
            self.beat = Some(self.facts.now + Self::BEAT);
        }
    }

    fn go(&mut self, next: Option<NextPhase>) {
        let Some(next) = next else { return };
        let Self { facts, asks, rejoin, .. } = self;
        asks.forget_operations();
        self.phase = match next {
            NextPhase::Member(spliced) => {
                rejoin.joined(facts.now);
                Phase::Member(Box::new(Member::begin(facts, asks, &spliced)))
            }
            NextPhase::Joining { rejoining } => Phase::Joining(Joining::new(facts, rejoining)),
            NextPhase::Starting { at, rejoining } => Phase::Starting(Starting::again(at, rejoining)),
            NextPhase::StartOver { kept } => Phase::Starting(Starting::new(kept, facts.now)),
            NextPhase::Removed { outage } => {
                outage.into_iter().for_each(|silence| facts.own_outages.survived(silence, facts.now));
                facts.watch_only(asks, &[]);
                let pause = rejoin.removed(facts.now, asks.rng());
                Phase::Removed { rejoin_at: facts.now + pause }
            }
            NextPhase::Stopped(stopped) => {
                facts.watch_only(asks, &[]);
                asks.say(Output::Stopped(stopped));
                Phase::Stopped
            }
        };
    }
}

/// The service checks of this server report another result.
fn service(facts: &mut Facts, asks: &mut Asks, phase: &Phase, health: Health) {
    if health == facts.health {
        return;
    }
    facts.health = health;
    asks.own_event(EventBody::Service(Service { health: Some(health), ..Service::default() }));
    if let Phase::Member(_) = phase {
        facts.identify(asks);
    }
}

/// An operator gave this server another share of the clients.
fn reweighed(facts: &mut Facts, asks: &mut Asks, weight: u16) {
    let clients = &mut facts.identity.card.clients;
    if weight != clients.weight {
        clients.weight = weight;
        asks.own_event(EventBody::Service(Service { weight: Some(weight), ..Service::default() }));
    }
}
