//! Files that are replaced as a whole: a reader finds the old content or the new one, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use tempfile::NamedTempFile;

/// Replaces the content of a file. Only its owner may read it.
///
/// # Errors
/// As open(2), write(2), fsync(2) and rename(2). The file is unchanged, unless only its folder could not be synced.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder(path))?;
    file.write_all(content)?;
    give(file.as_file(), folder(path))?;
    file.as_file().sync_all()?;
    replace(file, path)
}

/// What root writes into the folder of another user belongs to that user: who once starts an agent by hand must not
/// lock out the one that the service manager starts.
///
/// # Errors
/// As stat(2) and fchown(2).
pub fn give(file: &File, folder: &Path) -> io::Result<()> {
    let (here, owner) = (file.metadata()?, fs::metadata(folder)?);
    if here.uid() == owner.uid() || here.uid() != 0 {
        return Ok(());
    }
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Puts a file that is synced already in the place of another one.
///
/// # Errors
/// As [`write()`].
pub fn replace(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    sync(folder(path))
}

/// Reads a whole file. A pipe or a device could keep the reader waiting for ever.
///
/// # Errors
/// As open(2) and read(2); it is no plain file.
pub fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let there = fs::metadata(path)?;
    // What is wrong with a folder, the system says.
    if !there.is_file() && !there.is_dir() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    fs::read(path)
}

/// Makes a folder, and those above it that do not exist.
///
/// # Errors
/// As mkdir(2) and fsync(2). Some of the folders may be made.
pub fn make(path: &Path) -> io::Result<()> {
    let new: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path)?;
    new.into_iter().try_for_each(|made| sync(folder(made)))
}

/// The folder of a file; for a bare name `.`.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of a synced file can still be lost in a power cut: it is in the folder, which has its own sync (fsync(2)).
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
pub(crate) mod tests;
