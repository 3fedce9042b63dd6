//! What a datapath reports, and what it is told to probe. A datapath never decides.

use alloc::string::String;
use core::time::Duration;

pub use ringmon_common::wire::Purpose;
use serde::{Deserialize, Serialize};

use super::blindness::Blindness;
use super::row::{Address, Health};
use super::{Incarnation, ServerId, Time, VoteKind, law};
use crate::words;

/// One watch: one server that probes another. The generation distinguishes the watches that a slot had one after the
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatchId {
    /// Index into the datapath's arrays, below [`MAX_WATCHES`].
    pub slot: u16,
    /// Grows each time the slot is given to another watch; never 0.
    pub generation: u16,
}

impl WatchId {
    /// No watch: what a datapath reports when a prober asks for something.
    pub const PROBERS: Self = Self { slot: 0, generation: 0 };
}

/// Watches one server can hold at a time: two buddies, and the rest for looking ahead.
pub const MAX_WATCHES: u16 = ringmon_common::layout::WATCHES as u16;

words!(Purpose: Buddy = "buddy", Ahead = "ahead", Join = "join", Asked = "asked");

/// What to probe, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    /// Slot and generation of the watch.
    pub id: WatchId,
    /// The probed row, for logs and metrics; [`ServerId::NEW`] if it has none yet.
    pub server: ServerId,
    /// Name of the probed server, for metrics.
    pub name: String,
    /// Address to probe.
    pub address: Address,
    /// Why it is probed. The probe carries this.
    pub purpose: Purpose,
    /// The version of the wire format in which it is probed.
    pub wire: u8,
    /// What it is asked. Only version 2 of the wire format can ask.
    pub asked: Asked,
    /// Time between probes. When it becomes shorter, the next probe leaves at once, unless one has just left.
    pub interval: Duration,
    /// A probe is a miss this long after it left, or later if round trips take longer (RFC 6298).
    pub deadline: Duration,
}

/// What a server is asked in a probe: how long it has not heard another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    /// The other one; [`ServerId::NEW`]: nothing is asked.
    pub about: ServerId,
    /// Where the other one is, if it is to be watched for the answer (R12).
    pub at: Option<Address>,
}

impl Asked {
    /// Nothing is asked.
    pub const NOTHING: Self = Self::about(ServerId::NEW);

    /// What the asked server knows anyway.
    #[must_use]
    pub const fn about(server: ServerId) -> Self {
        Self { about: server, at: None }
    }
}

/// Everything that a datapath knows about one watch at one moment. Each field is correct by itself, but a reader may
/// see some fields before and some after an update. Counters only grow.
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
    /// Probes that could not leave because the neighbour does not resolve although this server's own link is up.
    pub unresolved: u64,
    /// Probes that did not leave because of a local fault. They are not misses.
    pub unsent: u64,
    /// Why the last probe did not leave, if it did not.
    #[serde(default)]
    pub held_up: Option<Blindness>,
    /// Misses since the last reply of any kind.
    pub consecutive: u32,
    /// When the first of these left.
    #[serde(default)]
    pub run_from: Option<Time>,
    /// The deadline of the last of these.
    #[serde(default)]
    pub run_until: Option<Time>,
    /// When the last authenticated reply arrived: the host is alive, and ringmon's programs run on it.
    pub last_reply: Option<Time>,
    /// And the one before.
    #[serde(default)]
    pub prev_reply: Option<Time>,
    /// When the last plain echo with this server's tag arrived: the host is alive, but its agent is not.
    pub last_plain: Option<Time>,
    /// The latest moment at which the other agent's pulse is known to have beaten, on this machine's clock (arrival
    /// minus pulse age).
    pub last_pulse: Option<Time>,
    /// Round-trip time of the last reply, without the time that the buddy kept it.
    pub last_rtt: Option<Duration>,
    /// How long a probe that leaves now may take before it is a miss; zero before anything was heard.
    pub patience: Duration,
    /// Probes from this server that the other one has answered, over all watches, as of its last reply ...
    pub answered: u64,
    /// ... and how many of this watch's probes had left by then.
    pub answered_of: u64,
    /// Incarnation in the last authenticated reply.
    pub incarnation: Incarnation,
    /// Service health in the last authenticated reply.
    pub health: Health,
    /// The last answer to a question about another server.
    #[serde(default)]
    pub testimony: Option<Testimony>,
}

