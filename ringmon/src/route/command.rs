//! Runs programs: without a shell, in a process group of their own, and with a time limit.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::Error;

/// How long a program may take by default.
pub const LIMIT: Duration = Duration::from_secs(10);
/// How much of its output is kept, in bytes: the end, which has the reason.
const TAIL: usize = 2048;
/// A program that ended may have left a child that keeps its output open (a daemon that it started). Its output is read
/// only this much longer.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// The names of this process's own options begin with this. One of them may be the database's password, so programs do
/// not get them.
const OWN: &[u8] = b"RINGMON_";
/// Stands for a path in a command line.
const PLACE: &str = "{}";

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// Splits a line as a shell would, and expands nothing. If you need a shell, write `sh -c '...'`.
    ///
    /// # Errors
    /// [`Error::CommandLine`].
    pub fn parse(line: &str) -> Result<Self, Error> {
        match shlex::split(line) {
            Some(words) if !words.is_empty() => Ok(Self(words)),
            Some(_) | None => Err(Error::CommandLine(line.to_owned())),
        }
    }

    /// The same line, with `{}` replaced by a path.
    #[must_use]
    pub(super) fn with(&self, path: &Path) -> Self {
        let path = path.to_string_lossy();
        Self(self.0.iter().map(|word| word.replace(PLACE, &path)).collect())
    }

    /// The program: the line's first word.
    #[must_use]
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

pub(super) struct Run<'a> {
    /// Its purpose: `check`, `reload` or `hook`.
    pub what: &'static str,
    pub line: &'a CommandLine,
    /// Its standard input.
    pub input: String,
    /// Variables that it gets besides those of this process.
    pub set: Vec<(&'static str, String)>,
    pub limit: Duration,
}

impl Run<'_> {
    /// Runs the program to its end. If the limit comes first, or if this future is dropped, the program is killed with
    /// its whole process group.
    ///
    /// # Errors
    /// [`Error::Spawn`], [`Error::Failed`], [`Error::TimedOut`].
    pub(super) async fn finish(self) -> Result<(), Error> {
        let (what, program) = (self.what, self.line.program().to_owned());
        let (mut group, mut output) = match self.start() {
            Ok(started) => started,
            Err(source) => return Err(Error::Spawn { what, program, source }),
        };
        let mut tail = Tail::default();
        let ended = tokio::time::timeout(self.limit, group.end(self.input, &mut output, &mut tail)).await;
        // Before the rest of the output is read: children that it left behind would keep us waiting.
        if ended.is_err() {
            drop(group);
        }
        let _ = tokio::time::timeout(LAST_WORDS, tail.fill(&mut output)).await;
        let said = tail.said();
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Error::Failed { what, program, how: status.to_string(), said }),
            Ok(Err(error)) => Err(Error::Failed { what, program, how: error.to_string(), said }),
            Err(_) => Err(Error::TimedOut { what, program, limit: self.limit, said }),
        }
    }

    fn start(&self) -> io::Result<(Group, Receiver)> {
        // One pipe for both, so that the output stays in its order.
        let (output, printed) = io::pipe()?;
        let mut command = Command::new(self.line.program());
        command.args(self.line.0.iter().skip(1)).env_clear();
        command.envs(environment(std::env::vars_os())).envs(self.set.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(printed.try_clone()?).stderr(printed);
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        Ok((Group(child), Receiver::from_owned_fd(output.into())?))
    }
}

/// The variables of this process that a program gets.
fn environment(own: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    own.filter(|(name, _)| !name.as_bytes().starts_with(OWN))
}

/// A child that leads its own process group. If it is dropped before its end was seen, the whole group is killed.
struct Group(Child);

impl Group {
    /// Writes its input, reads its output, and waits for its end.
    async fn end(&mut self, input: String, output: &mut Receiver, tail: &mut Tail) -> io::Result<ExitStatus> {
        let stdin = self.0.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // It need not read its input.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
            std::future::pending().await
        };
        let listen = async {
            tail.fill(output).await;
            std::future::pending().await
        };
        tokio::select! {
            status = self.0.wait() => status,
            never = feed => never,
            never = listen => never,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Until somebody has waited for it, the kernel gives its number to no other process.
        if let Some(leader) = self.0.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

/// The end of the output.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    /// Reads until nobody can write any more. Cancel-safe: what was read is kept.
    async fn fill(&mut self, output: &mut (impl AsyncRead + Unpin)) {
        let mut part = [0; 1024];
        while let Ok(length @ 1..) = output.read(&mut part).await {
            self.0.extend(&part[..length]);
            self.0.drain(..self.0.len().saturating_sub(TAIL));
        }
    }

    /// In one line, to be appended to a sentence.
    fn said(mut self) -> String {
        let text = String::from_utf8_lossy(self.0.make_contiguous()).into_owned();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() { String::new() } else { format!(": {}", lines.join(" | ")) }
    }
}

#[cfg(test)]
mod tests;
