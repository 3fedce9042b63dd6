//! The event loop: one turn reads evidence, lets the core decide, and carries out what it says.
//!
//! ```text
//!   datapath changes --+                        +--> datapath (watches, identity)
//!   table ends --------+                        +--> table operations, off this thread
//!   notices -----------+--> Engine::handle -----+--> notices
//!   signals -----------+    poll_output         +--> event log, state directory
//!   service checks ----+                        +--> board (metrics, status)
//!   every 50 ms -------+                        +--> flight recorder, off this thread
//!                                               +--> pulse, after the turn is whole
//! ```
//!
//! Nothing in a turn waits for the network, a disk that is not the state directory's, or a lock.

mod asked;
mod looking;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::alarm::Alarm;
use super::draining::{Draining, Plan};
use super::recorded::Recorded;
use super::reload::{Fresh, Reloads};
use super::removals::Removals;
use super::signals::{Asked, Signals};
use super::sleep::SleepWatch;
use super::state_dir::{Kept, StateDir};
use super::table::Table;
use crate::clock;
use crate::datapath::{Datapath, Readings};
use crate::notice::Notices;
use crate::observe::EventLog;
use crate::service::Service;
use crate::show::{About, Board, Count, Durations, ReloadView, saying};
use ringmon_core::buddy::BuddyList;
use ringmon_core::engine::{Input, Output, Stopped, TableDone};
use ringmon_core::evidence::{LocalFault, WatchId, WatchSpec};
use ringmon_core::row::{Address, Health};
use ringmon_core::{Event, EventBody, Notice, PoolKeys, Time, Word as _};

/// The last notices have this long to be acknowledged. A server that gets none finds out by itself.
const SETTLE_WITHIN: Duration = Duration::from_millis(100);
/// A loop that wakes this late reads everything again first.
const READ_AGAIN: Duration = Duration::from_millis(2);
/// The board is published after this many pulses.
const BOARD_EVERY: u32 = 5;

/// The rooms that one loop joins.
pub struct Rooms {
    /// Sends probes and has the evidence.
    pub datapath: Box<dyn Datapath>,
    /// Starts table operations.
    pub table: Table,
    /// Results of table operations.
    pub ends: mpsc::UnboundedReceiver<TableDone>,
    /// To and from other agents and routers.
    pub notices: Notices,
    /// The event log, if there is one besides the log.
    pub events: Option<EventLog>,
    /// What is kept on disk.
    pub state: StateDir,
    /// Gets the board every few pulses.
    pub board: watch::Sender<Arc<Board>>,
    /// The pool's keys in use.
    pub keys: PoolKeys,
    /// The checks of this server's service.
    pub service: Service,
    /// What the board says of the agent itself.
    pub about: About,
}

/// What people ask of a running agent, and how it obeys.
pub struct Asking {
    /// From the kernel.
    pub signals: Signals,
    /// Configurations that were read again.
    pub reloads: Reloads,
    /// How it stops.
    pub plan: Plan,
}

/// A running agent.
pub struct Turn {
    engine: Recorded,
    rooms: Rooms,
    readings: Arc<dyn Readings>,
    specs: BTreeMap<WatchId, WatchSpec>,
    /// Watches that could not begin, and since when.
    unbegun: BTreeMap<WatchId, (WatchSpec, Time)>,
    buddies: Option<BuddyList>,
    answered: BTreeMap<Address, Time>,
    link_up: bool,
    sleep: SleepWatch,
    alarm: Alarm,
    pulse_every: Duration,
    next_pulse: Time,
    pulses: u32,
    told: bool,
    removals: Removals,
    reload: ReloadView,
    operations: Durations,
    draining: Option<Draining>,
    stop_by: Option<Time>,
    stopped: Option<Stopped>,
}

enum Woke {
    Changed(Vec<WatchId>),
    Table(Option<Box<TableDone>>),
    Notice(SocketAddr, Notice),
    Asked(Asked),
    Reread(Result<Box<Fresh>, String>),
    Service(Health),
    Due,
}

