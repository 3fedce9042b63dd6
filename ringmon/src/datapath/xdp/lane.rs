//! One watch in the sender: when its next probe is due, and which of its probes did not leave.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use nix::libc;
use ringmon_common::TagKey;
use ringmon_common::frame::{ECHO_REQUEST, Echo, echo_checksum};
use ringmon_common::wire::{ICMP_ID, PAYLOAD_LEN, Payload, Purpose};
use socket2::Socket;

use super::netlink::Netlink;
use super::shared::Shared;
use ringmon_core::Time;
use ringmon_core::evidence::WatchId;

/// Probes whose departure is in doubt at a time; more than a window are none of the kernel's either.
const MOST_DOUBTS: usize = 128;
/// The state of a neighbour is asked for again after this long, at most.
const NEIGHBOUR_FRESH: Duration = Duration::from_millis(20);

/// What a lane sends with.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// Own address.
    pub own: Ipv4Addr,
    /// The key for tags.
    pub key: TagKey,
    /// Its id.
    pub key_id: u8,
    /// Own incarnation.
    pub incarnation: u64,
}

/// How a watch is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two probes.
    pub interval: Duration,
    /// A probe is a miss this long after it left.
    pub deadline: Duration,
    /// Why.
    pub purpose: Purpose,
}

/// One watch. Its own socket, because probes that wait for a neighbour fill a socket's buffer.
#[derive(Debug)]
pub struct Lane {
    /// Which.
    pub id: WatchId,
    /// Whom.
    pub peer: Ipv4Addr,
    /// How.
    pub pace: Pace,
    /// When the next probe is due.
    pub due: Time,
    /// When the last one was sent.
    last: Time,
    socket: Socket,
    seq: u64,
    /// Probes that were sent and have not left, and when that must be decided.
    doubts: VecDeque<(u64, Time)>,
    /// Whether the neighbour does not resolve, and when that was asked.
    neighbour: Option<(bool, Time)>,
}

/// The next moment after `after` on the grid of this interval. All watches of a server share the seed, so that probes
/// with the same interval, or a divisor of it, are due together.
#[must_use]
pub fn next_slot(after: Time, interval: Duration, seed: u64) -> Time {
    let step = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    let (after, phase) = (after.as_ns(), seed % step);
    let into = (after % step + step - phase) % step;
    Time::from_ns(after.saturating_add(step - into))
}

impl Lane {
    /// A watch whose probes count from `first`, which is due now.
    #[must_use]
    pub fn new(id: WatchId, peer: Ipv4Addr, first: u64, pace: Pace, socket: Socket, now: Time) -> Self {
        let (last, doubts, neighbour) = (Time::ZERO, VecDeque::new(), None);
        Self { id, peer, pace, due: now, last, socket, seq: first - 1, doubts, neighbour }
    }

    /// Changes the pace. A shorter interval holds from now on: who asks for it has just missed something, and cannot wait for the grid. A
    /// longer one goes back to the grid.
    pub fn change(&mut self, pace: Pace, seed: u64, now: Time) {
        let sooner = pace.interval < self.pace.interval;
        self.pace = pace;
        self.due = if sooner {
            self.due.min(now.max(self.last + pace.interval))
        } else {
            next_slot(now.max(self.last + pace.interval / 2), pace.interval, seed)
        };
    }

    /// Puts the next probe on the grid. After a first one off the grid, half an interval is the least distance.
    pub fn advance(&mut self, seed: u64, now: Time) {
        self.due = next_slot(now.max(self.due + self.pace.interval / 2), self.pace.interval, seed);
    }

    /// When the last probe was sent.
    #[must_use]
    pub const fn last(&self) -> Time {
        self.last
    }

    /// When this lane wants to be looked at again.
    #[must_use]
    pub fn wake(&self) -> Time {
        self.doubts.front().map_or(self.due, |(_, at)| self.due.min(*at))
    }

    /// Sends one probe.
    pub fn send(&mut self, sign: &Sign, shared: &Shared, now: Time) {
        self.seq += 1;
        self.last = now;
        let probe = self.probe(sign);
        let to = SocketAddrV4::new(self.peer, 0).into();
        // An ICMP error about an earlier probe is reported by the next call, which then sends nothing: call again.
        let sent = self.socket.send_to(&probe, &to).or_else(|_| self.socket.send_to(&probe, &to));
        match sent.map_err(|error| error.raw_os_error()) {
            Ok(_) if shared.has_left(self.id.slot, self.seq) => self.neighbour = None,
            // A full buffer is full of probes that wait for the neighbour; EHOSTUNREACH says that it does not resolve.
            Ok(_) | Err(Some(libc::EAGAIN | libc::EHOSTUNREACH)) if self.doubts.len() < MOST_DOUBTS => {
                self.doubts.push_back((self.seq, now + self.pace.deadline));
            }
            Ok(_) | Err(_) => shared.count_unsent(self.id.slot),
        }
    }

    fn probe(&self, sign: &Sign) -> [u8; 8 + PAYLOAD_LEN] {
        let Self { id, seq, pace, .. } = self;
        let mut payload = Payload::probe(pace.purpose, id.slot, id.generation, *seq, sign.incarnation, sign.key_id);
        payload.tag = sign.key.v4(sign.own.octets(), self.peer.octets(), &payload).probe(&payload);
        let seq = [payload.seq[6], payload.seq[7]];
        let mut echo = Echo { kind: ECHO_REQUEST, code: 0, checksum: [0; 2], id: ICMP_ID.to_be_bytes(), seq };
        echo.checksum = echo_checksum(&echo, &payload);
        let mut bytes = [0; 8 + PAYLOAD_LEN];
        bytes[..2].copy_from_slice(&[echo.kind, echo.code]);
        bytes[2..4].copy_from_slice(&echo.checksum);
        bytes[4..6].copy_from_slice(&echo.id);
        bytes[6..8].copy_from_slice(&echo.seq);
        bytes[8..].copy_from_slice(payload.as_bytes());
        bytes
    }

    /// Decides about probes that have not left by their deadline: misses, if the neighbour does not resolve.
    pub fn settle(&mut self, shared: &Shared, netlink: &mut Netlink, index: u32, now: Time) {
        while let Some((seq, at)) = self.doubts.front().copied() {
            if shared.has_left(self.id.slot, seq) {
                self.doubts.pop_front();
                continue;
            }
            if at > now {
                return;
            }
            self.doubts.pop_front();
            if shared.link_up.load(std::sync::atomic::Ordering::Relaxed) && self.unresolved(netlink, index, now) {
                shared.count_unresolved(self.id.slot, now);
            } else {
                shared.count_unsent(self.id.slot);
            }
        }
    }

    fn unresolved(&mut self, netlink: &mut Netlink, index: u32, now: Time) -> bool {
        if let Some((known, at)) = self.neighbour
            && now.since(at) < NEIGHBOUR_FRESH
        {
            return known;
        }
        let asked: io::Result<bool> = netlink.unresolved(index, self.peer);
        let answer = asked.unwrap_or(false);
        self.neighbour = Some((answer, now));
        answer
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
