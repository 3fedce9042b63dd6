//! Children that never outlive this process: they have a death signal, an entry in [`crate::undo`], and a drop that
//! kills.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::census::RUN;
use crate::namespace::Namespace;
use crate::undo::Undo;

/// A program and its surroundings.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The path of the program.
    pub program: PathBuf,
    /// Without the program's own name.
    pub args: Vec<OsString>,
    /// Variables that it gets besides those of this process.
    pub env: Vec<(OsString, OsString)>,
    /// Its output is appended to this file.
    pub log: PathBuf,
}

/// A running child, until this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Arc<Mutex<Child>>,
    pid: Pid,
    log: PathBuf,
    _end: Undo,
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Starts the program inside `namespace`.
    ///
    /// # Errors
    /// The log cannot be written, or the program cannot be started.
    pub fn start(namespace: &Namespace, launch: Launch) -> anyhow::Result<Self> {
        let log = launch.log.clone();
        let what = launch.program.display().to_string();
        if !launch.program.exists() {
            bail!("{what} is not there: build it with `cargo xtask build`");
        }
        let out = OpenOptions::new().create(true).append(true).open(&log);
        let out = out.with_context(|| format!("cannot write {}", log.display()))?;
        let err = out.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
        let run = std::env::var(RUN).unwrap_or_else(|_| std::process::id().to_string());
        // setpriv(1) sets the death signal and becomes the program: it is the same process, and there is no unsafe code
        // here.
        let mut command = Command::new("setpriv");
        crate::lab::clean(&mut command)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&launch.program)
            .args(&launch.args)
            .env(RUN, run)
            .envs(launch.env)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        let child = namespace.run(move || command.spawn())?.with_context(|| format!("cannot start {what}"))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a process id that is none")?);
        let child = Arc::new(Mutex::new(child));
        let end = Undo::later({
            let child = Arc::clone(&child);
            move || {
                let mut child = lock(&child);
                // Both return an error only for a child that has ended and was waited for.
                let _ = child.kill();
                let _ = child.wait();
            }
        });
        Ok(Self { child, pid, log, _end: end })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// The file with its output.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended; none while it runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().ok().flatten()
    }

    /// Sends a signal. A process that has ended gets none.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // The lock is held, so nobody reaps it meanwhile, and the number is still this child's.
        let mut child = lock(&self.child);
        if child.try_wait().ok().flatten().is_none() {
            kill(self.pid, signal).with_context(|| format!("cannot send {signal} to process {}", self.pid))?;
        }
        Ok(())
    }

    /// Freezes it, and waits until every one of its threads stands still.
    ///
    /// # Errors
    /// It ended, or did not freeze within ten seconds.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        let end = Instant::now() + Duration::from_secs(10);
        while !self.is_frozen() {
            if Instant::now() > end {
                bail!("process {} did not freeze within 10 s", self.pid);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn is_frozen(&self) -> bool {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", self.pid)) else { return false };
        tasks.flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // "pid (comm) state ...", and comm may contain spaces and brackets: proc_pid_stat(5). `T` is stopped.
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        })
    }

    /// Ends [`Self::freeze`].
    ///
    /// # Errors
    /// The kernel refused.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It did not end in time, and still runs.
    pub fn wait(&self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("process {} did not end within {limit:?}", self.pid);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Errors
    /// It is still there after twenty seconds.
    pub fn kill(&self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGKILL)?;
        self.wait(Duration::from_secs(20))
    }
}

/// The last lines of a log, for messages.
#[must_use]
pub fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
