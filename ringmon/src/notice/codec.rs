//! The bytes of a notice: a fixed length, big-endian. `docs/notices.md` lists them one by one.

use std::net::SocketAddr;

use ::bytes::{Buf, BufMut};

use super::tag::{Keys, Route};
use ringmon_core::row::Address;
use ringmon_core::{Incarnation, Notice, NoticeBody, ServerId};

pub const LENGTH: usize = 56;
/// The tag covers everything before it.
const COVERED: usize = 48;
const MAGIC: u32 = u32::from_be_bytes(*b"rmnt");
const VERSION: u8 = 1;
/// No flags are defined yet; a set one is refused.
const FLAGS: u8 = 0;

const ACK: u8 = 0;
const VOTED: u8 = 1;
const SPLICED: u8 = 2;
const REMOVED: u8 = 3;
const PROBE_ME: u8 = 4;
const ASK: u8 = 5;
const PROOF: u8 = 6;
const OUTAGE: u8 = 7;
const FOLLOW: u8 = 8;
const CHANGED: u8 = 9;

/// A decoded datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The key of its tag; an acknowledgement uses the same.
    pub key_id: u8,
    /// The sender of the notice chooses it; its acknowledgement carries the same.
    pub nonce: u64,
    /// `None`: it acknowledges.
    pub notice: Option<Notice>,
}

/// Why a datagram is dropped. It gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Another length, magic, version or flags: not ours, or from another version.
    Foreign,
    UnknownKey,
    /// Forged, damaged, or meant for another route.
    BadTag,
    /// The tag is right, but this version does not know the kind or the body.
    Meaningless,
}

/// The datagram for `packet` on `route`; `None` if its key is not among `keys`.
#[must_use]
pub fn encode(packet: &Packet, keys: &Keys, route: Route) -> Option<[u8; LENGTH]> {
    let mut datagram = [0; LENGTH];
    let mut out = &mut datagram[..];
    let (kind, from, incarnation, body) = match &packet.notice {
        None => (ACK, 0, 0, [0; 16]),
        Some(notice) => {
            let (kind, body) = body_bytes(notice.body);
            (kind, notice.from.0, notice.incarnation.0, body)
        }
    };
    out.put_u32(MAGIC);
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u8(packet.key_id);
    out.put_u8(FLAGS);
    out.put_u64(packet.nonce);
    out.put_i64(from);
    out.put_i64(incarnation);
    out.put_slice(&body);
    let tag = keys.tag(packet.key_id, route, &datagram[..COVERED])?;
    datagram[COVERED..].copy_from_slice(&tag.to_be_bytes());
    Some(datagram)
}

/// What `datagram`, which came over `route`, says.
///
/// # Errors
/// [`Refusal`]: drop it.
pub fn decode(datagram: &[u8], keys: &Keys, route: Route) -> Result<Packet, Refusal> {
    if datagram.len() != LENGTH {
        return Err(Refusal::Foreign);
    }
    let (covered, mut tag) = datagram.split_at(COVERED);
    let mut input = covered;
    let (magic, version, kind) = (input.get_u32(), input.get_u8(), input.get_u8());
    let (key_id, flags, nonce) = (input.get_u8(), input.get_u8(), input.get_u64());
    if magic != MAGIC || version != VERSION || flags != FLAGS {
        return Err(Refusal::Foreign);
    }
    let expected = keys.tag(key_id, route, covered).ok_or(Refusal::UnknownKey)?;
    if expected != tag.get_u64() {
        return Err(Refusal::BadTag);
    }
    let (from, incarnation) = (ServerId(input.get_i64()), Incarnation(input.get_i64()));
    let mut rest = [0; 16];
    input.copy_to_slice(&mut rest);
    let notice = match kind {
        ACK if from.0 == 0 && incarnation.0 == 0 && rest == [0; 16] => None,
        ACK => return Err(Refusal::Meaningless),
        _ => Some(Notice { from, incarnation, body: body(kind, rest).ok_or(Refusal::Meaningless)? }),
    };
    Ok(Packet { key_id, nonce, notice })
}

/// Kind and bytes of a body: a subject and eight zeros; an address (IPv4 mapped into IPv6, RFC 4291, 2.5.5.2); an
/// incarnation, an age and four zeros; or a span and twelve zeros.
fn body_bytes(body: NoticeBody) -> (u8, [u8; 16]) {
    let subject = |id: ServerId| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&id.0.to_be_bytes());
        bytes
    };
    match body {
        NoticeBody::Voted { subject: id } => (VOTED, subject(id)),
        NoticeBody::Spliced { subject: id } => (SPLICED, subject(id)),
        NoticeBody::Removed { subject: id } => (REMOVED, subject(id)),
        NoticeBody::ProbeMe { address } => (PROBE_ME, sixteen(address)),
        NoticeBody::Ask { address } => (ASK, sixteen(address)),
        NoticeBody::Proof { incarnation, age_ms } => {
            let mut bytes = subject(ServerId(incarnation.0));
            bytes[8..12].copy_from_slice(&age_ms.to_be_bytes());
            (PROOF, bytes)
        }
        NoticeBody::Outage { silence_ms } => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&silence_ms.to_be_bytes());
            (OUTAGE, bytes)
        }
        NoticeBody::Follow { seconds } => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&seconds.to_be_bytes());
            (FOLLOW, bytes)
        }
        NoticeBody::Changed { subject: id } => (CHANGED, subject(id)),
    }
}

/// `None`: this version does not know the kind.
fn body(kind: u8, bytes: [u8; 16]) -> Option<NoticeBody> {
    let mut input = &bytes[..];
    let (subject, zeros) = (ServerId(input.get_i64()), input.get_u64());
    match kind {
        VOTED if zeros == 0 => Some(NoticeBody::Voted { subject }),
        SPLICED if zeros == 0 => Some(NoticeBody::Spliced { subject }),
        REMOVED if zeros == 0 => Some(NoticeBody::Removed { subject }),
        PROBE_ME => Some(NoticeBody::ProbeMe { address: Address::from(bytes).to_canonical() }),
        ASK => Some(NoticeBody::Ask { address: Address::from(bytes).to_canonical() }),
        PROOF if zeros << 32 == 0 => {
            let age_ms = u32::try_from(zeros >> 32).unwrap_or(u32::MAX);
            Some(NoticeBody::Proof { incarnation: Incarnation(subject.0), age_ms })
        }
        OUTAGE if zeros == 0 && subject.0 << 32 == 0 => Some(NoticeBody::Outage { silence_ms: first_four(bytes) }),
        FOLLOW if zeros == 0 && subject.0 << 32 == 0 => Some(NoticeBody::Follow { seconds: first_four(bytes) }),
        CHANGED if zeros == 0 => Some(NoticeBody::Changed { subject }),
        _ => None,
    }
}

fn first_four(bytes: [u8; 16]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub(super) fn sixteen(address: Address) -> [u8; 16] {
    match address {
        Address::V4(v4) => v4.to_ipv6_mapped().octets(),
        Address::V6(v6) => v6.octets(),
    }
}

/// Address and port alone: scope and flow of IPv6 mean something on this machine only, and are not part of a route.
pub(super) fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
