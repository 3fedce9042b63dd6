//! The tag: SipHash-2-4 with the pool's key over both addresses and every field of a payload.
//!
//! ```text
//! bytes  what                                                      in words
//!  0- 7  first half of the prober's address                        A
//!  8-15  first half of the responder's address                     B
//! 16-23  second half of the prober's address                       C
//! 24-31  second half of the responder's address                    D
//! 32-55  payload bytes 0-23: magic .. prober's incarnation         0 1 2
//! 56-87  payload bytes 24-55: received .. answered (replies only)  3 4 5 6
//!  last  payload bytes 56-62: direction, health, reserved          7 bytes
//! ```
//!
//! In version 2 the first 32 bytes of the testimony, which are the prober's, come before payload byte 24, and the rest
//! of it, which is the responder's, after payload byte 55 (replies only).
//!
//! Prober and responder keep their places in both directions, and what a reply adds comes after what it shares with its
//! probe. So the responder adds the common part once for both tags. An IPv4 address is written as IPv4-mapped IPv6 (RFC
//! 4291, section 2.5.5.2), whose first half is zero. So A and B are known beforehand, and [`TagKey`] keeps the state
//! after them. The key id is not part of the input; it chooses the key.

use crate::siphash::SipHash24;
use crate::testimony::Testimony;
use crate::wire::Payload;

/// Bytes of a probe's tag input.
const PROBE_INPUT: u8 = 32 + 24 + 7;
/// Bytes of a reply's tag input.
const REPLY_INPUT: u8 = 32 + 24 + 32 + 7;
/// Bytes that the prober's part of a testimony adds ...
const QUESTION_INPUT: u8 = 32;
/// ... and the responder's part.
const ANSWER_INPUT: u8 = 48;

/// A server's address as it goes into the tag: IPv6, or IPv4-mapped.
pub type Address = [u8; 16];

/// The IPv4-mapped form of an address.
#[inline(always)]
#[must_use]
pub const fn mapped(v4: [u8; 4]) -> Address {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]]
}

/// The second half of an address in its IPv4-mapped form, as a word. The first half is zero.
#[inline(always)]
#[must_use]
pub const fn mapped_word(v4: [u8; 4]) -> u64 {
    (u32::from_le_bytes(v4) as u64) << 32 | 0xffff_0000
}

/// An address as two words, each little-endian.
#[must_use]
pub const fn words(address: &Address) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

/// The address of these two words.
#[must_use]
pub const fn from_words(words: [u64; 2]) -> Address {
    let [a, b, c, d, e, f, g, h] = words[0].to_le_bytes();
    let [i, j, k, l, m, n, o, p] = words[1].to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// A key with the states that can be computed beforehand.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct TagKey {
    /// The state before any input.
    start: SipHash24,
    /// The state after A and B of two IPv4-mapped addresses.
    v4: SipHash24,
}

impl core::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TagKey(<hidden>)")
    }
}

impl TagKey {
    /// From the pool's secret.
    #[must_use]
    pub const fn new(secret: &[u8; 16]) -> Self {
        let start = SipHash24::new(secret);
        Self { start, v4: start.word(0).word(0) }
    }

    /// Adds what a probe and its reply have in common.
    #[inline(always)]
    #[must_use]
    pub const fn v4(&self, prober: [u8; 4], responder: [u8; 4], payload: &Payload) -> Tagger {
        Self::common(self.v4.word(mapped_word(prober)).word(mapped_word(responder)), payload)
    }

    /// The same for addresses of either family.
    #[must_use]
    pub const fn any(&self, prober: &Address, responder: &Address, payload: &Payload) -> Tagger {
        let (prober, responder) = (words(prober), words(responder));
        let state = self.start.word(prober[0]).word(responder[0]);
        Self::common(state.word(prober[1]).word(responder[1]), payload)
    }

    #[inline(always)]
    const fn common(state: SipHash24, payload: &Payload) -> Tagger {
        Tagger { state: state.word(payload.word::<0>()).word(payload.word::<1>()).word(payload.word::<2>()), more: 0 }
    }
}

/// The state after the common part.
#[derive(Clone, Copy)]
pub struct Tagger {
    state: SipHash24,
    /// Bytes of the input that the first version does not have.
    more: u8,
}

impl Tagger {
    /// Version 2: with the question.
    #[inline(always)]
    #[must_use]
    pub const fn asking(self, testimony: &Testimony) -> Self {
        let state = self.state.word(testimony.word::<0>()).word(testimony.word::<1>());
        Self { state: state.word(testimony.word::<2>()).word(testimony.word::<3>()), more: QUESTION_INPUT }
    }

    /// The tag of this payload as a probe.
    #[inline(always)]
    #[must_use]
    pub const fn probe(self, payload: &Payload) -> [u8; 8] {
        self.state.finish(payload.word::<7>(), PROBE_INPUT + self.more).to_be_bytes()
    }

    /// The tag of this payload as a reply.
    #[inline(always)]
    #[must_use]
    pub const fn reply(self, payload: &Payload) -> [u8; 8] {
        self.answered(payload).finish(payload.word::<7>(), REPLY_INPUT + self.more).to_be_bytes()
    }

    /// The tag of this payload and testimony as a reply of version 2. The question was added before ([`Self::asking`]).
    #[inline(always)]
    #[must_use]
    pub const fn testified(self, payload: &Payload, testimony: &Testimony) -> [u8; 8] {
        let state = self.answered(payload).word(testimony.word::<4>()).word(testimony.word::<5>());
        let state = state.word(testimony.word::<6>()).word(testimony.word::<7>());
        let state = state.word(testimony.word::<8>()).word(testimony.word::<9>());
        state.finish(payload.word::<7>(), REPLY_INPUT + self.more + ANSWER_INPUT).to_be_bytes()
    }

    #[inline(always)]
    const fn answered(self, payload: &Payload) -> SipHash24 {
        let state = self.state.word(payload.word::<3>()).word(payload.word::<4>());
        state.word(payload.word::<5>()).word(payload.word::<6>())
    }
}

#[cfg(test)]
#[path = "tag_tests.rs"]
mod tests;
