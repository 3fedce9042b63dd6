//! A folder that is removed at the end, also after Ctrl-C.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::undo::Undo;

/// A temporary folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _end: Undo,
}

impl Folder {
    /// A new and empty folder.
    ///
    /// # Errors
    /// The machine's temporary folder cannot be written.
    pub fn new() -> anyhow::Result<Self> {
        let made =
            tempfile::Builder::new().prefix("ringmon-lab-").tempdir().context("cannot make a temporary folder")?;
        let path = made.keep();
        let gone = path.clone();
        let end = Undo::later(move || {
            if let Err(error) = std::fs::remove_dir_all(&gone) {
                eprintln!("cannot remove {}: {error}", gone.display());
            }
        });
        Ok(Self { path, _end: end })
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside it, made if it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn sub(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}
