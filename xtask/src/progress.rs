//! What a person sees while something takes long. It all goes to stderr: stdout belongs to `--json`.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub fn say(text: &str) {
    eprintln!("xtask: {text}");
}

/// Runs a command quietly and writes its output to `log`. Says every 15 seconds that it is still running.
///
/// # Errors
/// It could not start, or it failed: then with its last lines of output.
pub fn quietly(what: &str, command: &mut Command, log: &Path) -> anyhow::Result<()> {
    say(what);
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let copy = file.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    let status = patiently(what, command, Duration::from_secs(15))?;
    if !status.success() {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n  ");
        bail!("{what} failed ({status}); all of it is in {}:\n  {tail}", log.display());
    }
    Ok(())
}

/// Runs a command to its end, and says now and then that it still runs.
fn patiently(what: &str, command: &mut Command, every: Duration) -> anyhow::Result<ExitStatus> {
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let (begin, mut next) = (Instant::now(), every);
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child process")? {
            return Ok(status);
        }
        if begin.elapsed() >= next {
            say(&format!("{what}: still at it after {} s", next.as_secs()));
            next += every;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a command whose own output is progress, such as cargo's. The last crate can take minutes, in which cargo says
/// nothing. Its stdout goes to stderr.
///
/// # Errors
/// It could not start, or failed.
pub fn aloud(what: &str, command: &mut Command) -> anyhow::Result<()> {
    say(what);
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = patiently(what, command, Duration::from_secs(60))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Writes to a terminal or a pipe. A closed pipe is no reason to fail.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && out.is_terminal()
    {
        eprintln!("cannot write to the terminal: {error}");
    }
}
