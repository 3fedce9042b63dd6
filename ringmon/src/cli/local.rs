//! `ringmon reload` and `ringmon stop`: the agent on this server, by signals. Whoever may send them may ask.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::args::StopArgs;
use super::exit::{Error, Verdict, complain};
use super::{out, status};
use crate::config::Typed;
use crate::show::ReloadView;

/// A living agent has read its configuration again within this time.
const RELOADED_WITHIN: Duration = Duration::from_secs(5);
/// How often it is asked.
const EVERY: Duration = Duration::from_millis(50);

/// The part of a board that is needed here.
#[derive(Debug, Deserialize)]
struct Seen {
    about: About,
    reload: ReloadView,
}

#[derive(Debug, Deserialize)]
struct About {
    pid: i32,
}

fn look(addr: SocketAddr) -> Result<Seen, Error> {
    let body = status::get(addr, "/status")?;
    serde_json::from_slice(&body)
        .map_err(|error| Error::Unavailable(format!("what answers on {addr} is no agent of this version: {error}")))
}

/// Makes it read its configuration again.
pub fn reload(typed: &Typed) -> anyhow::Result<Verdict> {
    let addr = status::address(typed)?;
    let before = look(addr)?;
    signal(addr, before.about.pid, Signal::SIGHUP)?;
    let until = Instant::now() + RELOADED_WITHIN;
    while Instant::now() < until {
        let Seen { reload: ReloadView { count, applied, restart, problem }, .. } = look(addr)?;
        if count == before.reload.count {
            std::thread::sleep(EVERY);
            continue;
        }
        if let Some(problem) = problem {
            complain(&format!("the configuration cannot be obeyed, and the old one stays: {problem}"));
            return Ok(Verdict::Configuration);
        }
        let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        out::line(&format!("obeyed from now on: {}", list(&applied)))?;
        if !restart.is_empty() {
            out::line(&format!("after another start: {}", list(&restart)))?;
        }
        return Ok(Verdict::Ok);
    }
    Err(Error::Unavailable(format!("the agent on {addr} did not read it within {} s", RELOADED_WITHIN.as_secs()))
        .into())
}

/// Stops it, and waits until it has ended.
pub fn stop(typed: &Typed, args: &StopArgs) -> anyhow::Result<Verdict> {
    let addr = status::address(typed)?;
    let pid = look(addr)?.about.pid;
    let asked = match (args.stay, args.leave) {
        (true, _) => Signal::SIGUSR1,
        (_, true) => Signal::SIGUSR2,
        (false, false) => Signal::SIGTERM,
    };
    let unit = unit_of(pid);
    signal(addr, pid, asked)?;
    while is_agent(pid) {
        std::thread::sleep(EVERY);
    }
    out::line("the agent has ended")?;
    if let Some(unit) = unit {
        // An agent whose row remains ends with a failure, and its unit starts it again.
        out::line(&format!("{unit} may start it again; `systemctl stop {unit}` would not"))?;
    }
    Ok(Verdict::Ok)
}

/// The unit of systemd that this process belongs to (cgroups(7)).
fn unit_of(pid: i32) -> Option<String> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let last = |line: &str| line.rsplit('/').next().unwrap_or_default().to_owned();
    groups.lines().map(last).find(|name| name.starts_with("ringmon") && name.ends_with(".service"))
}

/// The number is the agent's where it runs, which may be a container. So it is looked at first.
fn signal(addr: SocketAddr, pid: i32, signal: Signal) -> anyhow::Result<()> {
    if !is_agent(pid) {
        let why = format!("the agent on {addr} says that it is process {pid}, and here that is no ringmon agent");
        return Err(Error::Unavailable(format!("{why}: run this in its container")).into());
    }
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) => Ok(()),
        Err(Errno::ESRCH) => Err(Error::Unavailable(format!("the agent (process {pid}) has just ended")).into()),
        Err(errno) => Err(anyhow::Error::new(std::io::Error::from(errno))
            .context(format!("cannot signal the agent (process {pid}); root and its own user may"))),
    }
}

/// Whether a process with this number runs `ringmon agent`.
fn is_agent(pid: i32) -> bool {
    let Ok(words) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
    let program = words.first().is_some_and(|program| program.ends_with(b"ringmon"));
    program && words.contains(&&b"agent"[..])
}
