//! Takes a reply that comes home.

use ringmon_common::layout::{EventKind, PULSE_OLD_US, Watch};
use ringmon_common::rtt::Smooth;
use ringmon_common::window::{Times, Unasked};
use ringmon_common::wire::{Direction, PULSE_NEVER, Payload};
use ringmon_common::{Testimony, Verdict, rtt};

use crate::atomic::{add, change, get, set, swap};
use crate::{maps, testify};

/// Takes a reply, or a plain echo (`direction` says which), whose tag is right.
#[inline(always)]
pub fn observe(payload: &Payload, peer: [u8; 4], direction: Direction, testimony: Option<&Testimony>) -> Verdict {
    let now = maps::now();
    let (slot, generation) = (u16::from_be_bytes(payload.slot), u16::from_be_bytes(payload.generation));
    let seq = u64::from_be_bytes(payload.seq);
    let Some(watch) = maps::watch(slot, generation) else { return Verdict::StaleReply };
    let Some(place) = maps::place(u32::from(slot), seq) else { return Verdict::StaleReply };
    // SAFETY: a map value, here and below.
    if unsafe { get(&raw const (*watch).peer) } != u64::from(u32::from_ne_bytes(peer)) {
        return Verdict::StaleReply;
    }
    match place.answer(seq, now) {
        Ok(times) => {
            // The next probe's timer need not look at this one again.
            // SAFETY: as above.
            unsafe { change(&raw mut (*watch).cursor, seq, seq + 1) };
            if testimony.is_some_and(|testimony| testify::keep(watch, testimony, now)) {
                maps::tell(EventKind::Doubt, slot, generation, now);
            }
            record(watch, times, payload, direction, now)
        }
        Err(Unasked::Duplicate) => {
            // SAFETY: as above.
            unsafe { add(&raw mut (*watch).duplicates, 1) };
            Verdict::DuplicateReply
        }
        Err(Unasked::Stale) => Verdict::StaleReply,
    }
}

/// Stores what a reply says, and wakes the agent if it is news.
#[inline(always)]
fn record(watch: *mut Watch, times: Times, payload: &Payload, direction: Direction, now: u64) -> Verdict {
    let late = now > times.deadline_ns;
    // SAFETY: a map value. Only replies of this one watch write these fields. They come one after the other, except
    // through several queues, where the later of two may lose a count.
    unsafe {
        let was_silent = swap(&raw mut (*watch).consecutive, 0) != 0;
        let last_kind = swap(&raw mut (*watch).last_kind, direction as u64);
        let (news, verdict) = match direction {
            Direction::Probe => {
                add(&raw mut (*watch).plain, 1);
                set(&raw mut (*watch).last_plain_ns, now);
                (None, Verdict::PlainReply)
            }
            Direction::Reply => {
                measure(watch, times.sent_ns, payload, now);
                if late {
                    add(&raw mut (*watch).late, 1);
                }
                (contents(watch, payload, now), if late { Verdict::LateReply } else { Verdict::Reply })
            }
        };
        let news = match (last_kind, was_silent) {
            (0, _) => Some(EventKind::First),
            (_, true) => Some(EventKind::Back),
            (last, false) if last != direction as u64 => Some(EventKind::Changed),
            (_, false) => news,
        };
        if let Some(kind) = news {
            let (slot, generation) = (u16::from_be_bytes(payload.slot), u16::from_be_bytes(payload.generation));
            maps::tell(kind, slot, generation, now);
        }
        verdict
    }
}

/// Round trip, counter and histogram.
///
/// # Safety
/// `watch` is a map value.
#[inline(always)]
unsafe fn measure(watch: *mut Watch, sent_ns: u64, payload: &Payload, now: u64) {
    // SAFETY: by the caller.
    unsafe {
        let round_trip = now.saturating_sub(sent_ns);
        let rtt = round_trip.saturating_sub(u64::from(u32::from_be_bytes(payload.residence_ns)));
        add(&raw mut (*watch).replies, 1);
        let last = swap(&raw mut (*watch).last_reply_ns, now);
        set(&raw mut (*watch).prev_reply_ns, last);
        set(&raw mut (*watch).last_rtt_ns, rtt);
        // With the residence: a deadline is for the whole way.
        let (mean_ns, deviation_ns) = (get(&raw const (*watch).mean_ns), get(&raw const (*watch).deviation_ns));
        let smooth = Smooth { mean_ns, deviation_ns }.with(round_trip);
        set(&raw mut (*watch).mean_ns, smooth.mean_ns);
        set(&raw mut (*watch).deviation_ns, smooth.deviation_ns);
        if let Some(histogram) = maps::HISTOGRAM.get_ptr_mut(u32::from(u16::from_be_bytes(payload.slot))) {
            let bucket = rtt::bucket(rtt);
            if bucket < rtt::BUCKETS {
                add(histogram.cast::<u64>().add(bucket), 1);
            }
        }
    }
}

/// What the other agent says of itself.
///
/// # Safety
/// `watch` is a map value.
#[inline(always)]
unsafe fn contents(watch: *mut Watch, payload: &Payload, now: u64) -> Option<EventKind> {
    // SAFETY: by the caller.
    unsafe {
        let incarnation = u64::from_be_bytes(payload.responder_incarnation);
        let health = u64::from(payload.health);
        let other_life = swap(&raw mut (*watch).incarnation, incarnation) != incarnation;
        let other_health = swap(&raw mut (*watch).health, health) != health;
        set(&raw mut (*watch).answered, u64::from_be_bytes(payload.answered));
        set(&raw mut (*watch).received, u64::from_be_bytes(payload.received_ns));
        set(&raw mut (*watch).answered_of, get(&raw const (*watch).sent));
        let age = u32::from_be_bytes(payload.pulse_age_us);
        let beat = now.saturating_sub(u64::from(age) * 1000);
        if age != PULSE_NEVER && beat > get(&raw const (*watch).last_pulse_ns) {
            set(&raw mut (*watch).last_pulse_ns, beat);
        }
        let old = u64::from(age >= PULSE_OLD_US);
        if old == 0 {
            set(&raw mut (*watch).last_alive_ns, now);
        }
        let other_pulse = swap(&raw mut (*watch).pulse_old, old) != old;
        if other_life || other_health {
            return Some(EventKind::Changed);
        }
        other_pulse.then_some(EventKind::Pulse)
    }
}