/// What a server's kernel says about another server that it may watch (`docs/wire.md`, "Testimony").
///
/// All times are on this machine's clock. What the kernel knows of happened then, or a little earlier: by the time that
/// its answer took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// Whom it was asked about.
    pub of: ServerId,
    /// When the answer came.
    pub at: Time,
    /// Whether it watches that server. If not, the rest says nothing.
    pub watches: bool,
    /// Whether the database answers it.
    pub database: bool,
    /// Whether it says that it cannot see all of those that it should.
    #[serde(default)]
    pub blind: bool,
    /// When it last heard any server.
    pub heard: Time,
    /// Its last proof that the server lives, or from when on it could have had one.
    pub proof: Time,
    /// The same for the pulse of that server's agent.
    pub pulse: Time,
    /// Its probes of that server that were missed since.
    pub misses: u32,
    /// When that server last answered it with a fresh pulse; long ago: never.
    #[serde(default)]
    pub alive: Time,
    /// The life of that server that last answered it; 0: none did.
    #[serde(default)]
    pub life: Incarnation,
}

impl WatchReading {
    /// When the host last proved that it is alive, by a reply or a plain echo.
    #[must_use]
    pub fn last_proof(&self) -> Option<Time> {
        self.last_reply.max(self.last_plain)
    }

    /// Since when the watch has heard nothing: the last proof, or the start of the watch.
    #[must_use]
    pub fn silent_since(&self) -> Time {
        self.last_proof().unwrap_or(self.began)
    }

    /// Since when no pulse was heard: the last pulse, or the start of the watch.
    #[must_use]
    pub fn pulseless_since(&self) -> Time {
        self.last_pulse.unwrap_or(self.began)
    }
}

/// What a table operation rests on. It is checked again before the last statement and before COMMIT (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// This server does not hear it.
    Silence(Silence),
    /// The other witness's kernel does not hear it.
    Confirmed(Confirmed),
}

impl Ground {
    /// The watch whose readings show it.
    #[must_use]
    pub const fn watch(&self) -> WatchId {
        match self {
            Self::Silence(silence) => silence.watch,
            Self::Confirmed(confirmed) => confirmed.watch,
        }
    }

    /// Whether it is still true, as this reading of [`Self::watch`] shows.
    #[must_use]
    pub fn holds(&self, reading: Option<&WatchReading>) -> bool {
        match self {
            Self::Silence(silence) => silence.holds(reading),
            Self::Confirmed(confirmed) => confirmed.holds(reading),
        }
    }
}

/// A silence that another server's kernel confirms. It is a second witness that needs neither its agent nor the
/// database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The witness.
    pub by: ServerId,
    /// This server's watch of the witness.
    pub watch: WatchId,
    /// The silent server.
    pub of: ServerId,
    /// Since when the witness has not heard it, or for longer.
    pub since: Time,
    /// The witness's probes of it that were missed since.
    pub misses: u32,
}

impl Confirmed {
    /// Whether the witness still says so. Each answer takes another time on its way, and so dates the same proof a
    /// little differently. A later proof is at least the silence of a removal away from it.
    #[must_use]
    pub fn holds(&self, reading: Option<&WatchReading>) -> bool {
        let said = reading.and_then(|reading| reading.testimony);
        let latest = self.since + law::REMOVAL_SILENCE / 2;
        said.is_some_and(|said| said.of == self.of && said.watches && said.proof <= latest)
    }
}

/// A silence that a table operation rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The watch whose readings show it.
    pub watch: WatchId,
    /// Whether the host is silent or only its agent.
    pub kind: VoteKind,
    /// When it began, as the operation assumes.
    pub since: Time,
}

impl Silence {
    /// Whether nothing was heard that ends the silence. Without a reading (the watch is gone) there is no silence.
    #[must_use]
    pub fn holds(&self, reading: Option<&WatchReading>) -> bool {
        reading.is_some_and(|r| match self.kind {
            VoteKind::Host => r.silent_since() <= self.since,
            VoteKind::Agent => r.pulseless_since() <= self.since,
        })
    }
}

/// Why this server's own evidence from a span of time may not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalFault {
    /// Probes did not leave on time.
    SenderLate,
    /// The event loop stood still.
    LoopLate,
    /// The monotonic and the boot-time clock drifted apart: the machine slept.
    Suspended,
    /// The interface is down.
    LinkDown,
    /// A kernel timer fired too late.
    TimerLate,
    /// This server hears nobody, or only others while more than 16 servers beside it are silent on both sides (R2): it
    /// may be deaf or cut off itself.
    Deaf,
    /// This server cannot see that one: its probes do not leave, or nothing comes of them.
    Blind,
}

impl LocalFault {
    /// Whether this server's threads or timers were late, and nothing else. That takes nothing from a miss whose stamps
    /// show that the way in was open.
    #[must_use]
    pub const fn is_lateness(self) -> bool {
        match self {
            Self::SenderLate | Self::LoopLate | Self::TimerLate => true,
            Self::Suspended | Self::LinkDown | Self::Deaf | Self::Blind => false,
        }
    }
}

words! { LocalFault:
    SenderLate = "sender_late",
    LoopLate = "loop_late",
    Suspended = "suspended",
    LinkDown = "link_down",
    TimerLate = "timer_late",
    Deaf = "deaf",
    Blind = "blind",
}
