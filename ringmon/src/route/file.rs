//! Replaces files as a whole: a reader sees the old content or the new one, never a part (rename(2)).

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Error;
use crate::disk::{self, folder};

/// The mode of a new file.
const MODE: u32 = 0o644;

/// Puts `content` into the file at `path`; true if there was anything to do. The file keeps its owner and mode. A
/// symbolic link stays, and the file that it points to changes. Nothing is touched if the content is there already.
///
/// # Errors
/// [`Error::File`]: the file is unchanged.
pub async fn put(path: PathBuf, content: String) -> Result<bool, Error> {
    let cut_short = path.clone();
    let put = move || match Candidate::write(&path, content.as_bytes())? {
        Some(candidate) => candidate.commit().map(|()| true),
        None => Ok(false),
    };
    tokio::task::spawn_blocking(put).await.unwrap_or(Err(Error::CutShort(cut_short)))
}

/// Writes a candidate for this file and takes it away again, for who wants to know whether the file can be replaced.
///
/// # Errors
/// As [`put`].
pub fn rehearse(path: &Path) -> Result<(), Error> {
    // No reader has a file that holds just this.
    Candidate::write(path, b"ringmon").map(drop)
}

/// A file on disk beside the one that it will replace. It is deleted when dropped.
#[derive(Debug)]
pub(super) struct Candidate {
    file: NamedTempFile<File>,
    /// The file that it replaces, after all links.
    real: PathBuf,
}

impl Candidate {
    /// Writes a candidate with this content for `path`; none if the content is there already.
    ///
    /// # Errors
    /// [`Error::File`]: no candidate is left.
    pub(super) fn write(path: &Path, content: &[u8]) -> Result<Option<Self>, Error> {
        let failed = |step| move |source| Error::File { step, path: path.to_owned(), source };
        let real = real(path).map_err(failed("find"))?;
        let there = match fs::metadata(&real) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("look at")(error)),
        };
        if let Some(there) = &there {
            if !there.is_file() {
                return Err(failed("replace")(io::Error::other("it is not a plain file")));
            }
            if holds(&real, there, content).map_err(failed("read"))? {
                return Ok(None);
            }
        }
        // It begins with a dot and has its own ending, so that `*.json` and `*.conf` of programs that read whole
        // folders do not match it.
        let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut named = tempfile::Builder::new();
        let (prefix, suffix) = (format!(".{name}."), ".ringmon");
        // Opened and written here, because tempfile would put the random name into the error, and hide the error's
        // number.
        let open = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = named.prefix(&prefix).suffix(suffix).make_in(folder(&real), open).map_err(failed("write"))?;
        file.as_file().write_all(content).map_err(failed("write"))?;
        keep(file.as_file(), there.as_ref()).map_err(failed("keep owner and mode of"))?;
        file.as_file().sync_all().map_err(failed("write"))?;
        Ok(Some(Self { file, real }))
    }

    /// Where it is until it takes the file's place.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`Error::File`]: the file is unchanged, unless only its folder could not be synced.
    pub(super) fn commit(self) -> Result<(), Error> {
        let failed = |source| Error::File { step: "replace", path: self.real.clone(), source };
        disk::replace(self.file, &self.real).map_err(failed)
    }
}

/// The file at the end of all links, even if it does not exist yet. (For a circle of links canonicalize returns an
/// error.)
fn real(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(to) => real(&folder(path).join(to)),
            Err(_) => Ok(path.to_owned()),
        },
        found => found,
    }
}

fn holds(path: &Path, there: &Metadata, content: &[u8]) -> io::Result<bool> {
    // The length first: the file there may be huge.
    Ok(usize::try_from(there.len()) == Ok(content.len()) && fs::read(path)? == content)
}

/// The owner first: a change of owner may clear bits of the mode.
fn keep(file: &File, there: Option<&Metadata>) -> io::Result<()> {
    if let Some(there) = there {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (there.uid(), there.gid()) {
            fchown(file, Some(there.uid()), Some(there.gid()))?;
        }
    }
    let mode = there.map_or(MODE, |there| there.mode() & 0o7777);
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests;
