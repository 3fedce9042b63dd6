//! Replaces files as a whole: a reader finds the old content or the new one, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Puts this content into the file, which only its owner may read.
///
/// # Errors
/// As open(2), write(2), fsync(2) and rename(2): the file is unchanged, unless only its folder could not be synced.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder(path))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    replace(file, path)
}

/// Puts a file that is on disk already in the place of another.
///
/// # Errors
/// As [`write`].
pub fn replace(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    sync(folder(path))
}

/// Makes a folder, and all missing folders above it.
///
/// # Errors
/// As mkdir(2) and fsync(2): some of the folders may exist then.
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

/// A synced file can still lose its name in a power cut: names are in the folder, which is synced separately
/// (fsync(2)).
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
pub mod tests;
