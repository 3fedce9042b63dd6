//! Turns calls into bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Engine, FORMAT, Header, MAGIC, Said, frame, kind, layout};
use ringmon_core::engine::Input;
use ringmon_core::{Time, WatchId, WatchReading};

/// Writes a recording into memory. A call is written in two steps, [`Self::begin`] before it and [`Self::end`] after
/// it, because the input belongs to the engine in between.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    /// Where the open frame begins in `out`.
    open: Option<usize>,
    /// The last reading of each slot that this file has.
    last: BTreeMap<u16, (WatchId, WatchReading)>,
}

/// A record is too large to be written. What was written before is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

impl Encoder {
    /// Begins a file: its header, and the state from which its calls are replayed.
    ///
    /// # Errors
    /// [`TooMuch`]: the state does not fit into a frame, and no file was begun.
    pub fn file(&mut self, header: &Header, engine: &Engine) -> Result<(), TooMuch> {
        self.drop_open();
        self.last.clear();
        let before = self.out.len();
        self.out.extend_from_slice(&MAGIC);
        self.out.extend_from_slice(&FORMAT.to_be_bytes());
        let written = self.named(kind::HEADER, header).and_then(|()| self.raw(kind::LAYOUT, &layout()));
        let written = written.and_then(|()| self.named(kind::CHECKPOINT, engine));
        if written.is_err() {
            self.out.truncate(before);
        }
        written
    }

    /// Writes the call that is about to be made; `None`: `handle_timeout`.
    ///
    /// # Errors
    /// [`TooMuch`]: the call is not written, and its [`Self::end`] does nothing.
    pub fn begin(&mut self, at: Time, input: Option<&Input>) -> Result<(), TooMuch> {
        self.drop_open();
        let (kind, parts) = match input {
            None => (kind::TIMEOUT, 2),
            Some(Input::Watch(id, reading)) => match self.last.get(&id.slot) {
                Some((known, same)) if known == id && same == reading => (kind::AGAIN, 3),
                Some(_) | None => (kind::READING, 4),
            },
            Some(_) => (kind::INPUT, 3),
        };
        let open = frame::begin(&mut self.out, kind);
        // An array with this many elements: MessagePack, "fixarray".
        self.out.push(0x90 | parts);
        let written = put(&mut self.out, &at).and_then(|()| match input {
            None => Ok(()),
            Some(Input::Watch(id, _)) if kind == kind::AGAIN => put(&mut self.out, id),
            Some(Input::Watch(id, reading)) => {
                self.last.insert(id.slot, (*id, reading.clone()));
                put(&mut self.out, id).and_then(|()| put(&mut self.out, reading))
            }
            Some(input) => put_named(&mut self.out, input),
        });
        self.open = Some(open);
        if written.is_err() {
            self.drop_open();
        }
        written
    }

    /// Ends the record of the call that was begun.
    ///
    /// # Errors
    /// [`TooMuch`]: the call is not written.
    pub fn end(&mut self, said: Option<&Said>) -> Result<(), TooMuch> {
        let Some(open) = self.open else { return Err(TooMuch) };
        let written = put(&mut self.out, &said);
        if written.is_err() {
            self.drop_open();
            return written;
        }
        self.open = None;
        if frame::end(&mut self.out, open) { Ok(()) } else { Err(TooMuch) }
    }

    /// How many bytes are written and not taken yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.unwrap_or(self.out.len())
    }

    /// Whether no bytes are waiting to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the bytes written so far: whole records only.
    pub fn take(&mut self) -> Vec<u8> {
        self.drop_open();
        let capacity = self.out.capacity().min(64 << 10);
        std::mem::replace(&mut self.out, Vec::with_capacity(capacity))
    }

    fn drop_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.out.truncate(open);
            // The dropped frame's reading may be among those that the file is believed to have.
            self.last.clear();
        }
    }

    fn named(&mut self, kind: u8, value: &impl Serialize) -> Result<(), TooMuch> {
        let open = frame::begin(&mut self.out, kind);
        put_named(&mut self.out, value)?;
        if frame::end(&mut self.out, open) { Ok(()) } else { Err(TooMuch) }
    }

    fn raw(&mut self, kind: u8, body: &[u8]) -> Result<(), TooMuch> {
        let open = frame::begin(&mut self.out, kind);
        self.out.extend_from_slice(body);
        if frame::end(&mut self.out, open) { Ok(()) } else { Err(TooMuch) }
    }
}

/// Writes a value without the names of its fields.
fn put(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), TooMuch> {
    rmp_serde::encode::write(out, value).map_err(|_| TooMuch)
}

/// Writes a value with the names of its fields.
fn put_named(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), TooMuch> {
    rmp_serde::encode::write_named(out, value).map_err(|_| TooMuch)
}
