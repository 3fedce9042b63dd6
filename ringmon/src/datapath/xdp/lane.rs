//! One watch in the sender: when its next probe is due, and which of its probes did not leave.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use nix::libc;
use ringmon_common::frame::{ECHO_REQUEST, Echo, echo_checksum, long_checksum};
use ringmon_common::testimony::TESTIMONY_LEN;
use ringmon_common::wire::{ICMP_ID, PAYLOAD_LEN, Payload, Purpose, VERSION};
use ringmon_common::{TagKey, Testimony};
use socket2::Socket;

use super::LEAST_INTERVAL;
use super::netlink::Netlink;
use super::obstacle;
use super::shared::Shared;
use ringmon_core::Time;
use ringmon_core::blindness::Blindness;
use ringmon_core::evidence::{Asked, WatchId};
use ringmon_core::row::Address;

/// The size of an ICMP message of the first version ...
const SHORT_BYTES: usize = 8 + PAYLOAD_LEN;
/// ... and of today's.
const MOST_BYTES: usize = SHORT_BYTES + TESTIMONY_LEN;
/// How many probes may be waiting for the decision whether they left. The kernel's window holds no more either.
const MOST_DOUBTS: usize = 128;
/// A sender that stood still makes up for so many probes of each watch: with the one that was due, as many as a
/// suspicion takes ([`SUSPECT_MISSES`](ringmon_core::law::SUSPECT_MISSES)).
const MADE_UP_FOR: u32 = ringmon_core::law::SUSPECT_MISSES - 1;
/// They are this part of an interval apart.
const SERIES: u32 = 10;
/// The state of a neighbour is asked again after at most this time.
const NEIGHBOUR_FRESH: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
pub struct Sign {
    pub own: Ipv4Addr,
    pub key: TagKey,
    pub key_id: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two probes.
    pub interval: Duration,
    /// A probe is a miss this long after it left.
    pub deadline: Duration,
    pub purpose: Purpose,
    /// The version of the wire format.
    pub wire: u8,
    /// Version 1 cannot ask.
    pub asked: Asked,
}

/// One watch. It has its own socket, because probes that wait for a neighbour fill the buffer of a socket.
#[derive(Debug)]
pub struct Lane {
    pub id: WatchId,
    pub peer: Ipv4Addr,
    pub pace: Pace,
    /// When the next probe is due.
    pub due: Time,
    /// When the last probe was sent.
    last: Time,
    socket: Socket,
    seq: u64,
    /// Probes that were sent and have not left, and when to decide about them.
    doubts: VecDeque<(u64, Time)>,
    /// What keeps probes from leaving (nothing: the neighbour fails to resolve), and when that was asked.
    neighbour: Option<(Option<Blindness>, Time)>,
    /// Whether there was a route when the watch began.
    pub routed: bool,
    /// Probes that were missed out while the sender stood still, and are made up for.
    owed: u32,
}

/// The next moment after `after` on the grid of this interval. All watches of a server share the seed, so probes with
/// the same interval, or with a divisor of it, are due at the same time.
#[must_use]
pub fn next_slot(after: Time, interval: Duration, seed: u64) -> Time {
    let step = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    let (after, phase) = (after.as_ns(), seed % step);
    let into = (after % step + step - phase) % step;
    Time::from_ns(after.saturating_add(step - into))
}

impl Lane {
    /// Its probes count from `first`, which is due now.
    #[must_use]
    pub fn new(id: WatchId, peer: Ipv4Addr, first: u64, pace: Pace, socket: Socket, now: Time) -> Self {
        let (last, doubts, neighbour, routed, owed) = (Time::ZERO, VecDeque::new(), None, false, 0);
        Self { id, peer, pace, due: now, last, socket, seq: first - 1, doubts, neighbour, routed, owed }
    }

    /// Changes the pace. A shorter interval is in force at once: its watch has just missed a reply, and cannot wait for
    /// the grid. A longer interval goes back to the grid.
    pub fn change(&mut self, pace: Pace, seed: u64, now: Time) {
        let (sooner, same) = (pace.interval < self.pace.interval, pace.interval == self.pace.interval);
        self.pace = pace;
        // Another question does not make it wait.
        if same {
            return;
        }
        self.due = if sooner {
            self.due.min(now.max(self.last + pace.interval))
        } else {
            next_slot(now.max(self.last + pace.interval / 2), pace.interval, seed)
        };
    }

    /// Puts the next probe on the grid. After a probe off the grid, the next one is at least half an interval away.
    ///
    /// A sender that stood still for whole intervals makes up for [`MADE_UP_FOR`] of its probes in a quick series: it
    /// may stand still again soon, and only what it sends meanwhile can be missed.
    pub fn advance(&mut self, seed: u64, now: Time) {
        let step = self.pace.interval.as_nanos().max(1);
        let left_out = u32::try_from(now.since(self.due).as_nanos() / step).unwrap_or(u32::MAX);
        self.owed = self.owed.saturating_sub(1).max(left_out.min(MADE_UP_FOR));
        if self.owed > 0 {
            self.due = now + (self.pace.interval / SERIES).max(LEAST_INTERVAL);
            return;
        }
        self.due = next_slot(now.max(self.due + self.pace.interval / 2), self.pace.interval, seed);
    }

