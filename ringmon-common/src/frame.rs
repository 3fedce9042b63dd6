//! An Ethernet frame with a probe in it, and how to recognise one.

use crate::count::Verdict;
use crate::testimony::{TESTIMONY_LEN, Testimony};
use crate::wire::{Direction, FIRST_VERSION, ICMP_ID, MAGIC, Payload, VERSION};

/// Ethernet II and an IPv4 header without options (RFC 791, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Head {
    /// The MAC address that it goes to.
    pub destination: [u8; 6],
    /// The MAC address that it comes from.
    pub source: [u8; 6],
    /// 0x0800.
    pub ethertype: [u8; 2],
    /// 0x45: version 4, five words.
    pub version_ihl: u8,
    /// DSCP (6 bits) and ECN (2 bits).
    pub tos: u8,
    /// Of header and payload, in bytes.
    pub total_length: [u8; 2],
    /// Tells fragments of different packets apart.
    pub identification: [u8; 2],
    /// Flags and fragment offset.
    pub fragment: [u8; 2],
    /// The hops that are left.
    pub ttl: u8,
    /// 1 is ICMP.
    pub protocol: u8,
    /// RFC 1071, of the header.
    pub checksum: [u8; 2],
    /// The sender's address.
    pub from: [u8; 4],
    /// The receiver's address.
    pub to: [u8; 4],
}

/// An ICMP echo header (RFC 792).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Echo {
    /// [`ECHO_REQUEST`] or [`ECHO_REPLY`].
    pub kind: u8,
    /// Always 0.
    pub code: u8,
    /// RFC 1071, over header and payload.
    pub checksum: [u8; 2],
    /// [`ICMP_ID`].
    pub id: [u8; 2],
    /// Low 16 bits of the payload's sequence number.
    pub seq: [u8; 2],
}

/// A whole frame with a probe or a reply in it. In version 2 a [`Testimony`] comes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Frame {
    /// The headers of Ethernet and IPv4.
    pub head: Head,
    /// The header of ICMP.
    pub echo: Echo,
    /// The probe or reply itself.
    pub payload: Payload,
}

/// ICMP type of a probe.
pub const ECHO_REQUEST: u8 = 8;
/// ICMP type of a reply.
pub const ECHO_REPLY: u8 = 0;
/// The size of a [`Frame`], in bytes.
pub const FRAME_LEN: usize = size_of::<Frame>();
/// The size of a frame of version 2, in bytes.
pub const LONG_FRAME_LEN: usize = FRAME_LEN + TESTIMONY_LEN;
/// The size of its IPv4 packet, in bytes.
pub const PACKET_LEN: u16 = 20 + 8 + crate::wire::PAYLOAD_LEN as u16;
/// The size of an IPv4 packet of version 2, in bytes.
pub const LONG_PACKET_LEN: u16 = PACKET_LEN + TESTIMONY_LEN as u16;

const _: () = assert!(FRAME_LEN == 114 && PACKET_LEN == 100 && align_of::<Frame>() == 1);

/// Types that can be read from any bytes.
///
/// # Safety
/// No alignment, no padding, and every bit pattern is a value.
pub unsafe trait Plain {}
// SAFETY: repr(C) and only arrays of bytes.
unsafe impl Plain for Head {}
// SAFETY: as above.
unsafe impl Plain for Echo {}
// SAFETY: as above.
unsafe impl Plain for Frame {}
// SAFETY: as above.
unsafe impl Plain for Testimony {}

/// What a frame is read from: a slice here, the two pointers of a packet in the kernel.
pub trait Source<'a> {
    /// A `T` at this many bytes from the start, if the frame is long enough.
    fn at<T: Plain>(&self, offset: usize) -> Option<&'a T>;
    /// Whether the frame has at most this many bytes.
    fn ends_by(&self, length: usize) -> bool;
}

impl<'a> Source<'a> for &'a [u8] {
    fn at<T: Plain>(&self, offset: usize) -> Option<&'a T> {
        let bytes = self.get(offset..offset.checked_add(size_of::<T>())?)?;
        // SAFETY: long enough, and `Plain` allows any bytes at any alignment.
        Some(unsafe { &*bytes.as_ptr().cast() })
    }

    fn ends_by(&self, length: usize) -> bool {
        self.len() <= length
    }
}

/// Whether a server can have this address: not 0.x, loopback, multicast (RFC 5771), or class E.
#[inline(always)]
#[must_use]
pub const fn is_unicast(v4: [u8; 4]) -> bool {
    v4[0] != 0 && v4[0] != 127 && v4[0] < 224
}

/// A probe or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Headers and payload.
    pub frame: &'a Frame,
    /// Which of both it is.
    pub direction: Direction,
    /// What version 2 adds; `None`: it is of the first version.
    pub testimony: Option<&'a Testimony>,
}

