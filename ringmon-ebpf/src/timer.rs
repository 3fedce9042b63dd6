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
use ringmon_common::layout::{EventKind, MISS_EVENTS, TIMER_SLACK_NS, WATCHES, Watch};
use ringmon_common::window::{Due, Times};

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
    // SAFETY: a map value.
    let generation = unsafe { get(&raw const (*watch).generation) };
    let span = maps::span(watch);
    let Some(seq) = span.first().filter(|_| generation != 0) else { return Next::Rest };
    let Some(place) = maps::place(slot, seq) else { return Next::Rest };
    match place.expire(seq, now) {
        Due::Later(deadline) => return Next::At(deadline),
        // SAFETY: as above.
        Due::Missed(times) => unsafe { missed(watch, slot as u16, generation as u16, times, now) },
        Due::Gone => (),
    }
    span.pass(seq, &place);
    Next::Again
}

/// Counts a miss. Its deadline is not after `now`. If it is long before, this machine stood still, and it is for the
/// agent to find out whether the reply was on its way through it.
///
/// # Safety
/// `watch` is a map value.
#[inline(always)]
unsafe fn missed(watch: *mut Watch, slot: u16, generation: u16, times: Times, now: u64) {
    // SAFETY: by the caller.
    unsafe {
        let is_late = now - times.deadline_ns > TIMER_SLACK_NS;
        if is_late {
            maps::count(Incident::MissLate.index());
            // The agent zeroes it when it has read the span; until then the span grows.
            change(&raw mut (*watch).doubt_from_ns, 0, times.deadline_ns);
            set(&raw mut (*watch).doubt_until_ns, now);
            // A barrier: an agent that sees this count sees the span too. Only then comes the miss.
            add(&raw mut (*watch).doubtful, 1);
        }
        set(&raw mut (*watch).run_deadline_ns, times.deadline_ns);
        add(&raw mut (*watch).misses, 1);
        let before = add(&raw mut (*watch).consecutive, 1);
        if before == 0 {
            set(&raw mut (*watch).run_sent_ns, times.sent_ns);
        }
        if before < u64::from(MISS_EVENTS) {
            maps::tell(if is_late { EventKind::Late } else { EventKind::Miss }, slot, generation, now);
        }
    }
}
