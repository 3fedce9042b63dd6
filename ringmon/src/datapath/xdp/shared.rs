//! What the agent's threads share: the kernel's arrays, and the few numbers that user space adds to them.

use std::mem::offset_of;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, fence};
use std::time::Duration;

use ringmon_common::cell::{hand_over, steady};
use ringmon_common::layout::{self, Histogram, Identity, Outstanding, Prober, Watch, window_index};
use ringmon_common::rtt;
use ringmon_common::testimony::{HAS_DATABASE, IS_BLIND, WATCHES_IT};
use ringmon_common::window::seq_of;
use tokio::sync::Notify;

use super::memory::Mapped;
use crate::datapath::Readings;
use ringmon_core::blindness::Blindness;
use ringmon_core::evidence::{LocalFault, MAX_WATCHES, Testimony, WatchId, WatchReading};
use ringmon_core::row::Health;
use ringmon_core::{Incarnation, ServerId, Time, Word as _};

/// A span of time in which this machine's own evidence counts for nothing.
pub type Fault = (LocalFault, Time, Time);
/// How many faults are kept. An event loop that turns often takes them in time; one that does not need not know them
/// all.
const MOST_FAULTS: usize = 256;

#[derive(Debug)]
pub struct Shared {
    /// As the programs write them.
    pub watches: Mapped<Watch>,
    /// One for each watch, with its probes.
    pub window: Mapped<Outstanding>,
    /// Round trips of each watch.
    pub histogram: Mapped<Histogram>,
    /// What goes into replies.
    pub identity: Mapped<Identity>,
    pub probers: Mapped<Prober>,
    /// Verdicts and incidents.
    pub counters: Mapped<u64>,
    /// What the kernel does not know.
    own: [Own; MAX_WATCHES as usize],
    /// Whether the interface is up, as of the sender's last look.
    pub link_up: AtomicBool,
    /// As bits: the slots whose own numbers changed.
    dirty: AtomicU64,
    /// Rings after a change of `dirty`, `link_up` or `faults`.
    pub bell: Notify,
    faults: Mutex<Vec<Fault>>,
}

/// What user space knows about the watch of a slot. The sender writes it.
#[derive(Debug, Default)]
struct Own {
    began: AtomicU64,
    unresolved: AtomicU64,
    unsent: AtomicU64,
    /// Why the last probe did not leave, as its place among all reasons; 0: it left.
    held_up: AtomicU64,
    /// Unresolved probes since the last proof of life before the last of them; when the first of these was decided
    /// about, and the last.
    run: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
}

impl Shared {
    /// Around empty maps that were just loaded.
    #[must_use]
    pub fn new(
        (watches, window, histogram): (Mapped<Watch>, Mapped<Outstanding>, Mapped<Histogram>),
        (identity, probers, counters): (Mapped<Identity>, Mapped<Prober>, Mapped<u64>),
    ) -> Self {
        let own = std::array::from_fn(|_| Own::default());
        let (link_up, dirty, bell, faults) =
            (AtomicBool::new(true), AtomicU64::new(0), Notify::new(), Mutex::default());
        Self { watches, window, histogram, identity, probers, counters, own, link_up, dirty, bell, faults }
    }

    /// The generation in this slot; 0: no watch.
    #[must_use]
    pub fn generation(&self, slot: u16) -> u16 {
        self.key(slot).map_or(0, |word| word.load(Relaxed) as u16)
    }

    /// Gives a slot to a watch whose first probe will be `first`. Everything about the watch before it is erased.
    pub fn begin(&self, id: WatchId, peer: [u8; 4], first: u64, deadline: (Duration, Duration), now: Time) {
        let slot = u32::from(id.slot);
        let Some(generation) = self.key(id.slot) else { return };
        // Programs and other threads know no watch in this slot until all of it is written.
        hand_over(&generation, u64::from(id.generation), || {
            self.watches.clear(slot);
            self.histogram.clear(slot);
            for seq in 0..u64::from(layout::WINDOW) {
                self.window.clear(window_index(slot, seq));
            }
            if let Some(own) = self.own.get(usize::from(id.slot)) {
                for word in [&own.unresolved, &own.unsent, &own.held_up, &own.run, &own.first, &own.last] {
                    word.store(0, Relaxed);
                }
                own.began.store(now.as_ns(), Relaxed);
            }
            self.put(slot, offset_of!(Watch, peer), u64::from(u32::from_ne_bytes(peer)));
            self.put(slot, offset_of!(Watch, cursor), first);
            self.put(slot, offset_of!(Watch, last_sent), first - 1);
            self.put(slot, offset_of!(Watch, began_ns), now.as_ns());
            self.deadline(id.slot, deadline);
        });
    }

    /// Whom the slot watches, for those who ask; [`ServerId::NEW`]: a server without a row.
    pub fn server(&self, slot: u16, server: ServerId) {
        self.put(u32::from(slot), offset_of!(Watch, server), server.0 as u64);
    }

    pub fn end(&self, slot: u16) {
        self.put(u32::from(slot), offset_of!(Watch, generation), 0);
    }

