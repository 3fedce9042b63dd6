//! The values of the maps. All are `repr(C)`, none has padding that is read, and all start as zero.

use crate::rtt::BUCKETS;
use crate::tag::{Address, TagKey};

/// How many watches a server can have at a time.
pub const WATCHES: u32 = 64;
/// How many outstanding probes a watch can have. A power of two, so that a probe's place is the low bits of its number.
pub const WINDOW: u32 = 128;
/// How many key ids there are.
pub const KEYS: u32 = 256;
/// Places for probers whose addresses have the same hash. The one that was silent longest makes room.
pub const PROBER_WAYS: usize = 4;
/// Sets of such places. A server has few probers: its two buddies, servers that look past a silent one, and those that
/// ask. The agent reads all sets twenty times a second, with cold caches, so there are no more than necessary.
pub const PROBER_SETS: u32 = 32;
/// Places in all sets.
pub const PROBERS: u32 = PROBER_SETS * PROBER_WAYS as u32;
/// Size of the ring buffer of events, in bytes. Only changes go into it.
pub const EVENT_BYTES: u32 = 1 << 16;

/// A timer that fires later than this after a deadline (2 ms) proves that this machine stood still. The reply may be
/// here, and not have been handled yet.
pub const TIMER_SLACK_NS: u64 = 2_000_000;
/// A reply still counts this long after its probe's deadline (1 s).
pub const LATE_NS: u64 = 1_000_000_000;
/// Up to this many consecutive misses are events of their own. After that, nothing is decided by one more miss.
pub const MISS_EVENTS: u32 = 64;
/// A testimony of this many misses is news: whoever is asked about is about to be accused.
pub const DOUBT_MISSES: u32 = 8;
/// A pulse older than this (500 ms) is news.
pub const PULSE_OLD_US: u32 = 500_000;

/// `CONFIG`: what does not change while the programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Config {
    /// This server's address, IPv6 or IPv4-mapped. While it is all zero, nobody is answered.
    pub address: Address,
    /// Added to the time of arrival that goes into each reply, and random. So a number that comes back was said by
    /// these programs, and not by those of an earlier start.
    pub nonce: u64,
}

/// `KEYS`, by key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct KeySlot {
    /// With the states that can be computed beforehand.
    pub key: TagKey,
    /// 1 if probes with this key are accepted.
    pub used: u64,
}

/// `IDENTITY`: goes into every reply. It is memory-mapped, and the agent writes it without a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Identity {
    /// When the event loop made its last full turn; 0: never.
    pub pulse_ns: u64,
    /// This server's incarnation; 0: it has none yet.
    pub incarnation: u64,
    /// The service's [`crate::wire::Health`].
    pub health: u64,
    /// When the last fault of this machine ended, which made its own evidence void; 0: there was none.
    pub clean_ns: u64,
    /// [`HAS_DATABASE`](crate::testimony::HAS_DATABASE) and [`IS_BLIND`](crate::testimony::IS_BLIND), as far as they
    /// are true.
    pub known: u64,
}

