//! A `ringmon router` on the hub.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::lab::Lab;
use crate::process::{Launch, Process, tail};

/// The router, until this is dropped.
#[derive(Debug)]
pub struct Router {
    process: Process,
    launch: Launch,
    /// The folder of its kept list.
    pub folder: PathBuf,
}

/// Its HTTP address, on the hub.
pub const HTTP: &str = "127.0.0.1:7465";

impl Router {
    /// Starts a router with these extra arguments.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(lab: &Lab, further: &[&str]) -> anyhow::Result<Self> {
        Self::start_in(lab, "router", further)
    }

    /// The same with a folder of this name, for a lab with several routers. All but one need another `--router-http`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_in(lab: &Lab, folder: &str, further: &[&str]) -> anyhow::Result<Self> {
        let folder = lab.folder().join(folder);
        std::fs::create_dir_all(&folder).context("cannot make the router's folder")?;
        let mut args: Vec<std::ffi::OsString> = vec!["router".into(), "--state-dir".into(), folder.clone().into()];
        args.extend(further.iter().map(Into::into));
        let launch =
            Launch { program: lab.binary().to_owned(), args, env: lab.environment(), log: folder.join("router.log") };
        let process = Process::start(lab.network.hub(), launch.clone())?;
        Ok(Self { process, launch, folder })
    }

    /// # Errors
    /// It does not end.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again with the same arguments, after it has ended.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_again(&mut self, lab: &Lab) -> anyhow::Result<()> {
        self.process.wait(Duration::from_secs(20))?;
        self.process = Process::start(lab.network.hub(), self.launch.clone())?;
        Ok(())
    }

    /// Its process, for example to be frozen.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The end of its output.
    #[must_use]
    pub fn words(&self) -> String {
        tail(self.process.log(), 20)
    }
}
