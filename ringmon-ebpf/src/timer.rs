//! A deadline passes.
//!
//! One timer a watch. It walks from the cursor over the probes whose deadline has passed, and is started again for the
//! first one that still has time. A probe that leaves starts it anew as well (see [`crate::stamp`]); whichever start
//! comes last, every firing looks at the whole state, so none can get lost.

use aya_ebpf::bindings::{BPF_F_TIMER_ABS, bpf_timer};
use aya_ebpf::btf_maps::Array;
use aya_ebpf::cty::c_void;
use aya_ebpf::helpers::generated::{bpf_timer_init, bpf_timer_set_callback, bpf_timer_start};
use aya_ebpf::macros::btf_map;
use ringmon_common::count::Incident;
use ringmon_common::layout::{
    EventKind, MISS_EVENTS, Outstanding, TIMER_SLACK_NS, WATCHES, WINDOW, Watch, state, window_index,
};

use crate::atomic::{add, change, get, set};
use crate::maps;

/// A timer cannot lie in a value that is memory-mapped, so it does not lie in the watch.
#[repr(C)]
pub struct Timer {
    timer: bpf_timer,
    /// 1 once the kernel has made it.
    made: u64,
}

#[btf_map]
static TIMERS: Array<Timer, { WATCHES as usize }> = Array::new();

/// `CLOCK_MONOTONIC`, which is also the clock of `bpf_ktime_get_ns`.
const MONOTONIC: u64 = 1;
/// Probes that one firing goes past; with more to do it starts itself again at once.
const STEPS: u32 = 16;

/// Fires at this time; at once, if it has passed.
#[inline(always)]
pub fn start(slot: u32, at_ns: u64) {
    let Some(timer) = TIMERS.get_ptr_mut(slot) else { return };
    // SAFETY: a map value; the callback has the signature that the kernel calls.
    let refused = unsafe {
        if get(&raw const (*timer).made) == 0 {
            // Another CPU may have been faster: then this is refused, and the next line still right.
            bpf_timer_init(timer.cast(), (&raw const TIMERS).cast_mut().cast(), MONOTONIC);
            bpf_timer_set_callback(timer.cast(), fired as *mut c_void);
            set(&raw mut (*timer).made, 1);
        }
        bpf_timer_start(timer.cast(), at_ns, u64::from(BPF_F_TIMER_ABS)) != 0
    };
    if refused {
        maps::count(Incident::TimerRefused.index());
    }
}

#[inline(never)]
extern "C" fn fired(_map: *mut c_void, slot: *const u32, timer: *mut Timer) -> i32 {
    maps::count(Incident::TimerFired.index());
    // SAFETY: the key that the kernel passes.
    let slot = unsafe { *slot };
    let Some(watch) = maps::WATCHES.get_ptr_mut(slot) else { return 0 };
    let now = maps::now();
    for _ in 0..STEPS {
        match step(watch, slot, now) {
            Next::Again => (),
            Next::Rest => return 0,
            Next::At(deadline) => {
                // SAFETY: the value that the kernel passes.
                unsafe { bpf_timer_start(timer.cast(), deadline, u64::from(BPF_F_TIMER_ABS)) };
                return 0;
            }
        }
    }
    // SAFETY: as above.
    unsafe { bpf_timer_start(timer.cast(), now, u64::from(BPF_F_TIMER_ABS)) };
    0
}

/// What the timer does next.
enum Next {
    /// Look at the next probe.
    Again,
    /// Nothing is outstanding: the next probe that leaves starts the timer.
    Rest,
    /// Sleep until this deadline.
    At(u64),
}

/// Looks at the probe at the cursor.
#[inline(always)]
fn step(watch: *mut Watch, slot: u32, now: u64) -> Next {
    // SAFETY: map values, here and below.
    let (generation, cursor, last) = unsafe {
        (get(&raw const (*watch).generation), get(&raw const (*watch).cursor), get(&raw const (*watch).last_sent))
    };
    if generation == 0 || cursor > last {
        return Next::Rest;
    }
    if last - cursor >= u64::from(WINDOW) {
        // SAFETY: as above.
        unsafe { set(&raw mut (*watch).cursor, last - u64::from(WINDOW) + 1) };
        return Next::Again;
    }
    let Some(place) = maps::WINDOW.get_ptr_mut(window_index(slot, cursor)) else { return Next::Rest };
    // SAFETY: as above.
    unsafe {
        let waits = get(&raw const (*place).seq) == cursor && get(&raw const (*place).state) == state::WAITING;
        let deadline = get(&raw const (*place).deadline_ns);
        if waits && deadline > now {
            return Next::At(deadline);
        }
        if waits && change(&raw mut (*place).state, state::WAITING, state::MISSED) {
            missed(watch, place, slot as u16, generation as u16, now);
        }
        change(&raw mut (*watch).cursor, cursor, cursor + 1);
    }
    Next::Again
}

/// Counts a miss, or why it is none.
///
/// # Safety
/// Both are map values.
#[inline(always)]
unsafe fn missed(watch: *mut Watch, place: *const Outstanding, slot: u16, generation: u16, now: u64) {
    // SAFETY: by the caller.
    unsafe {
        let deadline = get(&raw const (*place).deadline_ns);
        if now - deadline > TIMER_SLACK_NS {
            maps::count(Incident::MissVoid.index());
            // The agent zeroes it when it has read the span; until then the span grows.
            change(&raw mut (*watch).void_from_ns, 0, deadline);
            set(&raw mut (*watch).void_until_ns, now);
            add(&raw mut (*watch).void, 1);
            maps::tell(EventKind::Void, slot, generation, now);
            return;
        }
        add(&raw mut (*watch).misses, 1);
        let before = add(&raw mut (*watch).consecutive, 1);
        if before < u64::from(MISS_EVENTS) {
            maps::tell(EventKind::Miss, slot, generation, now);
        }
    }
}
