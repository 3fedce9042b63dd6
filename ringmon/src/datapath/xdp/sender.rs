//! The thread that sends probes, at absolute times. Probes that are due together leave in one wake-up.
//!
//! It never waits for other threads: it takes commands when their lock is free, and whoever gives one wakes it up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::Socket;

use super::clock;
use super::lane::{Lane, Pace, Sign};
use super::link::LinkFlags;
use super::netlink::Netlink;
use super::shared::{Fault, Shared};
use ringmon_core::Time;
use ringmon_core::blindness::Blindness;
use ringmon_core::evidence::{LocalFault, MAX_WATCHES, WatchId};

/// The link is looked at at least this often, also when there is nothing to send.
const LINK_EVERY: Duration = Duration::from_millis(50);
/// And at most this often, if probes are not answered.
const LINK_FRESH: Duration = Duration::from_millis(1);
/// A probe is late by this much, or by a quarter of its interval, whichever is more.
const LATE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub enum Command {
    /// Begins a watch; the watch that had the slot before is over.
    Begin(Box<Lane>),
    /// Changes a running watch.
    Change(WatchId, Pace),
    End(WatchId),
    /// Tags with this key from now on.
    Key(Box<Sign>),
    /// The interface was made anew, and has this index.
    Interface(u32),
    /// Sends the probes of this watch through this socket, which belongs to the new interface.
    Socket(WatchId, Socket),
}

pub struct Parts {
    /// Of the interface.
    pub index: u32,
    /// Of the interface.
    pub link: LinkFlags,
    /// For questions about neighbours.
    pub netlink: Netlink,
    /// Decides the phase.
    pub seed: u64,
    pub sign: Sign,
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

    /// Gives the thread a command. It takes commands in their order.
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
            // If it panicked, the panic was printed. Nothing can be saved here.
            let _ = thread.join();
        }
    }
}

struct Loop {
    parts: Parts,
    lanes: Vec<Option<Box<Lane>>>,
    /// The last look at the link, and since when it has been down.
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
                // It is due now, not when somebody decided that: there was no lateness.
                lane.due = now;
                lane.routed = self.parts.netlink.has_route(self.parts.index, lane.peer);
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
            Command::Interface(index) => {
                self.parts.index = index;
                self.parts.link.follow(index);
            }
            Command::Socket(id, socket) => {
                let index = self.parts.index;
                if let Some(lane) = self.lanes.get_mut(usize::from(id.slot)).and_then(Option::as_deref_mut)
                    && lane.id == id
                {
                    lane.routed |= self.parts.netlink.has_route(index, lane.peer);
                    lane.through(socket);
                }
            }
        }
    }

    fn lane(&mut self, id: WatchId) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(usize::from(id.slot))?.as_deref_mut()?;
        (lane.id == id).then_some(lane)
    }

    /// Looks right before probes are sent. What is lost with the link is no miss, and the span of a fault begins with
    /// the last look. A reply to a lane's last probe came in through the link, which is as good as a look and costs no
    /// system call.
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
        let mut late: Option<Time> = None;
        for lane in lanes.iter_mut().flatten().filter(|lane| lane.due <= now) {
            if now.since(lane.due) > LATE.max(lane.pace.interval / 4) {
                late = Some(late.map_or(lane.due, |earlier| earlier.min(lane.due)));
            }
            if down_since.is_some() {
                let why = if parts.link.exists() { Blindness::LinkDown } else { Blindness::NoDevice };
                parts.shared.count_unsent(lane.id.slot, why);
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
