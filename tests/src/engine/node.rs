//! One server. It is a child of a shell, which ends the server and removes its folder when this process ends, in
//! whatever way.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::process::tail;

/// How long a server may take until it greets.
const READY: Duration = Duration::from_secs(60);

/// `$1` is the server's folder; its program and arguments follow. The shell prints the server's process id, then waits
/// for a word or the end of its input, which is the end of the process that started it. The folder stays only after the
/// word `keep`.
const SHELL: &str = r#"
trap '' INT TERM HUP
folder=$1
shift
"$@" >>"$folder/server.log" 2>&1 </dev/null &
server=$!
echo $server
read -r word
kill -KILL $server
wait $server 2>/dev/null
[ "$word" = keep ] || rm -rf "$folder"
"#;

/// A running server, unless it was killed.
#[derive(Debug)]
pub struct Node {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its unix socket, for the machine's own tools.
    pub socket: PathBuf,
    program: Vec<OsString>,
    folder: TempDir,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    shell: Child,
    server: Pid,
}

impl Drop for Node {
    /// The shell does the rest. A node in a static is not dropped, but its shell sees the end of this process.
    fn drop(&mut self) {
        if let Some(mut running) = self.running().take() {
            drop(running.shell.stdin.take());
            let _ = running.shell.wait();
        }
    }
}

impl Node {
    /// Starts the server and waits until it greets. `program` is the program with its arguments.
    ///
    /// # Errors
    /// It does not start. The error has its last words, and the folder is removed.
    pub(super) fn start(folder: TempDir, port: u16, program: Vec<OsString>) -> anyhow::Result<Self> {
        Self::start_once_with(folder, port, program, &[])
    }

    /// The same, with arguments that a later start does not repeat.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub(super) fn start_once_with(
        folder: TempDir,
        port: u16,
        program: Vec<OsString>,
        once: &[&str],
    ) -> anyhow::Result<Self> {
        let socket = folder.path().join("sock");
        let node = Self { port, socket, program, folder, running: Mutex::new(None) };
        node.start_again_with(once)?;
        Ok(node)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server again on what it left, and waits until it greets.
    ///
    /// # Errors
    /// It is running, or does not start. The error has its last words.
    pub fn start_again(&self) -> anyhow::Result<()> {
        self.start_again_with(&[])
    }

    /// The same, with extra arguments this time.
    ///
    /// # Errors
    /// As [`Node::start_again`].
    pub fn start_again_with(&self, more: &[&str]) -> anyhow::Result<()> {
        let mut running = self.running();
        if running.is_some() {
            bail!("the server at port {} is running", self.port);
        }
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SHELL, "server-for-tests"])
            .arg(self.folder.path())
            .args(&self.program)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C at the tests must not reach it before its clean-up does
            .spawn()
            .context("cannot start a shell")?;
        let mut line = String::new();
        let said = shell.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let pid: i32 = line.trim().parse().with_context(|| format!("the shell said {line:?}, {said:?}"))?;
        let mut started = Running { shell, server: Pid::from_raw(pid) };
        let ready = self.greets(&mut started);
        *running = Some(started);
        ready
    }

    /// Waits until the server greets, after it has run its init file.
    fn greets(&self, running: &mut Running) -> anyhow::Result<()> {
        let end = Instant::now() + READY;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while Instant::now() < end && is_there(running.server) && running.shell.try_wait()?.is_none() {
            if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                let mut greeting = [0_u8; 5];
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                // MySQL's protocol has version 10. An error packet (too early) has 255 there.
                if stream.read_exact(&mut greeting).is_ok() && greeting[4] == 10 {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        bail!("the database server does not greet; its last words:\n{}", self.words())
    }

    /// Kills the process, as a power cut would, and waits until it is gone. Its folder stays.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill(&self) -> anyhow::Result<()> {
        let mut running = self.running().take().context("the server is not running")?;
        if let Some(mut input) = running.shell.stdin.take() {
            input.write_all(b"keep\n").context("the server's shell is gone")?;
        }
        running.shell.wait().context("the server's shell is gone")?;
        Ok(())
    }

    /// Stops it until [`Node::thaw`]: it keeps its connections and does not answer.
    ///
    /// # Errors
    /// It is not running.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Ends [`Node::freeze`].
    ///
    /// # Errors
    /// It is not running.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let running = self.running();
        let running = running.as_ref().context("the server is not running")?;
        kill(running.server, signal).with_context(|| format!("cannot send {signal} to {}", running.server))
    }

    /// Runs SQL as the server's root, over its socket and with Debian's client. Returns the rows, with columns
    /// separated by tabs.
    ///
    /// # Errors
    /// The statement failed.
    pub fn sql(&self, sql: &str) -> anyhow::Result<String> {
        let mut client = Command::new(super::find("mariadb")?);
        client.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
        let socket = format!("--socket={}", self.socket.display());
        let output = client.args([&socket, "--execute", sql]).output().context("cannot run mariadb")?;
        if !output.status.success() {
            bail!("{sql}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Its folder, as long as it exists.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id, to read in /proc what it costs; `None` while it is not running.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.running().as_ref().map(|running| running.server.as_raw())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn words(&self) -> String {
        tail(&self.folder.path().join("server.log"), 30)
    }
}

/// Whether it runs. A process that has ended and was not waited for does not.
fn is_there(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// A port that is free now.
///
/// # Errors
/// There is none.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of 127.0.0.1 is free")?;
    Ok(listener.local_addr().context("a port without an address")?.port())
}

/// A folder for a server, with an empty `tmp` in it.
///
/// # Errors
/// The temporary folder cannot be written.
pub fn folder(prefix: &str) -> anyhow::Result<TempDir> {
    let made = tempfile::Builder::new().prefix(prefix).tempdir().context("cannot make a temporary folder")?;
    std::fs::create_dir(made.path().join("tmp")).context("cannot make a temporary folder")?;
    Ok(made)
}

/// Runs a command that prepares a server, and keeps its output in a file.
///
/// # Errors
/// It failed. The error has its last words.
pub fn prepare(command: &mut Command, folder: &Path) -> anyhow::Result<()> {
    let log = folder.join("install.log");
    let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let err = out.try_clone().context("cannot write a log")?;
    let what = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).stdout(out).stderr(err).status();
    if !status.with_context(|| format!("cannot run {what}"))?.success() {
        bail!("{what} failed; its last words:\n{}", tail(&log, 30));
    }
    Ok(())
}

/// Tries up to three times: a free port may be taken a moment later.
///
/// # Errors
/// The error of the third attempt.
pub fn three_times<T>(mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    work().or_else(|_| work()).or_else(|_| work())
}
