//! The last list on disk: a router starts with it while no database answers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::disk;
use crate::show::{ErrorKind, HasKind};
use ringmon_core::route::Routes;

/// Why the list cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder does not exist and cannot be made, or takes no files.
    #[error("cannot keep the routes in {path}: {source}; name a folder that this user may write to (--state-dir)")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        let Self::Folder { source, .. } = self;
        ErrorKind::of_named(source)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Kept {
    file: PathBuf,
    list: Option<(Routes, Duration)>,
    written: Option<Instant>,
    failing: bool,
}

/// An unchanged list is written again after this time, because a later start asks how old it is.
const REFRESH: Duration = Duration::from_secs(60);

impl Kept {
    /// Opens this folder, makes it if needed, and reads what is there. A file without a sensible list counts as none,
    /// with a warning.
    ///
    /// # Errors
    /// [`Error::Folder`]
    pub fn open(folder: &Path, pool: &str) -> Result<Self, Error> {
        let wrong = |source| Error::Folder { path: folder.to_owned(), source };
        disk::make(folder).map_err(wrong)?;
        // Before anything relies on it: if the folder takes no files, this says so now, and not when the database is
        // away.
        tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
        // The name of a pool contains no separator.
        let file = folder.join(format!("routes-{pool}.json"));
        let list = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .inspect_err(|error| {
                    tracing::warn!("{} holds no list of routes ({error}): it will be replaced", file.display())
                })
                .ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("cannot read {}: {error}; beginning without a list", file.display());
                None
            }
        };
        let age = std::fs::metadata(&file).and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        // The age of a file from the future is unknown.
        let list = list.map(|list| (list, age.unwrap_or(Duration::MAX)));
        Ok(Self { file, list, written: None, failing: false })
    }

    /// The list that was there, and how long ago it was written.
    #[must_use]
    pub fn list(&self) -> Option<(&Routes, Duration)> {
        self.list.as_ref().map(|(list, age)| (list, *age))
    }

    /// Whether an unchanged list should be written again.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.written.is_none_or(|at| at.elapsed() >= REFRESH)
    }

    /// Replaces the list, as a whole or not at all.
    pub fn keep(&mut self, list: &Routes) {
        self.written = Some(Instant::now());
        let written = serde_json::to_vec_pretty(list).map_err(io::Error::from);
        match written.and_then(|text| disk::write(&self.file, &text)) {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(
                    "cannot write {}: {error}; a start without the database would use an older list",
                    self.file.display()
                );
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tests::seen_in;
    use crate::show::listed;
    use ringmon_core::route::Standing;

    #[test]
    fn what_was_kept_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(folder.path(), "web").unwrap();
        assert_eq!((kept.list(), kept.is_old()), (None, true));
        let list = listed(&[("a", Standing::Active), ("b", Standing::Draining)]);
        kept.keep(&listed(&[]));
        kept.keep(&list);
        assert!(!kept.is_old());
        let again = Kept::open(folder.path(), "web").unwrap();
        let (there, age) = again.list().unwrap();
        assert_eq!(there, &list);
        assert!(age < REFRESH, "{age:?}");
        assert_eq!(Kept::open(folder.path(), "other").unwrap().list(), None, "each pool has its own");
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "nothing half-written is left");
    }

    #[test]
    fn the_name_of_what_was_kept_is_on_the_disk_too() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("state");
        assert_eq!(seen_in(base.path(), || drop(Kept::open(&folder, "web").unwrap())), ["state", "."]);
        let mut kept = Kept::open(&folder, "web").unwrap();
        let seen = seen_in(&folder, || kept.keep(&listed(&[("a", Standing::Active)])));
        assert_eq!(seen[1..], ["routes-web.json", "."], "{seen:?}");
    }

    #[test]
    fn what_is_no_list_counts_as_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("routes-web.json"), "{\"servers\": 7}").unwrap();
        let mut kept = Kept::open(folder.path(), "web").unwrap();
        assert_eq!(kept.list(), None);
        let list = listed(&[("a", Standing::Active)]);
        kept.keep(&list);
        assert_eq!(Kept::open(folder.path(), "web").unwrap().list().map(|(there, _)| there), Some(&list));
    }

    #[test]
    fn a_folder_that_cannot_be_is_said_at_the_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Kept::open(&file.path().join("below"), "web").unwrap_err().to_string();
        assert!(error.contains("--state-dir") && error.contains("below"), "{error}");
    }
}
