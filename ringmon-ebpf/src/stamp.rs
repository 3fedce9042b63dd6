//! A probe leaves: into the window with it, and on with the timer.

use ringmon_common::cell::Cell;
use ringmon_common::count::Incident;
use ringmon_common::layout::{WINDOW, Watch};
use ringmon_common::rtt::Smooth;
use ringmon_common::window::{Times, seq_of};
use ringmon_common::wire::Payload;

use crate::atomic::{add, get};
use crate::{maps, timer};

/// Stamps one probe, which goes to this address.
#[inline(always)]
pub fn stamp(payload: &Payload, to: [u8; 4]) {
    let (slot, generation) = (u16::from_be_bytes(payload.slot), u16::from_be_bytes(payload.generation));
    let seq = u64::from_be_bytes(payload.seq);
    let place = maps::place(u32::from(slot), seq);
    // SAFETY: a map value.
    let is_its = |watch: &*mut Watch| unsafe { get(&raw const (**watch).peer) } == u64::from(u32::from_ne_bytes(to));
    let (Some(watch), Some(place)) = (maps::watch(slot, generation).filter(is_its), place) else {
        maps::count(Incident::StampUnknown.index());
        return;
    };
    // What the agent has given away once, in this life or in an earlier one, somebody may send again.
    // SAFETY: as above.
    let given = unsafe { get(&raw const (*watch).given) };
    if given.wrapping_sub(seq) >= WINDOW as u64 || !place.is_new(seq) {
        maps::count(Incident::StampForged.index());
        return;
    }
    maps::count(Incident::Stamped.index());
    let now = maps::now();
    // SAFETY: a map value.
    let patience = unsafe { patience(watch) };
    if place.enter(seq, Times { sent_ns: now, deadline_ns: now + patience }) {
        maps::count(Incident::WindowFull.index());
    }
    // SAFETY: as above.
    unsafe { add(&raw mut (*watch).sent, 1) };
    maps::span(watch).entered(seq);
    timer::start(u32::from(slot), earliest(watch, u32::from(slot), seq));
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

/// When the timer must look next: never later than the first deadline of an outstanding probe. Too early is harmless:
/// the deadline that is read may still be that of the probe before in the same place.
#[inline(always)]
fn earliest(watch: *mut Watch, slot: u32, seq: u64) -> u64 {
    let first = maps::span(watch).cursor.get().min(seq);
    match maps::place(slot, first) {
        Some(place) if seq_of(place.mark.get()) == first => place.deadline_ns.get(),
        // A probe that never left stands first: the timer goes past it at once.
        Some(_) | None => 0,
    }
}