/// Tells a probe or reply for `own` from everything else. It does not check the key and the tag.
///
/// # Errors
/// The verdict says why it is no probe or reply. The frame is not changed.
#[inline(always)]
pub fn recognise<'a>(source: &impl Source<'a>, own: [u8; 4]) -> Result<Found<'a>, Verdict> {
    let Some(head) = source.at::<Head>(0) else { return Err(Verdict::Other) };
    if head.ethertype != [0x08, 0x00] || head.protocol != 1 || head.version_ihl >> 4 != 4 {
        return Err(Verdict::Other);
    }
    if head.version_ihl != 0x45 {
        return Err(Verdict::IpOptions);
    }
    // The flag "more fragments" and the offset.
    if u16::from_be_bytes(head.fragment) & 0x3fff != 0 {
        return Err(Verdict::Fragment);
    }
    let Some(echo) = source.at::<Echo>(size_of::<Head>()) else { return Err(Verdict::Truncated) };
    if (echo.kind != ECHO_REQUEST && echo.kind != ECHO_REPLY) || echo.code != 0 {
        return Err(Verdict::NotEcho);
    }
    if echo.id != ICMP_ID.to_be_bytes() {
        return Err(Verdict::ForeignId);
    }
    if head.to != own {
        return Err(Verdict::NotForUs);
    }
    if (head.destination[0] | head.source[0]) & 1 != 0 || !is_unicast(head.from) || head.from == own {
        return Err(Verdict::NotUnicast);
    }
    let Some(is_long) = is_long(head) else { return Err(Verdict::WrongLength) };
    let Some(frame) = source.at::<Frame>(0) else { return Err(Verdict::Truncated) };
    if is_long {
        let Some(testimony) = source.at::<Testimony>(FRAME_LEN) else { return Err(Verdict::Truncated) };
        if !source.ends_by(LONG_FRAME_LEN) {
            return Err(Verdict::WrongLength);
        }
        let direction = contents(frame, VERSION)?;
        if matches!(direction, Direction::Probe) && !testimony.is_question() {
            return Err(Verdict::Malformed);
        }
        return Ok(Found { frame, direction, testimony: Some(testimony) });
    }
    if !source.ends_by(FRAME_LEN) {
        return Err(Verdict::WrongLength);
    }
    contents(frame, FIRST_VERSION).map(|direction| Found { frame, direction, testimony: None })
}

/// Whether the packet is as long as one of version 2; `None`: it is as long as none.
#[inline(always)]
fn is_long(head: &Head) -> Option<bool> {
    if head.total_length == PACKET_LEN.to_be_bytes() {
        return Some(false);
    }
    (head.total_length == LONG_PACKET_LEN.to_be_bytes()).then_some(true)
}

/// Tells a probe that leaves `own` from all other packets that leave. It does not check the key and the tag.
#[inline(always)]
pub fn recognise_leaving<'a>(source: &impl Source<'a>, own: [u8; 4]) -> Option<(&'a Frame, Option<&'a Testimony>)> {
    let Frame { head, echo, .. } = source.at::<Frame>(0)?;
    let is_ours = head.ethertype == [0x08, 0x00]
        && head.version_ihl == 0x45
        && head.protocol == 1
        && head.from == own
        && echo.kind == ECHO_REQUEST
        && echo.id == ICMP_ID.to_be_bytes();
    let is_long = is_long(head)?;
    let version = if is_long { VERSION } else { FIRST_VERSION };
    let frame = source.at::<Frame>(0)?;
    let testimony = if is_long { Some(source.at::<Testimony>(FRAME_LEN)?) } else { None };
    (is_ours && matches!(contents(frame, version), Ok(Direction::Probe))).then_some((frame, testimony))
}

/// The part of [`recognise`] that looks only at the payload.
#[inline(always)]
fn contents(frame: &Frame, version: u8) -> Result<Direction, Verdict> {
    let Frame { echo, payload, .. } = frame;
    if payload.magic != MAGIC {
        return Err(Verdict::WrongMagic);
    }
    if payload.version != version {
        return Err(Verdict::WrongVersion);
    }
    if echo.seq != [payload.seq[6], payload.seq[7]] {
        return Err(Verdict::Malformed);
    }
    match payload.direction() {
        Some(Direction::Probe) => Ok(Direction::Probe),
        Some(Direction::Reply) if echo.kind == ECHO_REPLY => Ok(Direction::Reply),
        Some(Direction::Reply) | None => Err(Verdict::Malformed),
    }
}

/// Turns a frame round: it goes back to where it came from, with a fresh IPv4 header checksum. [`Frame::seal`] writes
/// the ICMP checksum, after the last change of the payload.
#[inline(always)]
pub const fn turn(head: &mut Head, echo: &mut Echo) {
    (head.destination, head.source) = (head.source, head.destination);
    (head.from, head.to) = (head.to, head.from);
    head.ttl = crate::wire::REPLY_TTL;
    head.checksum = [0; 2];
    head.checksum = head_checksum(head);
    echo.kind = ECHO_REPLY;
}

