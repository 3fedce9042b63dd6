//! A pool of servers that can be broken.

mod wait;

pub use wait::PATIENCE;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;

use crate::cells::Cells;
use crate::clock::{ms_between, now_ns};
use crate::database::{Choice, Database};
use crate::event::{Event, Tail};
use crate::folder::Folder;
use crate::network::{INTERFACE, Network, address};
use crate::process::{Launch, Process};
use crate::ring::Ring;
use crate::server::{Server, State};
use crate::turn::Turn;
use crate::view::View;

/// The name of the pool in every lab.
pub const POOL: &str = "lab";

/// What a lab consists of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The path of the ringmon binary.
    pub binary: PathBuf,
    /// The object with the pass-all program for the bridge's ports.
    pub pass: Option<PathBuf>,
    /// Which database holds the server table.
    pub database: Choice,
    /// `both` or `single`.
    pub quorum: String,
    /// Extra arguments for every agent, such as `--profile fast`.
    pub agent_args: Vec<String>,
    /// `KEY=VALUE` for `ringmon pool set`, after `init`.
    pub rules: Vec<String>,
    /// The control groups that agents run in.
    pub cells: Cells,
}

impl Options {
    /// The binary of `cargo xtask build` in `profile` (`debug`, `release`), with an SQLite file.
    #[must_use]
    pub fn built(profile: &str) -> Self {
        let target = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let target = target.canonicalize().unwrap_or(target);
        Self {
            binary: target.join(profile).join("ringmon"),
            pass: Some(target.join("bpf/pass.bpf.o")),
            database: Choice::Sqlite,
            quorum: "both".to_owned(),
            agent_args: Vec::new(),
            rules: Vec::new(),
            cells: Cells::default(),
        }
    }
}

/// The result of a `ringmon` command.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Called with every event, and the milliseconds since the last fault.
pub type Tell = dyn FnMut(&Event, f64) + Send;

/// Hears of every event.
pub struct Teller(pub Box<Tell>);

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teller")
    }
}

/// A running lab. The fields are dropped in this order: agents, database, network, folder.
#[derive(Debug)]
pub struct Lab {
    servers: BTreeMap<String, Server>,
    /// Where the server table is.
    pub database: Database,
    /// The bridge and its faults.
    pub network: Network,
    options: Options,
    events: Vec<Event>,
    view: View,
    teller: Option<Teller>,
    struck_ns: u64,
    folder: Folder,
    _turn: Turn,
}

impl Lab {
    /// A bridge, a database and an empty pool. It waits until no other lab of this process runs.
    ///
    /// # Errors
    /// Something that it needs is missing. Nothing is left behind.
    pub fn new(options: Options) -> anyhow::Result<Self> {
        for (what, file) in [("the binary", Some(&options.binary)), ("the pass-all program", options.pass.as_ref())] {
            if let Some(file) = file.filter(|file| !file.exists()) {
                bail!("{what} is not at {}: build it with `cargo xtask build`", file.display());
            }
        }
        let turn = Turn::wait();
        let folder = Folder::new()?;
        let network = Network::new(options.pass.as_deref())?;
        let database = Database::start(&options.database, network.hub(), &folder.sub("database")?)?;
        let lab = Self {
            servers: BTreeMap::new(),
            database,
            network,
            options,
            events: Vec::new(),
            view: View::default(),
            teller: None,
            struck_ns: now_ns(),
            folder,
            _turn: turn,
        };
        lab.must(&["init", "--quorum", &lab.options.quorum])?;
        if !lab.options.rules.is_empty() {
            let rules: Vec<&str> = lab.options.rules.iter().map(String::as_str).collect();
            lab.must(&[&["pool", "set"], rules.as_slice()].concat())?;
        }
        Ok(lab)
    }

    /// A lab with this many servers, called `s1` and so on, whose ring is whole.
    ///
    /// # Errors
    /// As [`Self::new`], or the ring does not become whole.
    pub fn pool(options: Options, servers: u8) -> anyhow::Result<Self> {
        let mut lab = Self::new(options)?;
        for number in 1..=servers {
            let name = format!("s{number}");
            lab.add(&name)?;
            lab.start(&name, &[])?;
        }
        lab.until_whole().context("the pool did not come up")?;
        Ok(lab)
    }

