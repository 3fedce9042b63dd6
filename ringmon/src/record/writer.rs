//! The thread that waits for the disk.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use super::folder::Folder;

/// Whole records, all of one file.
#[derive(Debug)]
pub struct Batch {
    pub begins: bool,
    pub bytes: Vec<u8>,
    pub calls: u64,
}

#[derive(Debug, Default)]
pub struct Shared {
    pub written: AtomicU64,
    /// Calls that are in no file.
    pub lost: AtomicU64,
    pub errors: AtomicU64,
    /// The file that was being written cannot go on.
    pub broken: AtomicBool,
}

#[derive(Debug)]
pub struct Writer {
    folder: Folder,
    shared: Arc<Shared>,
    file: Option<(PathBuf, File)>,
    told: bool,
}

impl Writer {
    pub const fn new(folder: Folder, shared: Arc<Shared>) -> Self {
        Self { folder, shared, file: None, told: false }
    }

    /// Writes batches until there is no sender any more.
    pub fn run(mut self, batches: &Receiver<Batch>) {
        for batch in batches {
            match self.write(&batch) {
                Ok(()) => {}
                Err(error) => self.failed(&error),
            }
            let count = if self.file.is_some() { &self.shared.written } else { &self.shared.lost };
            count.fetch_add(batch.calls, Ordering::Relaxed);
        }
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        if batch.begins {
            self.file = None;
            let (path, file) = self.folder.create()?;
            if std::mem::take(&mut self.told) {
                tracing::info!("recording again, into {}", path.display());
            }
            self.file = Some((path, file));
        }
        // Without a file, these records continue one that broke off: nobody could replay them.
        self.file.as_mut().map_or(Ok(()), |(_, file)| file.write_all(&batch.bytes))
    }

    fn failed(&mut self, error: &io::Error) {
        self.shared.errors.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.told, true) {
            let place =
                self.file.as_ref().map_or_else(|| "a new file".to_owned(), |(path, _)| path.display().to_string());
            tracing::error!(
                "cannot write the recording ({place}): {error}; it goes on later, and the agent without it"
            );
        }
        self.file = None;
        self.shared.broken.store(true, Ordering::Release);
    }
}
