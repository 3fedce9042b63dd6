//! What a datapath reports, and what it is asked to probe. A datapath never decides.

use alloc::string::String;
use core::time::Duration;

pub use ringmon_common::wire::Purpose;
use serde::{Deserialize, Serialize};

use super::row::{Address, Health};
use super::{Incarnation, ServerId, Time, VoteKind};
use crate::words;

/// One watch: one server probing one other. The generation tells apart the watches that a slot had one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatchId {
    /// Index into the datapath's arrays, below [`MAX_WATCHES`].
    pub slot: u16,
    /// Grows each time the slot is given to another watch; never 0.
    pub generation: u16,
}

/// Watches one server can hold at a time: two buddies, and the rest for looking ahead.
pub const MAX_WATCHES: u16 = ringmon_common::layout::WATCHES as u16;

words!(Purpose: Buddy = "buddy", Ahead = "ahead", Join = "join", Asked = "asked");

/// What to probe, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    /// Which watch.
    pub id: WatchId,
    /// The row probed, for logs and metrics; [`ServerId::NEW`] where it has none yet.
    pub server: ServerId,
    /// Its name, for metrics.
    pub name: String,
    /// Where.
    pub address: Address,
    /// Why.
    pub purpose: Purpose,
    /// Time between probes. When it is changed to a shorter one, the next probe leaves at once, unless one has just
    /// left.
    pub interval: Duration,
    /// A probe is a miss this long after it left, at least; later, where round trips take longer (RFC 6298).
    pub deadline: Duration,
}

/// Everything a datapath knows of one watch, at one moment. Each field is true by itself (a reader may catch a
/// writer between two of them); counters only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchReading {
    /// When the watch began.
    pub began: Time,
    /// Probes that left this machine.
    pub sent: u64,
    /// Authenticated replies, late ones included.
    pub replies: u64,
    /// Authenticated replies after their deadline.
    pub late: u64,
    /// Probes unanswered at their deadline, [`Self::unresolved`] included.
    pub misses: u64,
    /// Probes that could not leave because the neighbour does not resolve while our own link is up.
    pub unresolved: u64,
    /// Probes that did not leave through our own fault: no misses.
    pub unsent: u64,
    /// Misses since the last reply of any kind.
    pub consecutive: u32,
    /// When the last authenticated reply arrived: the host lives, and ringmon's programs are on it.
    pub last_reply: Option<Time>,
    /// When the last plain echo with our own tag arrived: the host lives, its agent does not.
    pub last_plain: Option<Time>,
    /// The latest moment at which the other agent's pulse is known to have beaten, on our clock (arrival less pulse
    /// age).
    pub last_pulse: Option<Time>,
    /// Round trip of the last reply without the time the buddy kept it.
    pub last_rtt: Option<Duration>,
    /// How long a probe that leaves now may take before it is a miss; zero where nothing was heard yet.
    pub patience: Duration,
    /// Probes of this server's that the other one has answered, over all watches, as of its last reply ...
    pub answered: u64,
    /// ... and how many of this watch's had left by then.
    pub answered_of: u64,
    /// Incarnation in the last authenticated reply.
    pub incarnation: Incarnation,
    /// Service health in the last authenticated reply.
    pub health: Health,
}

impl WatchReading {
    /// The last proof that the host lives, of either kind.
    #[must_use]
    pub fn last_proof(&self) -> Option<Time> {
        self.last_reply.max(self.last_plain)
    }

    /// Since when the watch has heard nothing: the last proof, or its own begin.
    #[must_use]
    pub fn silent_since(&self) -> Time {
        self.last_proof().unwrap_or(self.began)
    }

    /// Since when no pulse was heard: the last one, or the watch's begin.
    #[must_use]
    pub fn pulseless_since(&self) -> Time {
        self.last_pulse.unwrap_or(self.began)
    }
}

/// A silence on which a table operation rests, to be checked again before its last statement and before COMMIT (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Whose readings.
    pub watch: WatchId,
    /// Silence of the host, or of the agent alone.
    pub kind: VoteKind,
    /// Since when, as the operation believes.
    pub since: Time,
}

impl Silence {
    /// Whether nothing was heard that ends the silence. No reading (the watch is gone) is no silence.
    #[must_use]
    pub fn holds(&self, reading: Option<&WatchReading>) -> bool {
        reading.is_some_and(|r| match self.kind {
            VoteKind::Host => r.silent_since() <= self.since,
            VoteKind::Agent => r.pulseless_since() <= self.since,
        })
    }
}

/// Why this server's own evidence of a span of time counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalFault {
    /// Probes did not leave at their time.
    SenderLate,
    /// The event loop stood still.
    LoopLate,
    /// The monotonic and the boot-time clock went apart: the machine slept.
    Suspended,
    /// The interface is down.
    LinkDown,
    /// A kernel timer fired too late.
    TimerLate,
    /// Everybody whom this server watches is silent at once (R2): it may be its own ears.
    Deaf,
}

words! { LocalFault:
    SenderLate = "sender_late",
    LoopLate = "loop_late",
    Suspended = "suspended",
    LinkDown = "link_down",
    TimerLate = "timer_late",
    Deaf = "deaf",
}