impl Frame {
    /// A whole frame of the first version with right checksums: what a raw socket and the kernel together make of a
    /// payload.
    #[must_use]
    pub const fn new(from: ([u8; 6], [u8; 4]), to: ([u8; 6], [u8; 4]), kind: u8, payload: Payload) -> Self {
        let mut head = Head {
            destination: to.0,
            source: from.0,
            ethertype: [0x08, 0x00],
            version_ihl: 0x45,
            tos: 0xc0,
            total_length: PACKET_LEN.to_be_bytes(),
            identification: [0; 2],
            fragment: [0x40, 0],
            ttl: crate::wire::REPLY_TTL,
            protocol: 1,
            checksum: [0; 2],
            from: from.1,
            to: to.1,
        };
        head.checksum = head_checksum(&head);
        let seq = [payload.seq[6], payload.seq[7]];
        let echo = Echo { kind, code: 0, checksum: [0; 2], id: ICMP_ID.to_be_bytes(), seq };
        let mut frame = Self { head, echo, payload };
        frame.seal();
        frame
    }

    /// These bytes as a frame.
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; FRAME_LEN]) -> &Self {
        // SAFETY: `Plain`, and that is its size.
        unsafe { &*core::ptr::from_ref(bytes).cast() }
    }

    /// The frame as it is sent.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; FRAME_LEN] {
        // SAFETY: `Plain`, and that is its size.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// The same for version 2. The testimony has to come behind it.
    #[must_use]
    pub const fn long(mut self, testimony: &Testimony) -> Self {
        self.head.total_length = LONG_PACKET_LEN.to_be_bytes();
        self.head.checksum = [0; 2];
        self.head.checksum = head_checksum(&self.head);
        self.seal_with(testimony);
        self
    }

    /// Writes the ICMP checksum of the current contents.
    #[inline(always)]
    pub const fn seal(&mut self) {
        self.echo.checksum = [0; 2];
        self.echo.checksum = echo_checksum(&self.echo, &self.payload);
    }

    /// The same, with this testimony behind the payload.
    #[inline(always)]
    pub const fn seal_with(&mut self, testimony: &Testimony) {
        self.echo.checksum = [0; 2];
        self.echo.checksum = long_checksum(&self.echo, &self.payload, testimony);
    }
}

/// RFC 1071 over an IPv4 header.
#[inline(always)]
#[must_use]
pub const fn head_checksum(head: &Head) -> [u8; 2] {
    let first = word32([head.version_ihl, head.tos, head.total_length[0], head.total_length[1]]);
    let second = word32([head.identification[0], head.identification[1], head.fragment[0], head.fragment[1]]);
    let third = word32([head.ttl, head.protocol, head.checksum[0], head.checksum[1]]);
    fold(first + second + third + word32(head.from) + word32(head.to))
}

/// RFC 1071 over an ICMP echo and its payload.
#[inline(always)]
#[must_use]
pub const fn echo_checksum(echo: &Echo, payload: &Payload) -> [u8; 2] {
    fold(echo_sum(echo, payload))
}

/// The same, with a testimony behind the payload.
#[inline(always)]
#[must_use]
pub const fn long_checksum(echo: &Echo, payload: &Payload, testimony: &Testimony) -> [u8; 2] {
    let sum = echo_sum(echo, payload) + halves(testimony.word::<0>()) + halves(testimony.word::<1>());
    let sum = sum + halves(testimony.word::<2>()) + halves(testimony.word::<3>()) + halves(testimony.word::<4>());
    let sum = sum + halves(testimony.word::<5>()) + halves(testimony.word::<6>()) + halves(testimony.word::<7>());
    fold(sum + halves(testimony.word::<8>()) + halves(testimony.word::<9>()))
}

#[inline(always)]
const fn echo_sum(echo: &Echo, payload: &Payload) -> u64 {
    let first = word32([echo.kind, echo.code, echo.checksum[0], echo.checksum[1]]);
    let second = word32([echo.id[0], echo.id[1], echo.seq[0], echo.seq[1]]);
    let sum = first + second + halves(payload.word::<0>()) + halves(payload.word::<1>()) + halves(payload.word::<2>());
    let sum = sum + halves(payload.word::<3>()) + halves(payload.word::<4>()) + halves(payload.word::<5>());
    sum + halves(payload.word::<6>()) + halves(payload.word::<7>()) + halves(payload.word::<8>())
}

#[inline(always)]
const fn word32(bytes: [u8; 4]) -> u64 {
    u32::from_ne_bytes(bytes) as u64
}

#[inline(always)]
const fn halves(word: u64) -> u64 {
    (word & 0xffff_ffff) + (word >> 32)
}

/// The sum works in any byte order, if it is the same throughout (RFC 1071, section 2 B).
#[inline(always)]
const fn fold(sum: u64) -> [u8; 2] {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (!(sum as u16)).to_ne_bytes()
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