impl Turn {
    /// Joins the rooms around an engine that has not started.
    ///
    /// # Errors
    /// As timerfd_create(2). Must be called on a tokio runtime with I/O.
    pub fn new(engine: Recorded, rooms: Rooms, pulse_every: Duration) -> io::Result<Self> {
        let readings = rooms.datapath.readings();
        Ok(Self {
            engine,
            rooms,
            readings,
            specs: BTreeMap::new(),
            unbegun: BTreeMap::new(),
            buddies: None,
            answered: BTreeMap::new(),
            link_up: true,
            sleep: SleepWatch::new(),
            alarm: Alarm::new()?,
            pulse_every,
            next_pulse: Time::ZERO,
            pulses: 0,
            told: false,
            removals: Removals::default(),
            reload: ReloadView::default(),
            operations: Durations::default(),
            draining: None,
            stop_by: None,
            stopped: None,
        })
    }

    /// Runs until the engine has stopped, which a signal asks for.
    pub async fn run(mut self, kept: Option<BuddyList>, mut asking: Asking) -> Stopped {
        self.input(clock::now(), Input::Start { kept });
        loop {
            if let Some(stopped) = self.stopped.take() {
                self.show(clock::now());
                // The buddies must hear of it from this agent, not from a missing pulse.
                let _ = tokio::time::timeout(SETTLE_WITHIN, self.rooms.notices.settle()).await;
                self.rooms.service.stop().await;
                return stopped;
            }
            let due = self.due();
            let woke = self.wait(due, &mut asking).await;
            let now = clock::now();
            if now.since(due) > READ_AGAIN {
                self.read_all(now);
            }
            match woke {
                Woke::Changed(watches) => {
                    // A miss that is this machine's own fault must not be judged before the fault is known; and others'
                    // probes show whether it is one.
                    self.look_at_faults(now);
                    self.look_at_probers(now);
                    watches.into_iter().for_each(|w| self.read_watch(now, w));
                }
                Woke::Table(Some(done)) => self.table_done(now, *done),
                Woke::Notice(from, notice) => self.input(now, Input::Notice(notice, (from.ip(), from.port()))),
                Woke::Asked(Asked::Stop(how)) => self.signalled(now, how, &asking.plan),
                Woke::Asked(Asked::Reload) => asking.reloads.begin(),
                Woke::Reread(result) => self.reloaded(now, result.map(|fresh| *fresh), &mut asking.plan),
                Woke::Service(health) => self.input(now, Input::Service(health)),
                Woke::Table(None) | Woke::Due => {}
            }
            self.drained(now);
            self.timers(now);
        }
    }

    fn due(&self) -> Time {
        [Some(self.next_pulse), self.engine.poll_timeout(), self.stop_by, self.draining.as_ref().map(Draining::due)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.next_pulse)
    }

    async fn wait(&mut self, due: Time, Asking { signals, reloads, .. }: &mut Asking) -> Woke {
        let Rooms { datapath, ends, notices, service, .. } = &mut self.rooms;
        tokio::select! {
            biased;
            watches = datapath.changed() => Woke::Changed(watches),
            done = ends.recv() => Woke::Table(done.map(Box::new)),
            (from, notice) = notices.recv() => Woke::Notice(from, notice),
            asked = signals.next() => Woke::Asked(asked),
            fresh = reloads.next() => Woke::Reread(fresh.map(Box::new)),
            health = service.changed() => Woke::Service(health),
            () = self.alarm.at(due) => Woke::Due,
        }
    }

    /// Feeds the engine and does what it says.
    fn input(&mut self, now: Time, input: Input) {
        self.engine.handle(now, input);
        self.carry_out();
    }

