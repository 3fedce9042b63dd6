//! What this server knows of others, in its replies; and what the replies of others say.

use ringmon_common::Testimony;
use ringmon_common::cell::hand_over;
use ringmon_common::layout::{DOUBT_MISSES, WATCHES, Watch};
use ringmon_common::testimony::{HAS_DATABASE, IS_BLIND, NEVER, WATCHES_IT, age_us, proof_from};

use crate::atomic::{Word, get, set};
use crate::maps;

/// Answers the question of a probe that came at `now`.
#[inline(always)]
pub fn fill(testimony: &mut Testimony, now: u64) {
    let asked = u64::from_be_bytes(testimony.asked);
    let Some(identity) = maps::IDENTITY.get_ptr(0) else { return };
    // SAFETY: map values, here and below.
    let (clean, known) = unsafe { (get(&raw const (*identity).clean_ns), get(&raw const (*identity).known)) };
    testimony.known = known as u8 & (HAS_DATABASE | IS_BLIND);
    if asked == 0 {
        return;
    }
    let mut heard = 0;
    for slot in 0..WATCHES {
        let Some(watch) = maps::WATCHES.get_ptr(slot) else { continue };
        // SAFETY: as above.
        unsafe {
            if get(&raw const (*watch).generation) == 0 {
                continue;
            }
            let last = get(&raw const (*watch).last_reply_ns);
            heard = if last > heard { last } else { heard };
            if get(&raw const (*watch).server) == asked {
                testimony.known |= WATCHES_IT;
                know(testimony, watch, last, clean, now);
            }
        }
    }
    testimony.heard_age_us = age_us(heard, now).to_be_bytes();
}

/// What this watch knows of its server, which last replied at `reply`.
///
/// # Safety
/// `watch` is a map value.
#[inline(always)]
unsafe fn know(testimony: &mut Testimony, watch: *const Watch, reply: u64, clean: u64, now: u64) {
    // SAFETY: by the caller.
    let (began, plain, pulse, misses, alive, life) = unsafe {
        (
            get(&raw const (*watch).began_ns),
            get(&raw const (*watch).last_plain_ns),
            get(&raw const (*watch).last_pulse_ns),
            get(&raw const (*watch).consecutive),
            get(&raw const (*watch).last_alive_ns),
            get(&raw const (*watch).incarnation),
        )
    };
    let proof = if plain > reply { plain } else { reply };
    testimony.proof_age_us = age_us(proof_from(proof, began, clean), now).to_be_bytes();
    testimony.pulse_age_us = age_us(proof_from(pulse, began, clean), now).to_be_bytes();
    testimony.misses = (misses.min(u64::from(u32::MAX)) as u32).to_be_bytes();
    testimony.alive_age_us = if alive == 0 { NEVER } else { age_us(alive, now) }.to_be_bytes();
    testimony.life = life.to_be_bytes();
}

/// Keeps what a reply that came at `now` says about the server that was asked about. Returns whether it is news.
#[inline(always)]
pub fn keep(watch: *mut Watch, testimony: &Testimony, now: u64) -> bool {
    if testimony.asked == [0; 8] {
        return false;
    }
    let misses = u64::from(u32::from_be_bytes(testimony.misses));
    let life = u64::from_be_bytes(testimony.life);
    let moment = |age: [u8; 4]| now.saturating_sub(u64::from(u32::from_be_bytes(age)) * 1000);
    // SAFETY: a map value.
    unsafe {
        let before = get(&raw const (*watch).said_misses);
        let heard = life != 0 && get(&raw const (*watch).said_life) != life;
        hand_over(&Word::new(&raw mut (*watch).said_at_ns), now, || {
            set(&raw mut (*watch).said_of, u64::from_be_bytes(testimony.asked));
            set(&raw mut (*watch).said_known, u64::from(testimony.known));
            set(&raw mut (*watch).said_heard_ns, moment(testimony.heard_age_us));
            set(&raw mut (*watch).said_proof_ns, moment(testimony.proof_age_us));
            set(&raw mut (*watch).said_pulse_ns, moment(testimony.pulse_age_us));
            set(&raw mut (*watch).said_misses, misses);
            set(&raw mut (*watch).said_alive_ns, moment(testimony.alive_age_us));
            set(&raw mut (*watch).said_life, life);
        });
        heard || (before < u64::from(DOUBT_MISSES) && misses >= u64::from(DOUBT_MISSES))
    }
}