    /// Runs `ringmon` with these arguments on the hub, with this lab's database and pool.
    ///
    /// # Errors
    /// It could not be started. How it ended is in the result.
    pub fn ringmon(&self, args: &[&str]) -> anyhow::Result<Said> {
        let mut command = Command::new(&self.options.binary);
        clean(&mut command).args(args).envs(self.environment()).stdin(std::process::Stdio::null());
        let child = self
            .network
            .hub()
            .run(move || command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn())?;
        let output = child.and_then(std::process::Child::wait_with_output);
        let output = output.with_context(|| format!("cannot run ringmon {}", args.join(" ")))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) })
    }

    /// The same, but it must succeed. Returns its standard output.
    ///
    /// # Errors
    /// It failed. The error has its output.
    pub fn must(&self, args: &[&str]) -> anyhow::Result<String> {
        let said = self.ringmon(args)?;
        ensure!(said.code == 0, "ringmon {} ended with {}: {}{}", args.join(" "), said.code, said.out, said.err);
        Ok(said.out)
    }

    /// The settings with which an agent or a command finds this lab's pool.
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut environment = vec![
            ("RINGMON_POOL".into(), POOL.into()),
            ("RINGMON_DATABASE_URL".into(), self.database.url().into()),
            ("RINGMON_LOG".into(), "info".into()),
        ];
        if let Some(password) = self.database.password() {
            environment.push(("RINGMON_DATABASE_PASSWORD".into(), password.into()));
        }
        environment
    }

    /// Adds a server without an agent, plugged into the bridge.
    ///
    /// # Errors
    /// The name is taken, or the link cannot be made.
    pub fn add(&mut self, name: &str) -> anyhow::Result<()> {
        ensure!(!self.servers.contains_key(name), "there is a server {name} already");
        let number = u8::try_from(self.servers.len() + 1).context("too many servers for one lab")?;
        let namespace = self.network.plug(number)?;
        let folder = self.folder.sub(name)?;
        let tail = Tail::new(folder.join("events.jsonl"));
        let name = name.to_owned();
        let server = Server { name: name.clone(), number, namespace, state: State::New, folder, agent: None, tail };
        self.servers.insert(name, server);
        Ok(())
    }

    /// Starts the agent of this server, with the lab's arguments and these.
    ///
    /// # Errors
    /// An agent still runs there, or it cannot be started.
    pub fn start(&mut self, name: &str, further: &[&str]) -> anyhow::Result<()> {
        let environment = self.environment();
        let binary = self.options.binary.clone();
        let mut words = self.options.agent_args.clone();
        words.extend(further.iter().map(|word| (*word).to_owned()));
        let server = self.servers.get_mut(name).with_context(|| format!("there is no server {name}"))?;
        if let Some(agent) = &server.agent {
            ensure!(agent.ended().is_some(), "the agent of {name} still runs");
        }
        let place = address(server.number).to_string();
        let mut args: Vec<OsString> = vec!["agent".into()];
        for (flag, value) in [("--name", name), ("--interface", INTERFACE), ("--address", &place)] {
            args.extend([flag.into(), value.into()]);
        }
        args.extend(["--state-dir".into(), server.folder.clone().into_os_string()]);
        args.extend(["--events".into(), server.tail.path().as_os_str().to_owned()]);
        args.extend(words.into_iter().map(OsString::from));
        let launch = Launch { program: binary, args, env: environment, log: server.folder.join("agent.log") };
        let launch = self.options.cells.enter(name, launch);
        server.agent = Some(Process::start(&server.namespace, launch)?);
        server.state = State::Running;
        self.view.forget(name);
        Ok(())
    }

    /// This server.
    ///
    /// # Errors
    /// There is none with that name.
    pub fn server(&self, name: &str) -> anyhow::Result<&Server> {
        self.servers.get(name).with_context(|| format!("there is no server {name}"))
    }

    /// By name.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    /// Notes what was done to a server by other means than [`Self::strike`], and so whether it belongs on the ring.
    pub fn mark(&mut self, name: &str, state: State) {
        if let Some(server) = self.servers.get_mut(name) {
            server.state = state;
        }
    }

    /// Sends a signal to the agent of this server.
    ///
    /// # Errors
    /// It has no agent.
    pub fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        self.server(name)?.agent()?.signal(signal)
    }

    /// Kills the agent of this server and waits until it is gone. It can be started again.
    ///
    /// # Errors
    /// It has no agent, or the agent does not end.
    pub fn kill(&self, name: &str) -> anyhow::Result<()> {
        self.server(name)?.agent()?.kill().map(drop)
    }

    /// Reads what the agents said since the last call, in the order of the clock. Returns the index of the first new
    /// event.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn listen(&mut self) -> anyhow::Result<usize> {
        let begin = self.events.len();
        for server in self.servers.values_mut() {
            self.events.extend(server.new_events()?);
        }
        self.events[begin..].sort_by_key(|event| event.mono_ns);
        for event in &self.events[begin..] {
            self.view.tell(event);
            if let Some(Teller(tell)) = &mut self.teller {
                tell(event, ms_between(self.struck_ns, event.mono_ns));
            }
        }
        Ok(begin)
    }

    /// From now on `teller` hears of every event.
    pub fn on_event(&mut self, teller: Teller) {
        self.teller = Some(teller);
    }

    /// A fault begins.
    pub(crate) fn struck(&mut self, at_ns: u64) {
        self.struck_ns = at_ns;
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// A folder that is removed with the lab.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The path of the ringmon binary.
    #[must_use]
    pub fn binary(&self) -> &std::path::Path {
        &self.options.binary
    }

    /// The control groups that agents run in.
    #[must_use]
    pub fn cells(&self) -> &Cells {
        &self.options.cells
    }

    /// What the agents believe.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The ring, as it is in the table.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn ring(&self) -> anyhow::Result<Ring> {
        Ring::parse(&self.must(&["ring", "show", "--json"])?)
    }
}

/// The caller's own ringmon settings must not reach a lab.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGMON_") {
            command.env_remove(name);
        }
    }
    command
}