    /// Lets the engine do what is due, such as to decide what follows from what was read.
    fn settle(&mut self, now: Time) {
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
            self.carry_out();
        }
    }

    fn timers(&mut self, now: Time) {
        self.settle(now);
        if self.stop_by.is_some_and(|at| at <= now) && self.stopped.is_none() {
            let cause = "the database did not answer in time".to_owned();
            self.stopped = Some(Stopped::RowRemains(cause));
        }
        if now >= self.next_pulse {
            self.pulse_turn(now);
        }
    }

    /// The regular look at everything, and after it the pulse. If the loop hangs anywhere in here, the buddies notice.
    fn pulse_turn(&mut self, now: Time) {
        if let Some(slept) = self.sleep.slept() {
            tracing::warn!("this machine slept for {:.1} s: its evidence of that time is void", slept.as_secs_f64());
            self.input(now, Input::Fault { fault: LocalFault::Suspended, from: now - self.pulse_every, until: now });
        }
        self.read_all(now);
        self.begin_again(now);
        self.settle(now);
        self.pulses = self.pulses.wrapping_add(1);
        if self.told || self.pulses.is_multiple_of(BOARD_EVERY) {
            self.told = false;
            self.show(now);
        }
        self.next_pulse = now + self.pulse_every;
        self.rooms.datapath.pulse(clock::now());
    }

    fn table_done(&mut self, now: Time, done: TableDone) {
        self.operations.count(done.took);
        if done.snapshot.pool.as_ref().is_some_and(|pool| self.rooms.keys.take(pool)) {
            let keys = self.rooms.keys.list();
            tracing::info!("the pool's keys have changed: {} accepted from now on", keys.len());
            self.rooms.datapath.keys(keys);
            self.rooms.notices.set_keys(keys.to_vec());
            self.keep();
        }
        self.input(now, Input::Table(done));
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Watch(spec) => self.watch(spec),
                Output::Unwatch(watch) => self.unwatch(watch),
                Output::Table { ticket, op } => self.rooms.table.begin(ticket, op, Arc::clone(&self.readings)),
                Output::Send { to, port, notice } => self.rooms.notices.send(SocketAddr::new(to, port), notice),
                Output::Event(event) => self.tell(event),
                Output::Keep(buddies) => {
                    self.buddies = Some(buddies);
                    self.keep();
                }
                Output::Identity(answers) => self.rooms.datapath.identity(answers),
                Output::Stopped(stopped) => self.stopped = Some(stopped),
            }
        }
    }

    fn tell(&mut self, mut event: Event) {
        self.told = true;
        self.removals.note(&event, clock::wall());
        if matches!(event.body, EventBody::TableWentBack(_)) {
            self.rooms.keys.went_back();
        }
        // The engine knows that the service fails. It need not know why.
        if let EventBody::Service(service) = &mut event.body
            && service.health == Some(Health::Failing)
            && let Some((check, why)) = self.rooms.service.failing()
        {
            (service.check, service.why) = (Some(check), Some(why));
        }
        let event = &event;
        let said = saying::sentence(&event.subject, &event.body);
        let (kind, detail) = (event.kind().word(), event.body.detail());
        if saying::is_warning(&event.body) {
            tracing::warn!(event = kind, subject = %event.subject, %detail, "{said}");
        } else {
            tracing::info!(event = kind, subject = %event.subject, %detail, "{said}");
        }
        if let Some(log) = &mut self.rooms.events {
            log.write(event);
        }
    }

    fn keep(&self) {
        let Some(buddies) = self.buddies.clone() else { return };
        if let Err(error) = self.rooms.state.keep(&Kept { buddies, keys: self.rooms.keys.list().to_vec() }) {
            tracing::error!("{error}; a start without the database would use an older buddy list");
        }
    }

    fn show(&self, now: Time) {
        let mut counts = self.rooms.notices.stats().counts();
        counts.extend(self.engine.counts());
        if let Some(log) = &self.rooms.events {
            counts.push(Count { name: "events", label: "unwritten", value: log.failures() });
        }
        let (engine, datapath, checks) =
            (self.engine.snapshot(now), self.rooms.datapath.stats(), self.rooms.service.shown());
        let undelivered = self.rooms.notices.undelivered();
        let board = Board {
            engine,
            datapath,
            counts,
            checks,
            about: self.rooms.about.clone(),
            link_up: self.link_up,
            removals: self.removals.shown(),
            undelivered: undelivered.unwrap_or_else(|| self.rooms.board.borrow().undelivered.clone()),
            table: self.operations,
            reload: self.reload.clone(),
        };
        self.rooms.board.send_replace(Arc::new(board));
    }
}

#[cfg(test)]
mod tests;
