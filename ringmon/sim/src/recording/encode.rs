//! From calls to bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Engine, FORMAT, Header, MAGIC, Said, frame, kind, layout};
use ringmon_core::engine::Input;
use ringmon_core::{Time, WatchId, WatchReading};

/// Writes a recording into memory. A call is written in two steps, [`Self::begin`] before it and [`Self::end`] after
/// it: what was handed over belongs to the engine in between.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    /// The frame that is begun.
    open: Option<usize>,
    /// The last reading of each slot that this file has.
    last: BTreeMap<u16, (WatchId, WatchReading)>,
}

/// A record that could not be written; what was written before is whole.
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

    /// A call is about to be made; `None`: `handle_timeout`.
    ///
    /// # Errors
    /// [`TooMuch`]: it is not written, and its [`Self::end`] does nothing.
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
        // An array of this many: MessagePack, "fixarray".
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

    /// The call that was begun is over.
    ///
    /// # Errors
    /// [`TooMuch`]: it is not written.
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

    /// How much is written and not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.unwrap_or(self.out.len())
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes what is written: whole records.
    pub fn take(&mut self) -> Vec<u8> {
        self.drop_open();
        let capacity = self.out.capacity().min(64 << 10);
        std::mem::replace(&mut self.out, Vec::with_capacity(capacity))
    }

    fn drop_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.out.truncate(open);
            // Its reading may be among those that the file is believed to have.
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

/// Without the names of fields.
fn put(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), TooMuch> {
    rmp_serde::encode::write(out, value).map_err(|_| TooMuch)
}

/// With the names of fields.
fn put_named(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), TooMuch> {
    rmp_serde::encode::write_named(out, value).map_err(|_| TooMuch)
}
