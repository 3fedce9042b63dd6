//! A text file that grows while it is read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::Context;

/// Returns each line once.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    read: u64,
}

impl Lines {
    /// The file need not exist yet.
    #[must_use]
    pub fn of(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// The lines that were finished since the last call.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self) -> anyhow::Result<Vec<String>> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.read))
            .and_then(|_| file.read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        Ok(String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_finished_lines_are_read_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut lines = Lines::of(path.clone());
        assert!(lines.read().unwrap().is_empty(), "no file yet");
        let mut file = File::create(&path).unwrap();
        write!(file, "one\ntwo\nthr").unwrap();
        assert_eq!(lines.read().unwrap(), ["one", "two"]);
        writeln!(file, "ee").unwrap();
        assert_eq!(lines.read().unwrap(), ["three"]);
        assert!(lines.read().unwrap().is_empty());
    }
}
