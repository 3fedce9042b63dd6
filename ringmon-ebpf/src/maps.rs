//! The maps. [`ringmon_common::layout`] describes their values.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, RingBuf};
use ringmon_common::TagKey;
use ringmon_common::count::{COUNTERS as COUNTER_COUNT, Incident};
use ringmon_common::layout::{self, Config, Event, EventKind, Histogram, KeySlot, Outstanding, ProberSet, Watch};
use ringmon_common::window::{Place, SEQ_END, Span};

use crate::atomic::{Word, add, get};

/// The agent reads and writes the map as memory (bpf(2), `BPF_F_MMAPABLE`).
const MMAPABLE: u32 = 1 << 10;

#[map]
pub static CONFIG: Array<Config> = Array::with_max_entries(1, 0);
#[map]
pub static POOL_KEYS: Array<KeySlot> = Array::with_max_entries(layout::KEYS, 0);
#[map]
pub static IDENTITY: Array<layout::Identity> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub static WATCHES: Array<Watch> = Array::with_max_entries(layout::WATCHES, MMAPABLE);
#[map]
pub static WINDOW: Array<Outstanding> = Array::with_max_entries(layout::WATCHES * layout::WINDOW, MMAPABLE);
#[map]
pub static HISTOGRAM: Array<Histogram> = Array::with_max_entries(layout::WATCHES, MMAPABLE);
#[map]
pub static COUNTERS: Array<u64> = Array::with_max_entries(COUNTER_COUNT, MMAPABLE);
#[map]
pub static PROBERS: Array<ProberSet> = Array::with_max_entries(layout::PROBER_SETS, MMAPABLE);
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(layout::EVENT_BYTES, 0);

/// The clock of all programs here.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: has no conditions.
    unsafe { bpf_ktime_get_ns() }
}

/// This server's address, once the agent has set it.
#[inline(always)]
pub fn own_address() -> Option<[u8; 4]> {
    let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = CONFIG.get(0)?.address;
    (a != 0).then_some([a, b, c, d])
}

/// The key with this id, if it is accepted.
#[inline(always)]
pub fn key(id: u8) -> Option<&'static TagKey> {
    let slot = POOL_KEYS.get(u32::from(id))?;
    (slot.used != 0).then_some(&slot.key)
}

/// The watch in this slot, if it has this generation.
#[inline(always)]
pub fn watch(slot: u16, generation: u16) -> Option<*mut Watch> {
    let watch = WATCHES.get_ptr_mut(u32::from(slot))?;
    // SAFETY: a map value.
    let current = unsafe { get(&raw const (*watch).generation) };
    (current == u64::from(generation) && generation != 0).then_some(watch)
}

/// The place of this probe in the window of this slot. Another probe may be in it.
#[inline(always)]
pub fn place(slot: u32, seq: u64) -> Option<Place<Word>> {
    let place = WINDOW.get_ptr_mut(layout::window_index(slot, seq)).filter(|_| seq < SEQ_END)?;
    // SAFETY: a map value.
    unsafe {
        Some(Place {
            mark: Word::new(&raw mut (*place).mark),
            sent_ns: Word::new(&raw mut (*place).sent_ns),
            deadline_ns: Word::new(&raw mut (*place).deadline_ns),
        })
    }
}

/// Which probes of this watch may be outstanding.
#[inline(always)]
pub fn span(watch: *mut Watch) -> Span<Word> {
    // SAFETY: a map value.
    unsafe { Span { cursor: Word::new(&raw mut (*watch).cursor), last_sent: Word::new(&raw mut (*watch).last_sent) } }
}

#[inline(always)]
pub fn count(index: u32) {
    if let Some(counter) = COUNTERS.get_ptr_mut(index) {
        // SAFETY: a map value.
        unsafe { add(counter, 1) };
    }
}

#[inline(always)]
pub fn tell(kind: EventKind, slot: u16, generation: u16, at_ns: u64) {
    let event = Event { at_ns, slot, generation, kind: kind as u32 };
    if EVENTS.output::<Event>(&event, 0).is_err() {
        count(Incident::EventLost.index());
    }
}