    fn key(&self, slot: u16) -> Option<&AtomicU64> {
        self.watches.word(u32::from(slot), offset_of!(Watch, generation))
    }

    /// Changes the deadline of later probes: the least and the most that it may be.
    pub fn deadline(&self, slot: u16, (least, most): (Duration, Duration)) {
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.put(u32::from(slot), offset_of!(Watch, deadline_ns), ns(least));
        self.put(u32::from(slot), offset_of!(Watch, longest_ns), ns(most));
    }

    fn put(&self, slot: u32, offset: usize, value: u64) {
        if let Some(word) = self.watches.word(slot, offset) {
            word.store(value, Relaxed);
        }
    }

    /// As replies carry it.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.identity.word(0, offset_of!(Identity, incarnation)).map_or(0, |word| word.load(Relaxed))
    }

    /// Whether the egress program has seen this probe.
    #[must_use]
    pub fn has_left(&self, slot: u16, seq: u64) -> bool {
        let word = self.window.word(window_index(u32::from(slot), seq), offset_of!(Outstanding, mark));
        word.is_some_and(|word| seq_of(word.load(Relaxed)) == seq)
    }

    /// When the slot's server was last heard, by any kind of reply.
    #[must_use]
    pub fn heard(&self, slot: u16) -> Time {
        let at = |offset| self.watches.word(u32::from(slot), offset).map_or(0, |word| word.load(Relaxed));
        Time::from_ns(at(offset_of!(Watch, last_reply_ns)).max(at(offset_of!(Watch, last_plain_ns))))
    }

    /// The sender gives this number away now: only then may a probe with it leave.
    pub fn give(&self, slot: u16, seq: u64) {
        self.put(u32::from(slot), offset_of!(Watch, given), seq);
    }

    /// What goes back in the next probe: the `received` of the last reply.
    #[must_use]
    pub fn received(&self, slot: u16) -> u64 {
        self.watches.word(u32::from(slot), offset_of!(Watch, received)).map_or(0, |word| word.load(Relaxed))
    }

    /// Counts a probe that did not leave because of a fault of this machine.
    pub fn count_unsent(&self, slot: u16, why: Blindness) {
        if let Some(own) = self.own.get(usize::from(slot)) {
            own.unsent.fetch_add(1, Relaxed);
            let place = Blindness::ALL.iter().zip(1..).find_map(|(each, place)| (*each == why).then_some(place));
            own.held_up.store(place.unwrap_or(0), Relaxed);
        }
    }

    /// A probe has left, or could not only because its neighbour does not resolve.
    pub fn goes_out(&self, slot: u16) {
        if let Some(own) = self.own.get(usize::from(slot)) {
            own.held_up.store(0, Relaxed);
        }
    }

    /// Counts a miss because the neighbour does not resolve, and wakes the event loop.
    pub fn count_unresolved(&self, slot: u16, now: Time) {
        let Some(own) = self.own.get(usize::from(slot)) else { return };
        if self.heard(slot).as_ns() > own.last.load(Relaxed) {
            own.run.store(0, Relaxed);
        }
        if own.run.fetch_add(1, Relaxed) == 0 {
            own.first.store(now.as_ns(), Relaxed);
        }
        own.last.store(now.as_ns(), Relaxed);
        own.unresolved.fetch_add(1, Relaxed);
        self.dirty.fetch_or(1 << slot, Relaxed);
        self.bell.notify_one();
    }

    /// The slots whose own numbers changed since the last call.
    #[must_use]
    pub fn take_dirty(&self) -> Vec<WatchId> {
        let bits = self.dirty.swap(0, Relaxed);
        let slots = (0..MAX_WATCHES).filter(|slot| bits & 1 << slot != 0);
        let ids = slots.map(|slot| WatchId { slot, generation: self.generation(slot) });
        ids.filter(|id| id.generation != 0).collect()
    }

    /// Adds faults and rings, unless another thread is reading them just now; true if it did. Never waits.
    pub fn try_report(&self, new: &mut Vec<Fault>) -> bool {
        let Ok(mut faults) = self.faults.try_lock() else { return false };
        faults.append(new);
        let excess = faults.len().saturating_sub(MOST_FAULTS);
        faults.drain(..excess);
        drop(faults);
        self.bell.notify_one();
        true
    }

    /// The faults since the last call.
    #[must_use]
    pub fn take_faults(&self) -> Vec<Fault> {
        self.faults.lock().map_or_else(
            |poisoned| std::mem::take(&mut *poisoned.into_inner()),
            |mut faults| std::mem::take(&mut *faults),
        )
    }

    /// How many misses of this slot a late timer counted. It counts them last, so their span can be read by then.
    #[must_use]
    pub fn doubtful(&self, slot: u32) -> u64 {
        self.watches.word(slot, offset_of!(Watch, doubtful)).map_or(0, |word| word.load(Acquire))
    }

    /// The span of this slot's doubtful misses since the last call.
    #[must_use]
    pub fn take_doubt(&self, slot: u32) -> Option<(Time, Time)> {
        let from = self.watches.word(slot, offset_of!(Watch, doubt_from_ns))?.swap(0, AcqRel);
        let until = self.watches.word(slot, offset_of!(Watch, doubt_until_ns))?.load(Relaxed);
        (from != 0).then(|| (Time::from_ns(from), Time::from_ns(until)))
    }

    /// The prober in this place; `None`: nobody, or somebody who is being written down just now.
    #[must_use]
    pub fn prober(&self, at: u32) -> Option<Prober> {
        let last = self.probers.word(at, offset_of!(Prober, last_ns))?;
        let (_, prober) = steady(&last, || fence(Acquire), || self.probers.load(at))?;
        prober
    }

    /// Upper bounds and counts of a watch's round trips, without gaps up to the longest: each bound is also the lower
    /// bound of the next.
    #[must_use]
    pub fn round_trips(&self, slot: u16) -> Vec<(u64, u64)> {
        let counts = self.histogram.load(u32::from(slot)).unwrap_or([0; rtt::BUCKETS]);
        let used = counts.iter().rposition(|count| *count != 0).map_or(0, |longest| longest + 1);
        counts.into_iter().enumerate().take(used).map(|(bucket, count)| (rtt::upper_bound(bucket), count)).collect()
    }
}

