//! The thread that sends probes: at absolute times, those that are due together in one wake-up.
//!
//! It waits for nobody: commands are taken when their lock is free, and who gives one wakes it up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock;
use super::lane::{Lane, Pace, Sign};
use super::link::LinkFlags;
use super::netlink::Netlink;
use super::shared::{Fault, Shared};
use ringmon_core::Time;
use ringmon_core::evidence::{LocalFault, MAX_WATCHES, WatchId};

/// The link is looked at this often, at least, also with nothing to send.
const LINK_EVERY: Duration = Duration::from_millis(50);
/// And not more often than this, if probes are not answered.
const LINK_FRESH: Duration = Duration::from_millis(1);
/// A probe is late by this much, or by a quarter of its interval, whichever is more.
const LATE: Duration = Duration::from_millis(2);

/// What the sender is told.
#[derive(Debug)]
pub enum Command {
    /// Begin a watch; whatever had the slot is over.
    Begin(Box<Lane>),
    /// Change one that runs.
    Change(WatchId, Pace),
    /// End one.
    End(WatchId),
    /// Tag with this key.
    Key(Box<Sign>),
}

/// What the thread works with.
pub struct Parts {
    /// Index of the interface.
    pub index: u32,
    /// Its flags.
    pub link: LinkFlags,
    /// For questions about neighbours.
    pub netlink: Netlink,
    /// Gives the phase.
    pub seed: u64,
    /// Address, key and incarnation.
    pub sign: Sign,
    /// The kernel's arrays.
    pub shared: Arc<Shared>,
    /// Ask for real-time priority.
    pub realtime: bool,
}

/// The thread's handle. Dropping it ends the thread.
#[derive(Debug)]
pub struct Sender {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Inbox {
    commands: Mutex<Vec<Command>>,
    stop: AtomicBool,
}

impl Sender {
    /// Starts the thread.
    ///
    /// # Errors
    /// As clone(2).
    pub fn start(parts: Parts) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let theirs = Arc::clone(&inbox);
        let run = move || {
            if parts.realtime {
                super::realtime::ask(super::Role::Sender);
            }
            Loop::new(parts).run(&theirs);
        };
        let thread = thread::Builder::new().name("ringmon-sender".to_owned()).spawn(run)?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    /// Tells the thread something, in this order.
    pub fn tell(&self, command: Command) {
        if let Ok(mut commands) = self.inbox.commands.lock() {
            commands.push(command);
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.inbox.stop.store(true, Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed; there is nothing to save here.
            let _ = thread.join();
        }
    }
}

struct Loop {
    parts: Parts,
    lanes: Vec<Option<Box<Lane>>>,
    /// Last look at the link, and since when it is down.
    looked: Time,
    down_since: Option<Time>,
    /// Not yet reported.
    faults: Vec<Fault>,
}

impl Loop {
    fn new(parts: Parts) -> Self {
        let lanes = (0..MAX_WATCHES).map(|_| None).collect();
        Self { parts, lanes, looked: Time::ZERO, down_since: None, faults: Vec::new() }
    }

    fn run(mut self, inbox: &Inbox) {
        while !inbox.stop.load(Relaxed) {
            let now = clock::now();
            if let Ok(mut commands) = inbox.commands.try_lock() {
                let commands = std::mem::take(&mut *commands);
                for command in commands {
                    self.obey(command, now);
                }
            }
            self.look_at_link(now);
            self.send_due(now);
            self.settle();
            if !self.faults.is_empty() {
                self.parts.shared.try_report(&mut self.faults);
            }
            let wake = self.lanes.iter().flatten().map(|lane| lane.wake()).fold(now + LINK_EVERY, Time::min);
            let pause = wake.since(clock::now());
            if !pause.is_zero() {
                thread::park_timeout(pause);
            }
        }
    }

    fn obey(&mut self, command: Command, now: Time) {
        match command {
            Command::Begin(mut lane) => {
                // Due now, and not when somebody decided it: that was no lateness.
                lane.due = now;
                if let Some(place) = self.lanes.get_mut(usize::from(lane.id.slot)) {
                    *place = Some(lane);
                }
            }
            Command::Change(id, pace) => {
                let seed = self.parts.seed;
                if let Some(lane) = self.lane(id) {
                    lane.change(pace, seed, now);
                }
            }
            Command::End(id) => {
                if self.lane(id).is_some() {
                    self.lanes[usize::from(id.slot)] = None;
                }
            }
            Command::Key(sign) => self.parts.sign = *sign,
        }
    }

    fn lane(&mut self, id: WatchId) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(usize::from(id.slot))?.as_deref_mut()?;
        (lane.id == id).then_some(lane)
    }

    /// Right before probes are sent: what is lost with the link is no miss, and the span begins with the last look. A reply to a lane's last
    /// probe came in through the link, which is as good as a look and costs no system call.
    fn look_at_link(&mut self, now: Time) {
        let mut answered = false;
        if self.down_since.is_none() {
            for lane in self.lanes.iter().flatten() {
                let heard = self.parts.shared.heard(lane.id.slot);
                answered |= heard > lane.last();
                self.looked = self.looked.max(heard);
            }
        }
        let enough = if answered { LINK_EVERY } else { LINK_FRESH };
        if now.since(self.looked) < enough {
            return;
        }
        let up = self.parts.link.up();
        match (up, self.down_since) {
            (false, None) => {
                let since = if self.looked == Time::ZERO { now } else { self.looked };
                self.down_since = Some(since);
                self.faults.push((LocalFault::LinkDown, since, now));
            }
            (true, Some(since)) => {
                self.down_since = None;
                self.faults.push((LocalFault::LinkDown, since, now));
            }
            (true, None) | (false, Some(_)) => (),
        }
        self.parts.shared.link_up.store(up, Relaxed);
        self.looked = now;
    }

    fn send_due(&mut self, now: Time) {
        let Self { parts, lanes, down_since, faults, .. } = self;
        parts.sign.incarnation = parts.shared.incarnation();
        let mut late: Option<Time> = None;
        for lane in lanes.iter_mut().flatten().filter(|lane| lane.due <= now) {
            if now.since(lane.due) > LATE.max(lane.pace.interval / 4) {
                late = Some(late.map_or(lane.due, |earlier| earlier.min(lane.due)));
            }
            if down_since.is_some() {
                parts.shared.count_unsent(lane.id.slot);
            } else {
                lane.send(&parts.sign, &parts.shared, now);
            }
            lane.advance(parts.seed, now);
        }
        faults.extend(late.map(|due| (LocalFault::SenderLate, due, now)));
    }

    fn settle(&mut self) {
        let Self { parts, lanes, .. } = self;
        let now = clock::now();
        for lane in lanes.iter_mut().flatten() {
            lane.settle(&parts.shared, &mut parts.netlink, parts.index, now);
        }
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
