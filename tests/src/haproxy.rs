//! A HAProxy on the hub (Debian's), in front of the lab's web servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::engine::find;
use crate::namespace::Namespace;
use crate::network::{HUB, address};
use crate::process::{Launch, Process, tail};
use crate::web;

/// The name of its backend.
pub const BACKEND: &str = "web";

/// The address for clients.
#[must_use]
pub fn frontend() -> SocketAddr {
    SocketAddr::from((HUB, 8000))
}

/// How it finds out which servers are down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Not at all.
    None,
    /// As with `check` and no more in the configuration: every 2 s, down after 3, up after 2.
    Default,
    /// Every 100 ms with a timeout of 100 ms, down after 2, up after 2.
    Fast,
    /// As often as `Fast`, but it only checks whether connections are accepted; and it asks the servers' agents, every
    /// 200 ms at this port. It keeps no idle connection, because a draining server would wait for it.
    Agents(u16),
}

/// A HAProxy, until this is dropped.
#[derive(Debug)]
pub struct Haproxy {
    process: Process,
    folder: PathBuf,
    hub: Namespace,
    config: PathBuf,
}

impl Haproxy {
    /// Starts it in front of servers 1 to `servers`, which are in its configuration.
    ///
    /// # Errors
    /// It is not installed, or does not start within ten seconds. The error has its last words.
    pub fn start(hub: &Namespace, folder: &Path, servers: u8, checks: Checks) -> anyhow::Result<Self> {
        let config = folder.join("haproxy.cfg");
        std::fs::write(&config, configuration(folder, servers, checks)).context("cannot write haproxy.cfg")?;
        let process = run(hub, folder, &config)?;
        let haproxy = Self { process, folder: folder.to_owned(), hub: hub.clone(), config };
        haproxy.wait_until_it_answers()?;
        Ok(haproxy)
    }

    /// The socket of its Runtime API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("admin.sock")
    }

    /// Kills it, and starts another one with the same configuration.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = run(&self.hub, &self.folder, &self.config)?;
        self.wait_until_it_answers()
    }

    /// Another process takes over its sockets, as with `systemctl reload haproxy`. The old one, which is returned, ends
    /// when its clients are gone.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn reload(&mut self) -> anyhow::Result<Process> {
        let old = self.process.pid().to_string();
        let new = launch(
            &self.folder,
            &self.config,
            &["-x".to_owned(), self.socket().display().to_string(), "-sf".to_owned(), old],
        )?;
        let new = Process::start(&self.hub, new)?;
        let pid = new.pid();
        let end = Instant::now() + Duration::from_secs(10);
        while !self.ask("show info").is_ok_and(|info| info.contains(&format!("Pid: {pid}\n"))) {
            if Instant::now() > end {
                bail!("the new HAProxy does not take over: {}", tail(new.log(), 20));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(std::mem::replace(&mut self.process, new))
    }

    fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(10);
        while let Err(error) = self.ask("show info") {
            if self.process.ended().is_some() || Instant::now() > end {
                bail!("HAProxy did not start: {error:#}\n{}", tail(self.process.log(), 20));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Its answer to a command.
    ///
    /// # Errors
    /// Its socket does not answer.
    pub fn ask(&self, command: &str) -> anyhow::Result<String> {
        let mut stream = UnixStream::connect(self.socket()).context("HAProxy's socket does not answer")?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).context("a socket without timeouts")?;
        stream.write_all(format!("{command}\n").as_bytes()).context("HAProxy's socket takes no command")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).context("HAProxy's socket gives no answer")?;
        Ok(text)
    }

    /// What it knows of each server of the backend.
    ///
    /// # Errors
    /// Its socket does not answer.
    pub fn servers(&self) -> anyhow::Result<BTreeMap<String, Stat>> {
        let text = self.ask(&format!("show stat {BACKEND} 4 -1"))?;
        let mut lines = text.lines();
        let names: Vec<&str> =
            lines.next().context("HAProxy says nothing")?.trim_start_matches("# ").split(',').collect();
        let at =
            |name: &str| names.iter().position(|other| *other == name).with_context(|| format!("no column {name}"));
        let (name, status, weight) = (at("svname")?, at("status")?, at("weight")?);
        let (chosen, sessions) = (at("lbtot")?, at("scur")?);
        let one = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
            let number = |at: usize| cell(at).parse().unwrap_or_default();
            let (weight, chosen, sessions) = (number(weight), number(chosen), number(sessions));
            (cell(name).to_owned(), Stat { status: cell(status).to_owned(), weight, chosen, sessions })
        };
        Ok(lines.filter(|line| !line.is_empty()).map(one).collect())
    }
}

/// One server, as HAProxy has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `UP`, `DOWN`, `MAINT`, `DRAIN`, `no check`, ...
    pub status: String,
    /// Its share of the requests.
    pub weight: u64,
    /// How often it was chosen for a request.
    pub chosen: u64,
    /// Requests that it has not answered yet.
    pub sessions: u64,
}

impl Stat {
    /// Whether it gets requests.
    #[must_use]
    pub fn is_used(&self) -> bool {
        (self.status.starts_with("UP") || self.status == "no check") && self.weight > 0
    }
}

fn run(hub: &Namespace, folder: &Path, config: &Path) -> anyhow::Result<Process> {
    Process::start(hub, launch(folder, config, &[])?)
}

fn launch(folder: &Path, config: &Path, further: &[String]) -> anyhow::Result<Launch> {
    let mut args = vec!["-db".into(), "-f".into(), config.as_os_str().to_owned()];
    args.extend(further.iter().map(Into::into));
    Ok(Launch { program: find("haproxy")?, args, env: Vec::new(), log: folder.join("haproxy.log") })
}

/// Ordinary settings: three retries, the last one at another server, and two seconds for an answer.
fn configuration(folder: &Path, servers: u8, checks: Checks) -> String {
    let mut text = format!(
        "global\n  stats socket {}/admin.sock mode 600 level admin expose-fd listeners\n  nbthread 1\n\
         defaults\n  mode http\n  timeout connect 1s\n  timeout client 10s\n  timeout server 2s\n  retries 3\n  \
         option redispatch\n\
         frontend clients\n  bind {}\n  default_backend {BACKEND}\n\
         backend {BACKEND}\n  balance roundrobin\n",
        folder.display(),
        frontend(),
    );
    let fast = " check inter 100ms fall 2 rise 2";
    let check = match checks {
        Checks::None => String::new(),
        Checks::Default => " check".to_owned(),
        Checks::Fast => fast.to_owned(),
        Checks::Agents(port) => format!("{fast} agent-check agent-inter 200ms agent-port {port} pool-max-conn 0"),
    };
    if matches!(checks, Checks::Default | Checks::Fast) {
        text.push_str("  option httpchk GET /\n");
    }
    if matches!(checks, Checks::Fast | Checks::Agents(_)) {
        text.push_str("  timeout check 100ms\n");
    }
    for number in 1..=servers {
        let _ = writeln!(text, "  server s{number} {}:{}{check}", address(number), web::PORT);
    }
    text
}
