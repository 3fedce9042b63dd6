//! Processes that do nothing but take the processor.

use std::path::Path;

use crate::namespace::Namespace;
use crate::process::{Launch, Process};

/// How many of them a measurement under load has.
pub const HOGS: usize = 16;

/// Busy loops of ordinary priority, until this is dropped.
#[derive(Debug)]
pub struct Hogs(Vec<Process>);

impl Hogs {
    /// Starts [`HOGS`] of them. Their output, of which there is none, would go to `folder`.
    ///
    /// # Errors
    /// One of them did not start.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let here = Namespace::own()?;
        let launch = Launch {
            program: "/bin/sh".into(),
            args: ["-c", "while :; do :; done"].map(Into::into).into(),
            env: Vec::new(),
            log: folder.join("hogs.log"),
        };
        (0..HOGS).map(|_| Process::start(&here, launch.clone())).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Whether all of them still run.
    #[must_use]
    pub fn all_run(&self) -> bool {
        self.0.iter().all(|hog| hog.ended().is_none())
    }
}