    /// When the last probe was sent.
    #[must_use]
    pub const fn last(&self) -> Time {
        self.last
    }

    /// Sends through this socket from now on. What waits in the old one is lost with it.
    pub fn through(&mut self, socket: Socket) {
        self.socket = socket;
        self.doubts.clear();
        self.neighbour = None;
    }

    /// When this lane has to be looked at again.
    #[must_use]
    pub fn wake(&self) -> Time {
        self.doubts.front().map_or(self.due, |(_, at)| self.due.min(*at))
    }

    pub fn send(&mut self, sign: &Sign, shared: &Shared, now: Time) {
        self.seq += 1;
        self.last = now;
        let (bytes, length) = self.probe(sign, shared.incarnation(), shared.received(self.id.slot));
        let probe = &bytes[..length];
        let to = SocketAddrV4::new(self.peer, 0).into();
        shared.give(self.id.slot, self.seq);
        // The next call reports an ICMP error about an earlier probe, and then sends nothing. So call again.
        let sent = self.socket.send_to(probe, &to).or_else(|_| self.socket.send_to(probe, &to));
        match sent.map_err(|error| error.raw_os_error()) {
            Ok(_) if shared.has_left(self.id.slot, self.seq) => {
                self.neighbour = None;
                shared.goes_out(self.id.slot);
            }
            // A full buffer is full of probes that wait for the neighbour. EHOSTUNREACH says that it does not resolve.
            Ok(_) | Err(Some(libc::EAGAIN | libc::EHOSTUNREACH)) if self.doubts.len() < MOST_DOUBTS => {
                self.doubts.push_back((self.seq, now + self.pace.deadline));
            }
            Ok(_) => shared.count_unsent(self.id.slot, Blindness::Unstamped),
            Err(error) => shared.count_unsent(self.id.slot, obstacle::of(error, sign.own)),
        }
    }

    /// The ICMP message, and how long it is.
    fn probe(&self, sign: &Sign, incarnation: u64, returned: u64) -> ([u8; MOST_BYTES], usize) {
        let Self { id, seq, pace, .. } = self;
        let mut payload = Payload::probe(pace.purpose, id.slot, id.generation, *seq, incarnation, sign.key_id);
        let question = (pace.wire >= VERSION).then(|| {
            let at = pace.asked.at.map_or([0; 16], |at| match at {
                Address::V4(v4) => v4.to_ipv6_mapped().octets(),
                Address::V6(v6) => v6.octets(),
            });
            Testimony::ask(pace.asked.about.0 as u64, at, returned)
        });
        if question.is_some() {
            payload.version = VERSION;
        }
        let tagger = sign.key.v4(sign.own.octets(), self.peer.octets(), &payload);
        payload.tag = question.as_ref().map_or(tagger, |question| tagger.asking(question)).probe(&payload);
        let seq = [payload.seq[6], payload.seq[7]];
        let mut echo = Echo { kind: ECHO_REQUEST, code: 0, checksum: [0; 2], id: ICMP_ID.to_be_bytes(), seq };
        echo.checksum = match &question {
            Some(question) => long_checksum(&echo, &payload, question),
            None => echo_checksum(&echo, &payload),
        };
        let mut bytes = [0; MOST_BYTES];
        bytes[..2].copy_from_slice(&[echo.kind, echo.code]);
        bytes[2..4].copy_from_slice(&echo.checksum);
        bytes[4..6].copy_from_slice(&echo.id);
        bytes[6..8].copy_from_slice(&echo.seq);
        bytes[8..SHORT_BYTES].copy_from_slice(payload.as_bytes());
        let Some(question) = question else { return (bytes, SHORT_BYTES) };
        bytes[SHORT_BYTES..].copy_from_slice(question.as_bytes());
        (bytes, MOST_BYTES)
    }

    /// Decides about probes that have not left by their deadline: they are misses if the neighbour does not resolve.
    pub fn settle(&mut self, shared: &Shared, netlink: &mut Netlink, index: u32, now: Time) {
        while let Some((seq, at)) = self.doubts.front().copied() {
            if shared.has_left(self.id.slot, seq) {
                self.doubts.pop_front();
                shared.goes_out(self.id.slot);
                continue;
            }
            if at > now {
                return;
            }
            self.doubts.pop_front();
            if !shared.link_up.load(std::sync::atomic::Ordering::Relaxed) {
                shared.count_unsent(self.id.slot, Blindness::LinkDown);
            } else if let Some(why) = self.obstacle(netlink, index, now) {
                shared.count_unsent(self.id.slot, why);
            } else {
                shared.count_unresolved(self.id.slot, now);
                shared.goes_out(self.id.slot);
            }
        }
    }

    /// What keeps probes from leaving; `None`: the neighbour does not resolve.
    fn obstacle(&mut self, netlink: &mut Netlink, index: u32, now: Time) -> Option<Blindness> {
        if let Some((known, at)) = self.neighbour
            && now.since(at) < NEIGHBOUR_FRESH
        {
            return known;
        }
        let answer = obstacle::ask(netlink, index, self.peer, self.routed);
        self.neighbour = Some((answer, now));
        answer
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
