//! Where results go.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::progress::print;

/// JSON lines, each as soon as it was measured, and one table at the end.
pub struct Output {
    lines: Lines,
    markdown: Option<PathBuf>,
}

enum Lines {
    Nowhere,
    Stdout,
    File(File, PathBuf),
}

impl Output {
    /// Lines go to the file `json` (`-`: to stdout, and the table to stderr). The table goes to stdout, and to
    /// `markdown` as well.
    ///
    /// # Errors
    /// The file of the lines cannot be written. This comes before anything is measured.
    pub fn open(json: Option<&Path>, markdown: Option<&Path>) -> anyhow::Result<Self> {
        let lines = match json {
            None => Lines::Nowhere,
            Some(path) if path == Path::new("-") => Lines::Stdout,
            Some(path) => {
                let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
                Lines::File(file, path.to_owned())
            }
        };
        Ok(Self { lines, markdown: markdown.map(Path::to_owned) })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn line(&mut self, text: &str) -> anyhow::Result<()> {
        match &mut self.lines {
            Lines::Nowhere => {}
            Lines::Stdout => print(text),
            Lines::File(file, path) => {
                writeln!(file, "{text}").with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// # Errors
    /// The file cannot be written.
    pub fn table(&self, text: &str) -> anyhow::Result<()> {
        match self.lines {
            Lines::Stdout => eprintln!("{text}"),
            Lines::Nowhere | Lines::File(..) => print(text),
        }
        if let Some(file) = &self.markdown {
            std::fs::write(file, format!("{text}\n")).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }
}