/// `WATCHES`: one watch. It is memory-mapped. The agent writes the first part, the programs write the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Watch {
    /// Counts the watches that the slot has had; 0: no watch. It is written last when a watch begins, and first when it
    /// ends.
    pub generation: u64,
    /// The watched server's IPv4 address, its bytes zero-extended.
    pub peer: u64,
    /// A probe is a miss at the earliest this long after it left; later, if round trips take longer
    /// ([`crate::rtt::Smooth`]) ...
    pub deadline_ns: u64,
    /// ... but never later than this, because the window must hold all outstanding probes.
    pub longest_ns: u64,
    /// The id of the watched server's row; 0: it has none yet.
    pub server: u64,
    /// When the watch began.
    pub began_ns: u64,
    /// The sequence number of the last probe that the agent gave away. No higher one is its own, and none much lower.
    pub given: u64,

    /// Probes that left.
    pub sent: u64,
    /// The highest sequence number that left.
    pub last_sent: u64,
    /// No probe below this sequence number is outstanding.
    pub cursor: u64,
    /// Authenticated replies, late ones included.
    pub replies: u64,
    /// Authenticated replies after their probe's deadline.
    pub late: u64,
    /// Replies of a kernel without an agent.
    pub plain: u64,
    /// Replies to a probe that already had one.
    pub duplicates: u64,
    /// Probes unanswered at their deadline.
    pub misses: u64,
    /// Those of them whose timer fired too late.
    pub doubtful: u64,
    /// Misses since the last reply of any kind.
    pub consecutive: u64,
    /// When the first of these left.
    pub run_sent_ns: u64,
    /// The deadline of the last of these.
    pub run_deadline_ns: u64,
    /// When the last authenticated reply arrived; 0: never.
    pub last_reply_ns: u64,
    /// And the one before.
    pub prev_reply_ns: u64,
    /// When the last plain echo arrived; 0: never.
    pub last_plain_ns: u64,
    /// The latest moment at which the other agent's pulse is known to have beaten; 0: never.
    pub last_pulse_ns: u64,
    /// When the last authenticated reply with a fresh pulse arrived; 0: never.
    pub last_alive_ns: u64,
    /// Round trip of the last reply, without the residence.
    pub last_rtt_ns: u64,
    /// As of the last authenticated reply.
    pub incarnation: u64,
    /// As of the last authenticated reply.
    pub health: u64,
    /// The `received` of the last authenticated reply, which goes back in the next probe.
    pub received: u64,
    /// How many probes of this server the other one has answered, as its last reply says ...
    pub answered: u64,
    /// ... and how many had left by then.
    pub answered_of: u64,
    /// The smoothed round trip ...
    pub mean_ns: u64,
    /// ... and its mean deviation: a [`crate::rtt::Smooth`].
    pub deviation_ns: u64,
    /// [`crate::wire::Direction`] of the last reply; 0: none yet.
    pub last_kind: u64,
    /// 1 if the pulse in the last reply was older than [`PULSE_OLD_US`].
    pub pulse_old: u64,
    /// The deadline of the first doubtful miss since the agent zeroed this ...
    pub doubt_from_ns: u64,
    /// ... and when the timer of the last one fired.
    pub doubt_until_ns: u64,

    /// When the last answer to a question came: see [`crate::Testimony`]. 0: none yet, or it is being written.
    pub said_at_ns: u64,
    /// Whom it is about.
    pub said_of: u64,
    /// Its `known`.
    pub said_known: u64,
    /// Its moments, on this machine's clock: it came that much later than each of them, or less.
    pub said_heard_ns: u64,
    /// As above.
    pub said_proof_ns: u64,
    /// As above.
    pub said_pulse_ns: u64,
    /// Its `misses`.
    pub said_misses: u64,
    /// As above: its `alive_age_us`.
    pub said_alive_ns: u64,
    /// Its `life`.
    pub said_life: u64,
}

/// `WINDOW`: one probe, at `slot * WINDOW + seq % WINDOW`. It is memory-mapped, so that the sender sees what left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Outstanding {
    /// The probe's sequence number and state: a [`crate::window::mark`].
    pub mark: u64,
    /// When it left.
    pub sent_ns: u64,
    /// When it becomes a miss.
    pub deadline_ns: u64,
}

/// The index of a probe in `WINDOW`.
#[inline(always)]
#[must_use]
pub const fn window_index(slot: u32, seq: u64) -> u32 {
    slot * WINDOW + (seq % WINDOW as u64) as u32
}

/// `HISTOGRAM`: round trips of one watch, by [`crate::rtt::bucket`]. It is memory-mapped.
pub type Histogram = [u64; BUCKETS];

/// `PROBERS`: the servers that were answered, at [`prober_set`]. It is memory-mapped.
///
/// It is a plain array and not the kernel's hash map: it is looked up for every probe, and an array costs a third.
pub type ProberSet = [Prober; PROBER_WAYS];

/// A server that probes this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Prober {
    /// Its address, in the two words of [`crate::tag::words`].
    pub address: [u64; 2],
    /// When it was last answered; 0: the place is empty.
    pub last_ns: u64,
    /// The latest moment at which it is known to have lived: when the probe came whose answer it got. 0: it has never
    /// shown that it gets answers. Who sends its probes again cannot make this later.
    pub proved_ns: u64,
    /// How many of its probes were answered.
    pub answered: u64,
    /// As of its last probe.
    pub incarnation: u64,
    /// As of its last probe: a [`crate::wire::Purpose`].
    pub purpose: u64,
    /// As of its last probe: the id of the server that it asks this one to watch (R12); 0: none.
    pub asked: u64,
    /// Where that server is, in the two words of [`crate::tag::words`].
    pub asked_at: [u64; 2],
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
    /// The first reply of a watch, authenticated or plain.
    First = 1,
    /// A reply after misses.
    Back = 2,
    /// A probe was not answered in time.
    Miss = 3,
    /// The incarnation or the health changed, or plain echoes come instead of replies, or the other way round.
    Changed = 4,
    /// The pulse became old, or is fresh again.
    Pulse = 5,
    /// The timer of a miss fired too late.
    Late = 6,
    /// A testimony of [`DOUBT_MISSES`], after one of fewer; or of a life that the one before was not about.
    Doubt = 7,
    /// A prober asks this server to watch another one. It is about no watch of this server: slot and generation are 0.
    Asked = 8,
}

/// One entry of the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When it happened.
    pub at_ns: u64,
    /// The slot of its watch.
    pub slot: u16,
    /// The generation of its watch.
    pub generation: u16,
    /// An [`EventKind`].
    pub kind: u32,
}
