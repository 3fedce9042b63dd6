//! One connection for one line of commands. HAProxy answers each command, with an empty line after it, and closes.
//!
//! HAProxy 2.6 forgets the empty line after the answer to `del server`, which is one line. So those commands have lines
//! of their own.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::SocketAt;
use super::error::Error;

/// The limit of each operation: HAProxy answers in well under a millisecond, or hangs.
const OPERATION: Duration = Duration::from_secs(1);
/// The limit of a whole exchange, so that an occasional byte does not keep it open for ever.
const EXCHANGE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes: `show servers state` has about 100 bytes for each server.
const LONGEST: usize = 16 << 20;
/// The longest line that is sent, in bytes: HAProxy before 2.6 needs all of it in `tune.bufsize`, 16 KiB by default.
pub(super) const LINE: usize = 8 << 10;

/// Sends the commands in one line, and returns one answer for each.
pub(super) async fn ask(at: &SocketAt, commands: &[String]) -> Result<Vec<String>, Error> {
    let answers = split(&exchange(at, commands).await?);
    counted(answers, commands.len())
}

/// The same for commands with one line of answer each, after a command that is carried out without a word.
pub(super) async fn ask_for_lines(at: &SocketAt, silent: &str, commands: &[String]) -> Result<Vec<String>, Error> {
    let line: Vec<String> = std::iter::once(silent.to_owned()).chain(commands.iter().cloned()).collect();
    let text = exchange(at, &line).await?;
    counted(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(), commands.len())
}

fn counted(answers: Vec<String>, commands: usize) -> Result<Vec<String>, Error> {
    if answers.len() == commands { Ok(answers) } else { Err(Error::Cut { answers: answers.len(), commands }) }
}

async fn exchange(at: &SocketAt, commands: &[String]) -> Result<String, Error> {
    let line = format!("{}\n", commands.join(";"));
    let exchange = async {
        match at {
            SocketAt::Path(path) => talk(at, within(at, connecting, UnixStream::connect(path)).await?, &line).await,
            SocketAt::Tcp(to) => talk(at, within(at, connecting, TcpStream::connect(to)).await?, &line).await,
        }
    };
    timeout(EXCHANGE, exchange).await.map_err(|_| Error::Late { at: at.to_string() })?
}

/// How many commands go into each line, so that HAProxy accepts it.
pub(super) fn lines(commands: &[String]) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut room = 0;
    for command in commands {
        let length = command.len() + 1;
        match lines.last_mut() {
            Some(count) if length <= room => *count += 1,
            _ => {
                lines.push(1);
                room = LINE;
            }
        }
        room = room.saturating_sub(length);
    }
    lines
}

/// The answers. The last one may lack its empty line if HAProxy went away.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut answers = Vec::new();
    let mut answer = String::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end().is_empty() {
            answers.push(std::mem::take(&mut answer));
        } else {
            answer.push_str(line);
        }
    }
    answers
}

fn connecting(at: &SocketAt, source: io::Error) -> Error {
    Error::Connect { at: at.to_string(), source }
}

fn talking(at: &SocketAt, source: io::Error) -> Error {
    Error::Broken { at: at.to_string(), source }
}

async fn within<T>(
    at: &SocketAt,
    failed: fn(&SocketAt, io::Error) -> Error,
    operation: impl Future<Output = io::Result<T>>,
) -> Result<T, Error> {
    match timeout(OPERATION, operation).await {
        Ok(done) => done.map_err(|source| failed(at, source)),
        Err(_) => Err(Error::Late { at: at.to_string() }),
    }
}

async fn talk(at: &SocketAt, mut stream: impl AsyncRead + AsyncWrite + Unpin, line: &str) -> Result<String, Error> {
    within(at, talking, stream.write_all(line.as_bytes())).await?;
    let mut answer = Vec::new();
    loop {
        if answer.len() > LONGEST {
            return Err(Error::TooLong { at: at.to_string(), most: LONGEST });
        }
        if within(at, talking, stream.read_buf(&mut answer)).await? == 0 {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}
