//! Frames: each has a length, a checksum, a kind and a body, so that a torn or damaged frame is noticed, and where.
//!
//! ```text
//!  0        4        8      9
//!  | length | CRC-32 | kind | body ...      length = 1 + the body's; numbers high byte first
//! ```

use super::read::Wrong;

/// The bytes of length and checksum.
pub const HEAD: usize = 8;
/// A frame that says it is longer than this is damaged. (A checkpoint of an engine with all its watches has about 50
/// kB.)
const LONGEST: u32 = 16 << 20;

/// Begins a frame at the end of `out`. Returns where it begins.
pub fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; HEAD]);
    out.push(kind);
    at
}

/// Ends the frame that begins at `at`. If it is too long, returns false and leaves `out` as it was before the frame.
pub fn end(out: &mut Vec<u8>, at: usize) -> bool {
    let length = u32::try_from(out.len() - at - HEAD).ok().filter(|length| *length <= LONGEST);
    let Some(length) = length else {
        out.truncate(at);
        return false;
    };
    let checksum = crc32fast::hash(&out[at + HEAD..]);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    out[at + 4..at + HEAD].copy_from_slice(&checksum.to_be_bytes());
    true
}

/// Kind, body and whole length.
pub type Frame<'a> = (u8, &'a [u8], usize);

/// The frame at the begin of `data`; `None` at the end.
///
/// # Errors
/// The frame is cut off or damaged.
pub fn read(data: &[u8]) -> Result<Option<Frame<'_>>, Wrong> {
    if data.is_empty() {
        return Ok(None);
    }
    let Some((head, rest)) = data.split_first_chunk::<HEAD>() else { return Err(Wrong::CutOff) };
    let [a, b, c, d, sum @ ..] = *head;
    let length = u32::from_be_bytes([a, b, c, d]);
    if length == 0 || length > LONGEST {
        return Err(Wrong::Length(length));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Some(frame) = rest.get(..length) else { return Err(Wrong::CutOff) };
    if crc32fast::hash(frame) != u32::from_be_bytes(sum) {
        return Err(Wrong::Checksum);
    }
    let Some((kind, body)) = frame.split_first() else { return Err(Wrong::CutOff) };
    Ok(Some((*kind, body, HEAD + length)))
}
