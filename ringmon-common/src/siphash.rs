//! SipHash-2-4, after Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), section 2.
//!
//! It is our own, so that the same code runs in the kernel and in the agent. Tests compare it with the `siphasher`
//! crate. The BPF programs feed it words of eight bytes (little-endian), because everything that they tag consists of
//! such words.

/// The state after some words of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SipHash24 {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl SipHash24 {
    /// The state before any input, for a 128-bit key. As in the paper, the key is two little-endian halves.
    #[must_use]
    pub const fn new(key: &[u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *key;
        let k0 = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let k1 = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    /// The hash of these bytes.
    #[must_use]
    pub fn of(key: &[u8; 16], bytes: &[u8]) -> u64 {
        let little = |part: &[u8]| part.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let words = bytes.chunks_exact(8);
        let tail = little(words.remainder());
        words.fold(Self::new(key), |state, word| state.word(little(word))).finish(tail, bytes.len() as u8)
    }

    /// Adds the next eight bytes: two rounds.
    #[inline(always)]
    #[must_use]
    pub const fn word(mut self, word: u64) -> Self {
        self.v3 ^= word;
        self = self.round().round();
        self.v0 ^= word;
        self
    }

    /// Adds the last seven bytes or fewer, and returns the hash.
    ///
    /// `tail` has the remaining bytes from its low end upwards, with zeroes above them. `length` is the length of the
    /// whole input in bytes (the paper uses it modulo 256).
    #[inline(always)]
    #[must_use]
    pub const fn finish(self, tail: u64, length: u8) -> u64 {
        let mut state = self.word(tail & 0x00ff_ffff_ffff_ffff | (length as u64) << 56);
        state.v2 ^= 0xff;
        state = state.round().round().round().round();
        state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    #[inline(always)]
    const fn round(self) -> Self {
        let Self { mut v0, mut v1, mut v2, mut v3 } = self;
        v0 = v0.wrapping_add(v1);
        v1 = v1.rotate_left(13) ^ v0;
        v0 = v0.rotate_left(32);
        v2 = v2.wrapping_add(v3);
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.wrapping_add(v3);
        v3 = v3.rotate_left(21) ^ v0;
        v2 = v2.wrapping_add(v1);
        v1 = v1.rotate_left(17) ^ v2;
        v2 = v2.rotate_left(32);
        Self { v0, v1, v2, v3 }
    }
}

#[cfg(test)]
#[path = "siphash_tests.rs"]
mod tests;
