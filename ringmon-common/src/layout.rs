//! The values of the maps. All are `repr(C)`, without padding that anybody reads, and zero is their first state.

use crate::rtt::BUCKETS;
use crate::tag::{Address, TagKey};

/// Watches a server can hold at a time.
pub const WATCHES: u32 = 64;
/// Outstanding probes a watch can have: a power of two, so that a place is the sequence number's low bits.
pub const WINDOW: u32 = 128;
/// Ids a key can have.
pub const KEYS: u32 = 256;
/// Places for probers that share the same hash of their address; the least recent one makes room.
pub const PROBER_WAYS: usize = 4;
/// Sets of such places. A server has few probers: two buddies, and those who look past somebody. The agent reads all of them twenty times
/// a second, out of cold caches: so there are not more than that takes.
pub const PROBER_SETS: u32 = 32;
/// Bytes of the ring buffer of events. Only changes go there.
pub const EVENT_BYTES: u32 = 1 << 16;

/// A timer that fires later than this after a deadline proves that this machine stood still, and no miss: 2 ms.
pub const TIMER_SLACK_NS: u64 = 2_000_000;
/// A reply still counts this long after its probe's deadline: 1 s.
pub const LATE_NS: u64 = 1_000_000_000;
/// Consecutive misses are events of their own up to this many; beyond it nobody decides by one miss more.
pub const MISS_EVENTS: u32 = 64;
/// A pulse older than this is news: 500 ms.
pub const PULSE_OLD_US: u32 = 500_000;

/// `CONFIG`: what does not change while the programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Config {
    /// Own address, IPv6 or IPv4-mapped. All zero: answer nobody yet.
    pub address: Address,
}

/// `KEYS`, by key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct KeySlot {
    /// The key.
    pub key: TagKey,
    /// 1 if it is accepted.
    pub used: u64,
}

/// `IDENTITY`: what goes into every reply. Memory-mapped; the agent writes it without a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Identity {
    /// When the event loop made its last full turn; 0: never.
    pub pulse_ns: u64,
    /// Own incarnation; 0: none yet.
    pub incarnation: u64,
    /// A [`crate::wire::Health`].
    pub health: u64,
}

/// `WATCHES`: one watch. Memory-mapped; the first part is written by the agent, the rest by the programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Watch {
    /// Which of the slot's watches; 0: none. Written last when a watch begins and first when it ends.
    pub generation: u64,
    /// Whom, in the bytes of an IPv4 address, zero-extended.
    pub peer: u64,
    /// A probe is a miss this long after it left, at least; later, if round trips take longer ([`crate::rtt::Smooth`]) ...
    pub deadline_ns: u64,
    /// ... but at most so much later, since the window must hold all that is outstanding.
    pub longest_ns: u64,

    /// Probes that left.
    pub sent: u64,
    /// The highest sequence number that left.
    pub last_sent: u64,
    /// No probe below this sequence number is outstanding.
    pub cursor: u64,
    /// Authenticated replies, late ones included.
    pub replies: u64,
    /// Late ones.
    pub late: u64,
    /// Plain echoes.
    pub plain: u64,
    /// Replies that had come before.
    pub duplicates: u64,
    /// Probes unanswered at their deadline.
    pub misses: u64,
    /// Misses that were void because the timer fired too late.
    pub void: u64,
    /// Misses since the last reply of any kind.
    pub consecutive: u64,
    /// When the last authenticated reply arrived; 0: never.
    pub last_reply_ns: u64,
    /// When the last plain echo arrived; 0: never.
    pub last_plain_ns: u64,
    /// The latest moment at which the other agent's pulse is known to have beaten; 0: never.
    pub last_pulse_ns: u64,
    /// Round trip of the last reply, without residence.
    pub last_rtt_ns: u64,
    /// In the last authenticated reply.
    pub incarnation: u64,
    /// In the last authenticated reply.
    pub health: u64,
    /// Probes of ours that the other one says it has answered, as of its last reply ...
    pub answered: u64,
    /// ... and how many had left by then.
    pub answered_of: u64,
    /// Smoothed round trip ...
    pub mean_ns: u64,
    /// ... and its mean deviation: a [`crate::rtt::Smooth`].
    pub deviation_ns: u64,
    /// [`crate::wire::Direction`] of the last reply; 0: none yet.
    pub last_kind: u64,
    /// 1 if the pulse in the last reply was older than [`PULSE_OLD_US`].
    pub pulse_old: u64,
    /// The first void miss since the agent zeroed this: its deadline ...
    pub void_from_ns: u64,
    /// ... and when the timer of the last one fired.
    pub void_until_ns: u64,
}

/// What became of a probe in the window.
pub mod state {
    /// No probe.
    pub const FREE: u64 = 0;
    /// It left and waits.
    pub const WAITING: u64 = 1;
    /// It has its reply.
    pub const ANSWERED: u64 = 2;
    /// Its deadline passed.
    pub const MISSED: u64 = 3;
}

/// `WINDOW`: one probe, at `slot * WINDOW + seq % WINDOW`. Memory-mapped, so that the sender sees what left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Outstanding {
    /// Which.
    pub seq: u64,
    /// When it left.
    pub sent_ns: u64,
    /// When it is a miss.
    pub deadline_ns: u64,
    /// One of [`state`]. Changes only by compare-and-swap, so that a reply and a timer cannot both have it.
    pub state: u64,
}

/// Its index.
#[inline(always)]
#[must_use]
pub const fn window_index(slot: u32, seq: u64) -> u32 {
    slot * WINDOW + (seq % WINDOW as u64) as u32
}

/// `HISTOGRAM`: round trips of one watch, by [`crate::rtt::bucket`]. Memory-mapped.
pub type Histogram = [u64; BUCKETS];

/// `PROBERS`: who was answered, at [`prober_set`]. Memory-mapped.
///
/// A plain array and not the kernel's hash map: it is looked up for every probe, and a third as dear.
pub type ProberSet = [Prober; PROBER_WAYS];

/// One prober.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Prober {
    /// Its address, in the two words of [`crate::tag::words`].
    pub address: [u64; 2],
    /// When, last; 0: nobody is here.
    pub last_ns: u64,
    /// How often.
    pub answered: u64,
    /// Its incarnation, as in its last probe.
    pub incarnation: u64,
    /// The last probe's [`crate::wire::Purpose`].
    pub purpose: u64,
}

/// The set of an address (Fibonacci hashing, Knuth, TAOCP vol. 3, section 6.4).
#[inline(always)]
#[must_use]
pub const fn prober_set(address: [u64; 2]) -> u32 {
    ((address[0] ^ address[1]).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as u32
}

const _: () = assert!(PROBER_SETS == 32);

/// Why the agent is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EventKind {
    /// First reply of a watch, of either kind.
    First = 1,
    /// A reply after misses.
    Back = 2,
    /// A miss.
    Miss = 3,
    /// Another incarnation or health than before, or plain echoes instead of replies, or the other way round.
    Changed = 4,
    /// The pulse became old, or fresh.
    Pulse = 5,
    /// A miss was void.
    Void = 6,
}

/// One entry of the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When.
    pub at_ns: u64,
    /// Which watch: its slot.
    pub slot: u16,
    /// Which watch: which of the slot's.
    pub generation: u16,
    /// An [`EventKind`].
    pub kind: u32,
}
