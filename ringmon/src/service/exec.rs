//! Passes if a program exits with 0.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// How many bytes of its output are kept: the first line is the reason.
const KEPT: usize = 200;
/// Output from before the program's end may still be in the pipe for this long.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// Runs the program once, in a process group of its own. Nothing of the group is left afterwards, whether the program
/// ended, or this future was dropped because it did not. Only a process that made a group of its own stays.
pub(super) async fn run(words: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Err("no program".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // One of them is the database's password.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RINGMON_")) {
        command.env_remove(name);
    }
    let child = command.process_group(0).kill_on_drop(true).spawn();
    let mut child = child.map_err(|error| format!("cannot start {program}: {error}"))?;
    let group = Group::of(&child);
    let mut said = Said::of(&mut child);
    let ended = loop {
        tokio::select! {
            biased;
            () = said.listen() => {}
            ended = child.wait() => break ended,
        }
    };
    // Its children hold the pipes, too.
    drop(group);
    let _ = tokio::time::timeout(LAST_WORDS, said.hear_out()).await;
    let status = ended.map_err(|error| format!("cannot wait for {program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(why(status, &said.first_line())) }
}

fn why(status: ExitStatus, line: &str) -> String {
    let how = status.to_string();
    if line.is_empty() { how } else { format!("{how}: {line}") }
}

/// A process group, killed when this is dropped. Once its leader has been waited for, its number could belong to a new
/// group, but only if the kernel went through all process ids in between. While members are left, the kernel never
/// gives the number away (credentials(7)).
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // An error means that nobody is left in it.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

/// The program's output. It is read to the end, so that the program never waits for a reader; hardly any of it is kept.
struct Said {
    out: Option<tokio::process::ChildStdout>,
    err: Option<tokio::process::ChildStderr>,
    kept: Vec<u8>,
}

impl Said {
    fn of(child: &mut Child) -> Self {
        Self { out: child.stdout.take(), err: child.stderr.take(), kept: Vec::new() }
    }

    /// Takes the next output. Never ends once both pipes are closed. Cancel-safe.
    async fn listen(&mut self) {
        let (mut a, mut b) = ([0; 1024], [0; 1024]);
        tokio::select! {
            biased;
            Ok(read) = read(&mut self.out, &mut a) => Self::keep(&mut self.kept, &a[..read]),
            Ok(read) = read(&mut self.err, &mut b) => Self::keep(&mut self.kept, &b[..read]),
            else => std::future::pending().await,
        }
    }

    async fn hear_out(&mut self) {
        while self.out.is_some() || self.err.is_some() {
            self.listen().await;
        }
    }

    fn keep(kept: &mut Vec<u8>, new: &[u8]) {
        let room = KEPT.saturating_sub(kept.len());
        kept.extend(&new[..new.len().min(room)]);
    }

    fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
    }
}

/// Reads from the pipe while it is open. A closed or broken pipe becomes `None`.
async fn read<R: tokio::io::AsyncRead + Unpin>(from: &mut Option<R>, into: &mut [u8]) -> Result<usize, ()> {
    let Some(open) = from else { return Err(()) };
    match open.read(into).await {
        Ok(0) | Err(_) => {
            *from = None;
            Ok(0)
        }
        Ok(read) => Ok(read),
    }
}
