//! Turns bytes into calls. Damage is reported with its place, and never guessed at.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::{Call, FORMAT, Header, MAGIC, Record, Said, frame, kind, layout};
use ringmon_core::engine::Input;
use ringmon_core::{Time, WatchId, WatchReading};

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The file ends within the record, as it does when the agent was killed or the disk was full.
    #[error("it is cut off")]
    CutOff,
    /// The length is not possible.
    #[error("its length, {0}, cannot be right")]
    Length(u32),
    /// The bytes are not those that were written.
    #[error("its checksum does not fit")]
    Checksum,
    /// The record is whole, but means nothing to this version.
    #[error("this version of ringmon cannot read it: {0}")]
    Unreadable(String),
    /// The record is whole, but not where it belongs.
    #[error("it does not belong there ({0})")]
    Misplaced(&'static str),
}

/// A record that cannot be read. All records before it are sound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record at byte {offset} cannot be read: {wrong}")]
pub struct Damage {
    /// The byte of the file at which the record begins.
    pub offset: usize,
    /// Why the record cannot be read.
    pub wrong: Wrong,
}

/// Why nothing of a file can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// The file does not begin as a recording does.
    #[error("this is no recording of ringmon")]
    Magic,
    /// A version of ringmon with another format wrote it.
    #[error("it is of format {0}, and this version reads format {FORMAT}; replay it with the ringmon that recorded it")]
    Format(u16),
    /// Another version of ringmon wrote it.
    #[error(
        "ringmon {recorded} recorded it, whose readings have other fields than those of this version; \
         replay it with that one"
    )]
    Layout {
        /// The version that wrote it.
        recorded: String,
    },
    /// The header, or a frame that belongs to it, is damaged.
    #[error(transparent)]
    Damaged(Damage),
}

/// Reads one file's records. Stops after the first [`Damage`].
#[derive(Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    header: Header,
    last: BTreeMap<u16, (WatchId, WatchReading)>,
    begun: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Foreign`]: there is nothing to replay in these bytes.
    pub fn open(data: &'a [u8]) -> Result<Self, Foreign> {
        let foreign = |offset, wrong| Foreign::Damaged(Damage { offset, wrong });
        let Some(rest) = data.strip_prefix(&MAGIC) else {
            let cut_off = MAGIC.starts_with(data);
            return Err(if cut_off { foreign(0, Wrong::CutOff) } else { Foreign::Magic });
        };
        let Some((format, _)) = rest.split_first_chunk() else { return Err(foreign(0, Wrong::CutOff)) };
        let format = u16::from_be_bytes(*format);
        if format != FORMAT {
            return Err(Foreign::Format(format));
        }
        let header = Header {
            ringmon: String::new(),
            server: String::new(),
            pool: String::new(),
            wall_us: 0,
            mono: Time::ZERO,
            first: 0,
        };
        let mut reader = Self { data, at: MAGIC.len() + 2, header, last: BTreeMap::new(), begun: false };
        let body = reader.expect(kind::HEADER)?;
        reader.header = decode(body).map_err(|wrong| foreign(MAGIC.len() + 2, wrong))?;
        if reader.expect(kind::LAYOUT)? != layout() {
            return Err(Foreign::Layout { recorded: reader.header.ringmon });
        }
        Ok(reader)
    }

    /// Which agent recorded, and how its clocks relate.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The byte at which the next record begins.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// Reads a frame of the file's begin, which must be of this kind.
    fn expect(&mut self, wanted: u8) -> Result<&'a [u8], Foreign> {
        let offset = self.at;
        let foreign = |wrong| Foreign::Damaged(Damage { offset, wrong });
        let data = self.data.get(self.at..).unwrap_or_default();
        let (kind, body, length) = frame::read(data).map_err(foreign)?.ok_or_else(|| foreign(Wrong::CutOff))?;
        if kind != wanted {
            return Err(foreign(Wrong::Misplaced("the header is missing")));
        }
        self.at += length;
        Ok(body)
    }

    fn record(&mut self, kind: u8, body: &[u8]) -> Result<Record, Wrong> {
        if kind == kind::CHECKPOINT {
            if std::mem::replace(&mut self.begun, true) {
                return Err(Wrong::Misplaced("a second checkpoint"));
            }
            return decode(body).map(|engine| Record::Checkpoint(Box::new(engine)));
        }
        if !self.begun {
            return Err(Wrong::Misplaced("the checkpoint is missing"));
        }
        let (at, input, said): (Time, Option<Input>, Option<Said>) = match kind {
            kind::TIMEOUT => decode(body).map(|(at, said)| (at, None, said))?,
            kind::INPUT => decode(body).map(|(at, input, said)| (at, Some(input), said))?,
            kind::READING => {
                let (at, id, reading, said): (Time, WatchId, WatchReading, Option<Said>) = decode(body)?;
                self.last.insert(id.slot, (id, reading.clone()));
                (at, Some(Input::Watch(id, reading)), said)
            }
            kind::AGAIN => {
                let (at, id, said): (Time, WatchId, Option<Said>) = decode(body)?;
                let known = self.last.get(&id.slot).filter(|(known, _)| *known == id);
                let Some((_, reading)) = known else { return Err(Wrong::Misplaced("it repeats what was not there")) };
                (at, Some(Input::Watch(id, reading.clone())), said)
            }
            other => return Err(Wrong::Unreadable(format!("kind {other}"))),
        };
        Ok(Record::Call(Box::new(Call { at, input, said })))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Record, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.at;
        let data = self.data.get(self.at..).unwrap_or_default();
        let read = match frame::read(data) {
            Ok(None) => return None,
            Ok(Some((kind, body, length))) => {
                self.at += length;
                self.record(kind, body)
            }
            Err(wrong) => Err(wrong),
        };
        Some(read.map_err(|wrong| {
            self.at = self.data.len();
            Damage { offset, wrong }
        }))
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    rmp_serde::from_slice(body).map_err(|error| Wrong::Unreadable(error.to_string()))
}
