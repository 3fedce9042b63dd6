//! A web server that is a process of its own, so that it can be killed: a HAProxy (Debian's) that answers by itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::engine::find;
use crate::namespace::Namespace;
use crate::process::{Launch, Process, tail};
use crate::web::PORT;

/// The web server of one server, until this is dropped.
#[derive(Debug)]
pub struct Service {
    process: Process,
    namespace: Namespace,
    config: PathBuf,
    log: PathBuf,
}

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    /// Answers everything with this name, in this namespace.
    ///
    /// # Errors
    /// HAProxy is not installed, or does not start. The error has its last words.
    pub fn start(name: &str, namespace: &Namespace, folder: &Path) -> anyhow::Result<Self> {
        let (config, log) = (folder.join("service.cfg"), folder.join("service.log"));
        let text = format!(
            "global\n  nbthread 1\ndefaults\n  mode http\n  timeout client 60s\nfrontend web\n  bind :{PORT}\n  \
             http-request return status 200 content-type text/plain hdr X-Server {name} string {name}\n"
        );
        std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let process = run(namespace, &config, &log)?;
        Ok(Self { process, namespace: namespace.clone(), config, log })
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// It is still there after twenty seconds.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = run(&self.namespace, &self.config, &self.log)?;
        Ok(())
    }
}

/// Returns when it takes connections.
fn run(namespace: &Namespace, config: &Path, log: &Path) -> anyhow::Result<Process> {
    let program = find("haproxy").context("haproxy is not installed")?;
    let args = vec!["-db".into(), "-f".into(), config.as_os_str().to_owned()];
    let process = Process::start(namespace, Launch { program, args, env: Vec::new(), log: log.to_owned() })?;
    let end = Instant::now() + PATIENCE;
    while namespace.run(|| std::net::TcpStream::connect(("127.0.0.1", PORT)).is_err())? {
        if process.ended().is_some() || Instant::now() > end {
            bail!("the web server did not start: {}", tail(log, 10));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(process)
}
