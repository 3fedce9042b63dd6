//! The given files in the order in which they were written, and the clock in them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::super::exit::Error;
use ringmon_sim::recording::{Damage, Foreign, Reader, Wrong};

/// A file that can be replayed.
#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    wall_us: i64,
    first: u64,
    pool: String,
    server: String,
}

impl File {
    /// When it begins.
    pub const fn wall_us(&self) -> i64 {
        self.wall_us
    }
}

/// Reads the files. A folder is all recordings in it. A file that ends within its header, because it was begun on a
/// full disk, is only worth a note if there are other files.
///
/// # Errors
/// A file cannot be read, is no recording, or belongs to another server than the first.
pub fn read(named: &[PathBuf]) -> anyhow::Result<(Vec<File>, Vec<String>)> {
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for path in named {
        for path in below(path)? {
            match open(path)? {
                Ok(file) => files.push(file),
                Err(note) => notes.push(note),
            }
        }
    }
    if files.is_empty() {
        return Err(Error::Damaged(notes.join("; ")).into());
    }
    if let [first, rest @ ..] = files.as_slice()
        && let Some(other) = rest.iter().find(|f| (&f.server, &f.pool) != (&first.server, &first.pool))
    {
        return Err(Error::Usage(format!(
            "these are recordings of several servers ({} of pool {} in {}, {} of pool {} in {}); replay one at a time",
            first.server,
            first.pool,
            first.path.display(),
            other.server,
            other.pool,
            other.path.display()
        ))
        .into());
    }
    files.sort_by_key(|file| (file.wall_us, file.first));
    Ok((files, notes))
}

fn below(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let listed = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = listed.with_context(|| format!("cannot read the folder {}", path.display()))?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "rec")).collect();
    if paths.is_empty() {
        return Err(Error::Usage(format!("there is no recording (*.rec) in {}", path.display())).into());
    }
    paths.sort();
    Ok(paths)
}

/// The file; or a note about a file without a whole header.
fn open(path: PathBuf) -> anyhow::Result<Result<File, String>> {
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Usage(format!("there is no file {}", path.display())).into());
        }
        Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))),
    };
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let header = match Reader::open(&bytes) {
        Ok(reader) => reader.header().clone(),
        Err(why @ Foreign::Damaged(Damage { wrong: Wrong::CutOff, .. })) => return Ok(Err(said(&why))),
        Err(why @ (Foreign::Format(_) | Foreign::Layout { .. })) => return Err(Error::OtherVersion(said(&why)).into()),
        Err(why @ (Foreign::Magic | Foreign::Damaged(_))) => return Err(Error::Damaged(said(&why)).into()),
    };
    let (wall_us, first) = (header.wall_us, header.first);
    Ok(Ok(File { path, bytes, wall_us, first, pool: header.pool, server: header.server }))
}

/// A time of the wall clock as RFC 3339 in UTC, with microseconds.
pub fn moment(wall_us: i64) -> String {
    Timestamp::from_microsecond(wall_us).map_or_else(|_| format!("{wall_us} us"), |at| format!("{at:.6}"))
}

/// Only the time of day.
pub fn clock(wall_us: i64) -> String {
    let whole = moment(wall_us);
    whole.split_once('T').map_or(whole.clone(), |(_, time)| time.trim_end_matches('Z').to_owned())
}

/// From the earlier to the later time, in milliseconds.
pub fn ms_between(earlier: i64, later: i64) -> f64 {
    let us = later.saturating_sub(earlier);
    let span = std::time::Duration::from_micros(us.unsigned_abs()).as_secs_f64() * 1e3;
    if us < 0 { -span } else { span }
}
