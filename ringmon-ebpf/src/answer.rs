//! Turns a probe into its reply, in place.

use ringmon_common::cell::{Cell, hand_over};
use ringmon_common::layout::{EventKind, PROBER_WAYS, Prober, prober_set};
use ringmon_common::tag::{Tagger, mapped_word, words};
use ringmon_common::wire::{Direction, PULSE_NEVER, Payload};
use ringmon_common::{Frame, Testimony, Verdict, frame};

use crate::atomic::{Word, get, set as set_word};
use crate::{maps, testify};

/// Writes the reply over a probe whose tag is right, and in version 2 the answer to its question behind it. `tagger` is
/// the state after what both have in common.
#[inline(always)]
pub fn answer(
    frame: &mut Frame,
    testimony: Option<&mut Testimony>,
    tagger: Tagger,
    received: u64,
) -> Result<Verdict, Verdict> {
    let nonce = maps::CONFIG.get(0).ok_or(Verdict::Truncated)?.nonce;
    let returned = match &testimony {
        Some(testimony) => u64::from_be_bytes(testimony.returned).wrapping_sub(nonce),
        None => 0,
    };
    // A number that these programs did not say is of the future, or of a random moment long ago: never of now.
    let proved = if returned <= received { returned } else { 0 };
    let (place, known) = remember(&frame.payload, frame.head.from, received, proved)?;
    // SAFETY: a map value.
    let answered = unsafe { get(&raw const (*place).answered) };
    let identity = maps::IDENTITY.get_ptr(0).ok_or(Verdict::Truncated)?;
    // SAFETY: a map value, which the agent writes a word at a time.
    let (pulse, incarnation, health) = unsafe {
        (
            get(&raw const (*identity).pulse_ns),
            get(&raw const (*identity).incarnation),
            get(&raw const (*identity).health),
        )
    };
    frame::turn(&mut frame.head, &mut frame.echo);
    let payload = &mut frame.payload;
    payload.received_ns = received.wrapping_add(nonce).to_be_bytes();
    payload.pulse_age_us = pulse_age(pulse, received).to_be_bytes();
    payload.responder_incarnation = incarnation.to_be_bytes();
    payload.answered = answered.to_be_bytes();
    payload.direction = Direction::Reply as u8;
    payload.health = health as u8;
    if let Some(testimony) = testimony {
        ask(place, known, testimony, received);
        testify::fill(testimony, received);
        stay(payload, received);
        payload.tag = tagger.testified(payload, testimony);
        frame.seal_with(testimony);
    } else {
        // SAFETY: as above.
        unsafe { set_word(&raw mut (*place).asked, 0) };
        stay(payload, received);
        payload.tag = tagger.reply(payload);
        frame.seal();
    }
    Ok(Verdict::Answered)
}

/// How long the probe was here: the last thing that takes time.
#[inline(always)]
fn stay(payload: &mut Payload, received: u64) {
    payload.residence_ns = ((maps::now() - received).min(u64::from(u32::MAX)) as u32).to_be_bytes();
}

/// In microseconds, saturating just below "never".
#[inline(always)]
fn pulse_age(pulse: u64, now: u64) -> u32 {
    if pulse == 0 {
        return PULSE_NEVER;
    }
    (now.saturating_sub(pulse) / 1000).min(u64::from(PULSE_NEVER)) as u32
}

/// Remembers who was answered, and how often, this time included; and when it is known to have lived. Returns its
/// place, and whether it was there before.
#[inline(always)]
fn remember(payload: &Payload, from: [u8; 4], now: u64, proved: u64) -> Result<(*mut Prober, bool), Verdict> {
    let address = [0, mapped_word(from)];
    let set = maps::PROBERS.get_ptr_mut(prober_set(address)).ok_or(Verdict::Truncated)?;
    let (place, known) = find(set.cast(), address);
    // SAFETY: a map value. Two CPUs may answer the same prober; then one count gets lost.
    unsafe {
        let last = Word::new(&raw mut (*place).last_ns);
        let answered = if known { get(&raw const (*place).answered) + 1 } else { 1 };
        let before = if known { get(&raw const (*place).proved_ns) } else { 0 };
        let note = || {
            set_word(&raw mut (*place).answered, answered);
            set_word(&raw mut (*place).proved_ns, if proved > before { proved } else { before });
            set_word(&raw mut (*place).incarnation, u64::from_be_bytes(payload.prober_incarnation));
            set_word(&raw mut (*place).purpose, u64::from(payload.purpose));
        };
        if known {
            // A reader may see the time first. The rest is then one probe old, which is harmless.
            note();
            last.set(now);
        } else {
            // The old prober's time must not pass for the new one's.
            hand_over(&last, now, || {
                set_word(&raw mut (*place).address[0], address[0]);
                set_word(&raw mut (*place).address[1], address[1]);
                set_word(&raw mut (*place).asked, 0);
                note();
            });
        }
    }
    Ok((place, known))
}

/// Notes whom this prober asks to watch. The agent is woken if that is new.
#[inline(always)]
fn ask(place: *mut Prober, known: bool, testimony: &Testimony, now: u64) {
    let at = words(&testimony.asked_at);
    let asked = if at == [0; 2] { 0 } else { u64::from_be_bytes(testimony.asked) };
    // SAFETY: a map value.
    let (before, [first, second]) = unsafe {
        let words = [get(&raw const (*place).asked_at[0]), get(&raw const (*place).asked_at[1])];
        (if known { get(&raw const (*place).asked) } else { 0 }, words)
    };
    if asked == before && (asked == 0 || at == [first, second]) {
        return;
    }
    // SAFETY: as above. One server's address must not pass for another's.
    unsafe {
        hand_over(&Word::new(&raw mut (*place).last_ns), now, || {
            set_word(&raw mut (*place).asked, asked);
            set_word(&raw mut (*place).asked_at[0], at[0]);
            set_word(&raw mut (*place).asked_at[1], at[1]);
        });
    }
    if asked != 0 && asked != before {
        maps::tell(EventKind::Asked, 0, 0, now);
    }
}

/// The place of this prober, and true; or the place that makes room for it, and false.
#[inline(always)]
fn find(first: *mut Prober, address: [u64; 2]) -> (*mut Prober, bool) {
    let (mut oldest, mut least) = (first, u64::MAX);
    for way in 0..PROBER_WAYS {
        // SAFETY: inside the map value, which has that many.
        unsafe {
            let place = first.add(way);
            if get(&raw const (*place).address[1]) == address[1] && get(&raw const (*place).address[0]) == address[0] {
                return (place, true);
            }
            let last = get(&raw const (*place).last_ns);
            if last < least {
                (oldest, least) = (place, last);
            }
        }
    }
    (oldest, false)
}
