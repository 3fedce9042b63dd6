//! The payload of a probe and of its reply: 72 bytes after the ICMP echo header. In version 2 a
//! [`Testimony`](crate::Testimony) of 80 bytes comes behind it. `docs/wire.md` is the specification
//! with test vectors; this is its only implementation.
//!
//! Every field is an array of bytes in network order. So the struct has no alignment and no padding, and can be
//! anywhere in a packet. A reply has the size of its probe and is written over it, in place.

/// The first two bytes of every payload: `rm`.
pub const MAGIC: [u8; 2] = *b"rm";
/// The first version: the payload and nothing behind it.
pub const FIRST_VERSION: u8 = 1;
/// The version of today: with a [`Testimony`](crate::Testimony) behind the payload. The first one is still spoken, to
/// those that know no other.
pub const VERSION: u8 = 2;
/// What a server's row says if its program knows both versions, and its probes of version 2 carry `returned`
/// ([`crate::Testimony::returned`]). Programs that know nothing of that take it for version 2.
pub const SPOKEN: u8 = 3;
/// ICMP identifier of every probe. It is fixed, because the payload has sequence numbers and the watch. Magic, length
/// and tag tell probes from packets of other programs that happen to use it.
pub const ICMP_ID: u16 = 0x524d;
/// The size of a [`Payload`], in bytes.
pub const PAYLOAD_LEN: usize = 72;
/// A pulse age that means: too old for this field, or no pulse at all.
pub const PULSE_NEVER: u32 = u32::MAX;
/// Time to live of a reply.
pub const REPLY_TTL: u8 = 64;

/// In which direction a payload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the prober. This is also what comes back when the other kernel itself echoes a probe.
    Probe = 1,
    /// From the probed server.
    Reply = 2,
}

/// Why a server probes another. The numbers are those on the wire; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[repr(u8)]
pub enum Purpose {
    /// The other one is its buddy. A server that gets such a probe from an unknown one reads its row again (R10).
    Buddy = 1,
    /// It looks past a silent server (R1), or past one without a pulse (R9).
    Ahead = 2,
    /// It proves a future buddy before a join.
    Join = 3,
    /// Witnesses (R12): it asks the other one as a witness, or was asked as one whether it hears the other one.
    Asked = 4,
}

impl Purpose {
    /// The purpose with this number.
    #[inline(always)]
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Buddy),
            2 => Some(Self::Ahead),
            3 => Some(Self::Join),
            4 => Some(Self::Asked),
            _ => None,
        }
    }
}

/// What a server says of its service. The numbers are those on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[repr(u8)]
pub enum Health {
    /// The service was not checked, or not yet.
    #[default]
    Unknown = 0,
    /// The service works.
    Passing = 1,
    /// The service does not work.
    Failing = 2,
}

impl Health {
    /// The health with this number. A number that only a newer sender knows is unknown.
    #[must_use]
    pub const fn from_wire(number: u8) -> Self {
        match number {
            1 => Self::Passing,
            2 => Self::Failing,
            _ => Self::Unknown,
        }
    }
}

/// A probe's or a reply's payload. In a probe everything from `received_ns` to `answered`, and `health`, is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Payload {
    /// Always [`MAGIC`].
    pub magic: [u8; 2],
    /// [`FIRST_VERSION`] or [`VERSION`].
    pub version: u8,
    /// A [`Purpose`].
    pub purpose: u8,
    /// The slot of the prober's watch.
    pub slot: [u8; 2],
    /// Counts the watches that the slot has had; never 0.
    pub generation: [u8; 2],
    /// Counts the probes of this watch, starting at a random number. Its low 16 bits are also the ICMP sequence number.
    pub seq: [u8; 8],
    /// The prober's incarnation; 0 before it has one.
    pub prober_incarnation: [u8; 8],
    /// When the probe arrived, in nanoseconds of the responder's monotonic clock.
    pub received_ns: [u8; 8],
    /// How long the responder kept it, in nanoseconds, saturating.
    pub residence_ns: [u8; 4],
    /// Age of the responder's pulse when the probe arrived, in microseconds; or [`PULSE_NEVER`].
    pub pulse_age_us: [u8; 4],
    /// The responder's incarnation; 0 before it has one.
    pub responder_incarnation: [u8; 8],
    /// How many probes of this prober the responder has answered since it has known it, this one included.
    pub answered: [u8; 8],
    /// A [`Direction`].
    pub direction: u8,
    /// A [`Health`].
    pub health: u8,
    /// Zeros: room for a later version.
    pub reserved: [u8; 5],
    /// The id of the pool's key that made the tag.
    pub key_id: u8,
    /// See [`crate::tag`].
    pub tag: [u8; 8],
}

const _: () = assert!(size_of::<Payload>() == PAYLOAD_LEN && align_of::<Payload>() == 1);

impl Payload {
    /// A probe of the first version, without its tag.
    #[must_use]
    pub const fn probe(purpose: Purpose, slot: u16, generation: u16, seq: u64, incarnation: u64, key_id: u8) -> Self {
        Self {
            magic: MAGIC,
            version: FIRST_VERSION,
            purpose: purpose as u8,
            slot: slot.to_be_bytes(),
            generation: generation.to_be_bytes(),
            seq: seq.to_be_bytes(),
            prober_incarnation: incarnation.to_be_bytes(),
            received_ns: [0; 8],
            residence_ns: [0; 4],
            pulse_age_us: [0; 4],
            responder_incarnation: [0; 8],
            answered: [0; 8],
            direction: Direction::Probe as u8,
            health: 0,
            reserved: [0; 5],
            key_id,
            tag: [0; 8],
        }
    }

    /// The payload as it is sent.
    #[inline(always)]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PAYLOAD_LEN] {
        // SAFETY: repr(C), only byte arrays, size asserted above: no padding, and every bit pattern is a value.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// These bytes as a payload. Any bytes are one, whether or not they mean something.
    #[inline(always)]
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; PAYLOAD_LEN]) -> &Self {
        // SAFETY: as above, and the alignment is 1.
        unsafe { &*core::ptr::from_ref(bytes).cast() }
    }

    /// The eight bytes from `8 * INDEX` on, little-endian, as SipHash reads them.
    #[inline(always)]
    #[must_use]
    pub const fn word<const INDEX: usize>(&self) -> u64 {
        const { assert!(INDEX < PAYLOAD_LEN / 8) };
        // SAFETY: in bounds by the assertion; an array of bytes has no alignment.
        u64::from_le_bytes(unsafe { *core::ptr::from_ref(self).cast::<[u8; 8]>().add(INDEX) })
    }

    /// The direction, if every field has a possible value; otherwise `None`.
    ///
    /// This does not check the magic, the version, the key or the tag.
    #[inline(always)]
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        if Purpose::from_wire(self.purpose).is_none() || self.generation[0] | self.generation[1] == 0 {
            return None;
        }
        // Word 7 is direction, health, reserved, key id: the five reserved bytes must be zero.
        let end = self.word::<7>();
        if end & 0x00ff_ffff_ffff_0000 != 0 {
            return None;
        }
        match self.direction {
            1 => {
                let unused = self.word::<3>() | self.word::<4>() | self.word::<5>() | self.word::<6>();
                if unused == 0 && self.health == 0 { Some(Direction::Probe) } else { None }
            }
            2 => Some(Direction::Reply),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
