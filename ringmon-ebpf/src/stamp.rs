//! A probe leaves: into the window with it, and on with the timer.

use ringmon_common::count::Incident;
use ringmon_common::layout::{Outstanding, Watch, state, window_index};
use ringmon_common::rtt::Smooth;
use ringmon_common::wire::Payload;

use crate::atomic::{add, get, set};
use crate::{maps, timer};

/// Stamps one probe.
#[inline(always)]
pub fn stamp(payload: &Payload) {
    let (slot, generation) = (u16::from_be_bytes(payload.slot), u16::from_be_bytes(payload.generation));
    let seq = u64::from_be_bytes(payload.seq);
    let place = maps::WINDOW.get_ptr_mut(window_index(u32::from(slot), seq));
    let (Some(watch), Some(place)) = (maps::watch(slot, generation), place) else {
        maps::count(Incident::StampUnknown.index());
        return;
    };
    maps::count(Incident::Stamped.index());
    // SAFETY: map values.
    let wake = unsafe {
        enter(watch, place, seq, maps::now());
        earliest(watch, u32::from(slot), seq)
    };
    timer::start(u32::from(slot), wake);
}

/// Puts the probe into its place.
///
/// # Safety
/// Both are map values.
#[inline(always)]
unsafe fn enter(watch: *mut Watch, place: *mut Outstanding, seq: u64, now: u64) {
    // SAFETY: by the caller. The state is written first and last, so that nobody takes the old probe for the new one.
    unsafe {
        if get(&raw const (*place).state) == state::WAITING && get(&raw const (*place).seq) != seq {
            maps::count(Incident::WindowFull.index());
        }
        set(&raw mut (*place).state, state::FREE);
        set(&raw mut (*place).seq, seq);
        set(&raw mut (*place).sent_ns, now);
        set(&raw mut (*place).deadline_ns, now + patience(watch));
        set(&raw mut (*place).state, state::WAITING);
        add(&raw mut (*watch).sent, 1);
        if seq > get(&raw const (*watch).last_sent) {
            set(&raw mut (*watch).last_sent, seq);
        }
        // Probes that waited for their neighbour to resolve come late, and behind later ones.
        if seq < get(&raw const (*watch).cursor) {
            set(&raw mut (*watch).cursor, seq);
        }
    }
}

/// How long the probe that leaves now may take.
///
/// # Safety
/// `watch` is a map value.
#[inline(always)]
unsafe fn patience(watch: *const Watch) -> u64 {
    // SAFETY: by the caller.
    unsafe {
        let (mean_ns, deviation_ns) = (get(&raw const (*watch).mean_ns), get(&raw const (*watch).deviation_ns));
        Smooth { mean_ns, deviation_ns }
            .deadline(get(&raw const (*watch).deadline_ns), get(&raw const (*watch).longest_ns))
    }
}

/// When the timer must look next: never later than the first deadline of an outstanding probe. Too early is harmless.
///
/// # Safety
/// `watch` is a map value.
#[inline(always)]
unsafe fn earliest(watch: *const Watch, slot: u32, seq: u64) -> u64 {
    // SAFETY: by the caller.
    let cursor = unsafe { get(&raw const (*watch).cursor) };
    let Some(place) = maps::WINDOW.get_ptr(window_index(slot, cursor.min(seq))) else { return 0 };
    // SAFETY: a map value.
    let (found, deadline) = unsafe { (get(&raw const (*place).seq), get(&raw const (*place).deadline_ns)) };
    // A probe that never left stands first: the timer goes past it at once.
    if found == cursor.min(seq) { deadline } else { 0 }
}
