//! What version 2 of the wire format adds behind the payload: a question about a third server, and what the
//! responder's kernel knows of it.
//!
//! The sequence number ties an answer to its question: it is in both, it is never used twice, and the tag covers it.

use crate::tag::Address;

/// The size of a [`Testimony`], in bytes.
pub const TESTIMONY_LEN: usize = 80;
/// In [`Testimony::known`]: the responder watches the server that was asked about. Without it, the ages say nothing.
pub const WATCHES_IT: u8 = 1;
/// In [`Testimony::known`]: the database answers the responder, so that it can vote and answer votes itself.
pub const HAS_DATABASE: u8 = 2;
/// In [`Testimony::known`]: the responder is blind: it cannot see all servers that it should, and so cannot vote on
/// them.
pub const IS_BLIND: u8 = 4;
/// An age of what never was.
pub const NEVER: u32 = u32::MAX;

/// A question, and the answer to it. In a probe everything from `known` on is zero.
///
/// Every field is an array of bytes in network order, as in [`Payload`](crate::Payload). All ages are as of the arrival
/// of the probe, in microseconds, saturating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Testimony {
    /// The id of the server that the prober asks about; 0: none.
    pub asked: [u8; 8],
    /// The `received` of the last reply that the prober got from this server; 0: it has none. Who can say it lived when
    /// that reply was made, and gets replies.
    pub returned: [u8; 8],
    /// Where the asked server can be probed, IPv6 or IPv4-mapped. Who does not watch that server is asked to do so for
    /// a moment (R12). Zeros: nobody is asked to.
    pub asked_at: Address,
    /// [`WATCHES_IT`], [`HAS_DATABASE`] and [`IS_BLIND`]. A receiver does not look at the other bits.
    pub known: u8,
    /// Zeros. A receiver does not look at them.
    pub room: [u8; 3],
    /// Since the responder last heard any server.
    pub heard_age_us: [u8; 4],
    /// Since its last proof that the asked server lives, or since it could have had one: see [`proof_from`].
    pub proof_age_us: [u8; 4],
    /// The same for the pulse of that server's agent.
    pub pulse_age_us: [u8; 4],
    /// Its probes of that server that were missed since the last proof.
    pub misses: [u8; 4],
    /// Since its last reply to the responder's present watch in which its agent's pulse was fresh; or [`NEVER`].
    pub alive_age_us: [u8; 4],
    /// The incarnation in its last reply to the responder's present watch; 0: there was none.
    pub life: [u8; 8],
    /// Zeros. A receiver does not look at them: room for more testimony.
    pub responder_room: [u8; 16],
}

const _: () = assert!(size_of::<Testimony>() == TESTIMONY_LEN && align_of::<Testimony>() == 1);

impl Testimony {
    /// A question about this server, at this address; 0: about none. `returned` is the `received` of the last reply.
    #[must_use]
    pub const fn ask(asked: u64, asked_at: Address, returned: u64) -> Self {
        Self {
            asked: asked.to_be_bytes(),
            returned: returned.to_be_bytes(),
            asked_at,
            known: 0,
            room: [0; 3],
            heard_age_us: [0; 4],
            proof_age_us: [0; 4],
            pulse_age_us: [0; 4],
            misses: [0; 4],
            alive_age_us: [0; 4],
            life: [0; 8],
            responder_room: [0; 16],
        }
    }

    /// As it is sent.
    #[inline(always)]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; TESTIMONY_LEN] {
        // SAFETY: repr(C), only byte arrays, size asserted above: no padding, and every bit pattern is a value.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// These bytes as a testimony. Any bytes are one.
    #[inline(always)]
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; TESTIMONY_LEN]) -> &Self {
        // SAFETY: as above, and the alignment is 1.
        unsafe { &*core::ptr::from_ref(bytes).cast() }
    }

    /// The eight bytes from `8 * INDEX` on, little-endian, as SipHash reads them.
    #[inline(always)]
    #[must_use]
    pub const fn word<const INDEX: usize>(&self) -> u64 {
        const { assert!(INDEX < TESTIMONY_LEN / 8) };
        // SAFETY: in bounds by the assertion; an array of bytes has no alignment.
        u64::from_le_bytes(unsafe { *core::ptr::from_ref(self).cast::<[u8; 8]>().add(INDEX) })
    }

    /// Whether it is a question without an answer, as a probe carries it.
    #[inline(always)]
    #[must_use]
    pub const fn is_question(&self) -> bool {
        let answer = self.word::<4>() | self.word::<5>() | self.word::<6>();
        answer | self.word::<7>() | self.word::<8>() | self.word::<9>() == 0
    }
}

/// Since when a silence counts: the last proof, or the moment from which on there could have been one.
///
/// `began` is when the watch began, and `clean` when the last fault of the witness's own machine ended.
#[inline(always)]
#[must_use]
pub const fn proof_from(proof: u64, began: u64, clean: u64) -> u64 {
    let proof = if proof > began { proof } else { began };
    if proof > clean { proof } else { clean }
}

/// An age in microseconds, saturating.
#[inline(always)]
#[must_use]
pub const fn age_us(since: u64, now: u64) -> u32 {
    let age = now.saturating_sub(since) / 1000;
    if age > u32::MAX as u64 { u32::MAX } else { age as u32 }
}