impl Shared {
    /// The last answer to a question of this slot's watch; `None`: there is none, or it is being written just now.
    fn testimony(&self, slot: u16) -> Option<Testimony> {
        let at = self.watches.word(u32::from(slot), offset_of!(Watch, said_at_ns))?;
        let (at, watch) = steady(&at, || fence(Acquire), || self.watches.load(u32::from(slot)))?;
        let watch = watch?;
        Some(Testimony {
            of: ServerId(watch.said_of as i64),
            at: Time::from_ns(at),
            watches: watch.said_known & u64::from(WATCHES_IT) != 0,
            database: watch.said_known & u64::from(HAS_DATABASE) != 0,
            blind: watch.said_known & u64::from(IS_BLIND) != 0,
            heard: Time::from_ns(watch.said_heard_ns),
            proof: Time::from_ns(watch.said_proof_ns),
            pulse: Time::from_ns(watch.said_pulse_ns),
            misses: u32::try_from(watch.said_misses).unwrap_or(u32::MAX),
            alive: Time::from_ns(watch.said_alive_ns),
            life: Incarnation(watch.said_life as i64),
        })
    }
}

impl Readings for Shared {
    fn read(&self, id: WatchId) -> Option<WatchReading> {
        let (own, key) = (self.own.get(usize::from(id.slot))?, self.key(id.slot)?);
        let copy = || {
            let user = [&own.unresolved, &own.unsent, &own.held_up, &own.run, &own.first, &own.last, &own.began];
            let user = user.map(|word| word.load(Relaxed));
            (self.watches.load(u32::from(id.slot)), user)
        };
        let (generation, (watch, [unresolved, unsent, held_up, run, first, last, began])) =
            steady(&key, || fence(Acquire), copy)?;
        let watch = watch.filter(|_| generation == u64::from(id.generation))?;
        let proof = watch.last_reply_ns.max(watch.last_plain_ns);
        let run = if proof > last { 0 } else { run };
        let time = |ns: u64| (ns != 0).then(|| Time::from_ns(ns));
        let stamps =
            |missed, unresolved| [time(missed).filter(|_| watch.consecutive > 0), time(unresolved).filter(|_| run > 0)];
        Some(WatchReading {
            began: Time::from_ns(began),
            sent: watch.sent,
            replies: watch.replies,
            late: watch.late,
            misses: watch.misses + unresolved,
            unresolved,
            unsent,
            held_up: usize::try_from(held_up).ok().and_then(|place| Blindness::ALL.get(place.checked_sub(1)?).copied()),
            consecutive: u32::try_from(watch.consecutive + run).unwrap_or(u32::MAX),
            // A probe that could not leave counts from when that was decided: a deadline after it was due.
            run_from: stamps(watch.run_sent_ns, first).into_iter().flatten().min(),
            run_until: stamps(watch.run_deadline_ns, last).into_iter().flatten().max(),
            last_reply: time(watch.last_reply_ns),
            prev_reply: time(watch.prev_reply_ns),
            last_plain: time(watch.last_plain_ns),
            last_pulse: time(watch.last_pulse_ns),
            last_rtt: (watch.replies != 0).then(|| Duration::from_nanos(watch.last_rtt_ns)),
            patience: patience(&watch),
            answered: watch.answered,
            answered_of: watch.answered_of,
            incarnation: Incarnation(watch.incarnation as i64),
            health: Health::from_wire(u8::try_from(watch.health).unwrap_or(0)),
            testimony: self.testimony(id.slot),
        })
    }
}

/// The egress program computes the same, but cuts it at its upper bound. Code that spaces probes by it must see how
/// long they really take.
fn patience(watch: &Watch) -> Duration {
    if watch.replies == 0 {
        return Duration::ZERO;
    }
    let smooth = rtt::Smooth { mean_ns: watch.mean_ns, deviation_ns: watch.deviation_ns };
    Duration::from_nanos(smooth.deadline(watch.deadline_ns, u64::MAX))
}
