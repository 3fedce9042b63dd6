//! The files of one server: `NAME-20261125T110904.123Z.rec`. Together they stay within a limit of bytes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Error;

#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    server: String,
    limit: u64,
    /// When the last file was made: names grow even when the wall clock goes back.
    last: Timestamp,
}

/// All stamps have the same length.
const STAMP: &str = "%Y%m%dT%H%M%S%.3fZ";

impl Folder {
    /// Makes the folder if it is missing, for its owner alone, and checks that it can be written.
    ///
    /// # Errors
    /// [`Error::Make`], [`Error::Write`]
    pub fn open(dir: &Path, server: &str, limit: u64) -> Result<Self, Error> {
        let path = || dir.to_owned();
        let mut make = DirBuilder::new();
        make.recursive(true).mode(0o700).create(dir).map_err(|source| Error::Make { path: path(), source })?;
        let folder = Self { dir: path(), server: server.to_owned(), limit, last: Timestamp::UNIX_EPOCH };
        let write = |source| Error::Write { path: path(), source };
        let trial = dir.join(format!(".{server}.trial"));
        OpenOptions::new().create(true).append(true).mode(0o600).open(&trial).map_err(write)?;
        fs::remove_file(&trial).map_err(write)?;
        Ok(folder)
    }

    /// How many bytes a file may have.
    const fn share(&self) -> u64 {
        self.limit / 4
    }

    /// Makes a new file, and deletes the oldest ones to have room for it.
    ///
    /// # Errors
    /// The operating system's. Older files may be deleted then.
    pub fn create(&mut self) -> io::Result<(PathBuf, File)> {
        self.make_room()?;
        let newest = self.files()?.last().and_then(|(path, _)| self.moment(path));
        let after = |at: Timestamp| at.checked_add(Duration::from_millis(1)).unwrap_or(at);
        let mut at = Timestamp::now().max(after(self.last)).max(newest.map_or(Timestamp::UNIX_EPOCH, after));
        for _ in 0..1000 {
            let path = self.dir.join(format!("{}-{}.rec", self.server, at.strftime(STAMP)));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    self.last = at;
                    return Ok((path, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => at = after(at),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for a recording"))
    }

    fn make_room(&self) -> io::Result<()> {
        let files = self.files()?;
        let mut whole: u64 = files.iter().map(|(_, size)| size).sum();
        for (path, size) in files {
            if whole.saturating_add(self.share()) <= self.limit {
                break;
            }
            fs::remove_file(path)?;
            whole -= size;
        }
        Ok(())
    }

    /// This server's files and their sizes, oldest first.
    fn files(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if self.moment(&entry.path()).is_some() {
                files.push((entry.path(), entry.metadata()?.len()));
            }
        }
        files.sort();
        Ok(files)
    }

    /// When a file of this server was begun; `None`: it is not one of its files.
    fn moment(&self, path: &Path) -> Option<Timestamp> {
        let name = path.file_name()?.to_str()?;
        let stamp = name.strip_prefix(&self.server)?.strip_prefix('-')?.strip_suffix(".rec")?;
        // What follows the name must be a whole stamp: `a` must not take the files of `a-b` for its own.
        let plain = stamp.len() == 20 && stamp.ends_with('Z');
        let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S%.fZ", stamp).ok().filter(|_| plain)?;
        at.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    }
}
