//! The commands. Their names are a contract: users script against them.

mod config;
mod flags;
mod pool;
mod ring;
mod route;
mod sim;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::span;
use crate::config::{Key, Typed};
pub use config::{ConfigCommand, Program};
use flags::{AgentFlags, KEYS, PoolFlags, word};
pub use pool::PoolCommand;
pub use ring::RingCommand;
use ringmon_core::row::Quorum;
pub use route::RouteCommand;
use route::{DrainArgs, ROUTER_EXAMPLES, RouterFlags};
use sim::SIM_EXAMPLES;
pub use sim::{Play, SimArgs};

/// The end of `ringmon --help`.
const EXAMPLES: &str = "\
Examples:
  ringmon init --database-url mysql://ringmon_admin@db.example/ringmon --pool web
  ringmon agent --pool web --interface eth0 --database-url mysql://ringmon_agent@db.example/ringmon
  ringmon status
  ringmon ring show --pool web
  ringmon pool set --pool web quorum=single agent_timeout=5s
  ringmon pool rotate-key --pool web

Options under \"Configuration\" can also be given in the configuration file (as pool, database_url, ...)
and in the environment (RINGMON_POOL, RINGMON_DATABASE_URL). Flags win over the environment, the
environment over the file.
Passwords come from a file (--database-password-file) or from RINGMON_DATABASE_PASSWORD.

Exit codes: 0 ok, 1 not healthy, 2 usage, 65 damaged data, 69 unavailable, 70 unexpected, 77 no permission,
78 configuration.";

/// Failure detection for server pools: each server probes its two buddies on a ring, in the kernel, and the pool's
/// table loses a dead server within a fraction of a second.
#[derive(Debug, Parser)]
#[command(name = "ringmon", version, long_version = super::version::text())]
#[command(after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// Read this configuration file [default: /etc/ringmon/ringmon.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log to stderr from this level on: error, warn, info, debug, trace, or a filter like ringmon=debug [default:
    /// info]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = KEYS)]
    pub log: Option<String>,
    /// How log lines are written: auto (text, or the journal's fields under systemd), text, json [default: auto]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = KEYS)]
    pub log_format: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the tables, the pool and its key; what exists stays as it is
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Watch this server's two buddies, and be watched
    ///
    /// Joins the pool's ring at a random place, probes both buddies, and removes servers that no longer answer. Needs
    /// root, or the capabilities BPF, NET_ADMIN, NET_RAW and PERFMON, and SYS_NICE for real-time priority. SIGTERM
    /// makes it leave the ring and end; if it was told its --route-port, it leaves the routes first. docs/service.md
    /// says what checks of the service do, and what a clean shutdown does.
    #[command(after_help = AGENT_EXAMPLES)]
    Agent(Box<AgentFlags>),
    /// What the agent on this server sees: its buddies, its watches, the database
    ///
    /// Exit code 1 if it is not a member of its ring now or hears nobody there, 69 if no agent answers.
    Status(StatusArgs),
    /// Make the agent on this server read its configuration again
    ///
    /// Obeyed at once: log, events, on_stop, drain, and all of check. It says what needs another start. The database's
    /// password and CA are read at each login anyway. The same as SIGHUP. Exit code 78 if the configuration is no good:
    /// then the old one stays.
    Reload(LocalArgs),
    /// Stop the agent on this server, as its on_stop says or as is said here
    ///
    /// Waits until it has ended. The same as SIGTERM; with --stay SIGUSR1, with --leave SIGUSR2. Under systemd,
    /// `systemctl stop ringmon-agent` does as on_stop says.
    Stop(StopArgs),
    /// The ring, as the table has it
    #[command(subcommand)]
    Ring(RingCommand),
    /// What happened in the pool, from the table
    Events(EventsArgs),
    /// Take servers out of the ring; the two buddies of each become each other's
    ///
    /// It does not matter whether a server lives. Its agent, if it has one, notices and stays out until it is started
    /// again. A server that is shut down cleanly leaves by itself. If every server of a pool is gone for good, this
    /// makes room for new ones.
    #[command(visible_alias = "remove")]
    Leave {
        /// Which servers
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        pool: PoolFlags,
    },
    /// Send no new clients to a server; it stays on the ring
    ///
    /// Routers take it out within a moment; open connections go on. The drain lasts until `ringmon undrain`, also over
    /// restarts and reboots of the server.
    Drain(DrainArgs),
    /// Send clients to the server again
    Undrain {
        /// Which server
        name: String,
        #[command(flatten)]
        pool: PoolFlags,
    },
    /// Keep routing servers in step with the pool: HAProxy, Envoy, Prometheus, nginx or anything else by a template, a
    /// hook
    ///
    /// Only reads the table, from the database or its replicas; the agents tell it of every change; it needs no
    /// privileges. While no database answers, the routes stay as they are.
    #[command(after_help = ROUTER_EXAMPLES)]
    Router(Box<RouterFlags>),
    /// Which servers clients may go to: for scripts and clients; only reads
    #[command(subcommand)]
    Route(RouteCommand),
    /// Pools, their rules (which no agent can weaken) and their keys
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Simulate a failure with thousands of servers
    ///
    /// The real decision core runs with a simulated clock, network and table. It needs no privileges and touches
    /// nothing. Exit code 1 if an outcome is not the right one for the scenario.
    #[command(after_help = SIM_EXAMPLES)]
    Sim(SimArgs),
    /// What a recorded agent decided, and why
    ///
    /// An agent that is started with --record writes down everything that its decision core is told. This runs the core
    /// on it again and prints each decision with its evidence, in the order of time. It needs no agent, no database and
    /// no privileges. Several files are one recording; a folder is all recordings in it, which must be of one server.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// What a word of ringmon's means, and what to do: an event, a state, a reason, a metric, an exit code
    ///
    /// Without a word it lists them all. Needs nothing: no database, no agent, no privileges.
    Explain {
        /// Such as down, member, too_young, ringmon_held_total or 69
        word: Option<String>,
    },
    /// The configuration, from all layers together
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a shell's completions: for packages, and for `source <(ringmon completions bash)`
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder, one for each command
    Man {
        /// The folder; it is made if it is missing
        dir: PathBuf,
    },
}

const INIT_EXAMPLES: &str = "\
Examples:
  ringmon init --pool lab                            an embedded database, for one machine
  ringmon init --pool web --database-url mysql://ringmon_admin@db.example/ringmon
  ringmon init --pool web --quorum single            one buddy's report removes a server
  ringmon init --pool web --database-url mysql://ringmon_admin@db.example/ringmon --print-grants";

const AGENT_EXAMPLES: &str = "\
Examples:
  ringmon agent --pool web --interface eth0
  ringmon agent --pool web --address 10.0.0.7 --profile fast --events /var/log/ringmon.jsonl
  ringmon agent --pool web --route-port 80 --check http://127.0.0.1/healthz --drain 30s
  RINGMON_MODE=observe ringmon agent --pool web      watch and report, remove no server";

const REPLAY_EXAMPLES: &str = "\
Examples:
  ringmon agent --pool web --record /var/lib/ringmon/flight      record, at most 64 MiB of it (--record-limit)
  ringmon replay /var/lib/ringmon/flight                         every decision, from the oldest file on
  ringmon replay /var/lib/ringmon/flight --why n3                why was n3 removed? What led to it, and in words
  ringmon replay n1-*.rec --from 11:03:00 --until 11:04:00       a minute of the recording's day, in UTC
  ringmon replay n1-*.rec --check                                does this version come to the same decisions?
  ringmon replay n1-*.rec --json | jq 'select(.what == \"down\")'

Each line has the time, the milliseconds since the first line, what happened, to whom, and from what evidence.
`asks` and `table` are operations on the server table: what was asked for, and what they saw and came to.

Exit codes: 0 ok (a file that ends within its last record, as after a kill, is mentioned and no error),
1 --check found another outcome or --why nothing to tell, 2 usage, 65 a damaged file or none of ringmon's
(what can be is replayed), 78 recorded by another version in a form that this one cannot read.";

/// `replay`
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Recordings, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only what led to the last removal, or suspicion, of this server; at the end in plain words
    #[arg(long, value_name = "NAME")]
    pub why: Option<String>,
    /// From this moment on, in UTC: 2026-11-25T11:03:04.5Z, or 11:03:04.5 on the day the recording begins
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to this moment
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Also show what was only read from the table
    #[arg(long)]
    pub all: bool,
    /// Exit with 1 if the core does not say exactly what it said then, and print where they differ
    #[arg(long)]
    pub check: bool,
    /// One JSON line a decision
    #[arg(long)]
    pub json: bool,
}

/// `init`
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// How many witnesses a removal needs: both buddies, or a single one
    #[arg(long, value_parser = word::<Quorum>(), default_value = "both")]
    pub quorum: Quorum,
    /// Do nothing, and print the statements that make the database's users: run them after `ringmon init`, because they
    /// name its tables
    #[arg(long)]
    pub print_grants: bool,
    #[command(flatten)]
    pub pool: PoolFlags,
}

/// `events`
#[derive(Clone, Debug, Args)]
pub struct EventsArgs {
    /// How many of the newest events
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Go on with new events, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// Show nothing, and delete events that are older than this, like 30d, 12h or 90m: at least an hour
    ///
    /// A thousand at a time, so that nobody waits for it. Run it from a timer: ringmon itself deletes nothing.
    #[arg(long, value_name = "SPAN", value_parser = span::at_least_an_hour)]
    #[arg(conflicts_with_all = ["limit", "follow", "json"])]
    pub keep: Option<Duration>,
    /// One JSON line each
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub pool: PoolFlags,
}

/// A command that prints something of the table.
#[derive(Clone, Debug, Args)]
pub struct TableArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub pool: PoolFlags,
}

/// `status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub local: LocalArgs,
    /// Print what the agent answers, as JSON
    #[arg(long)]
    pub json: bool,
}

/// The agent on this server.
#[derive(Clone, Debug, Args)]
pub struct LocalArgs {
    /// Where the agent's HTTP is [default: 127.0.0.1:7464]
    #[arg(long, value_name = "ADDR", help_heading = KEYS)]
    pub http: Option<String>,
}

/// `stop`
#[derive(Clone, Debug, Args)]
pub struct StopArgs {
    /// Keep the place on the ring, for a start within the pool's agent_timeout
    #[arg(long, conflicts_with = "leave")]
    pub stay: bool,
    /// Leave the ring, after the clients
    #[arg(long)]
    pub leave: bool,
    #[command(flatten)]
    pub local: LocalArgs,
}

impl Cli {
    /// The layer of the flags.
    pub fn typed(&self) -> Typed {
        let mut typed = Typed::default();
        typed.flag(Key::Log, self.log.clone());
        typed.flag(Key::LogFormat, self.log_format.clone());
        match &self.command {
            Command::Init(InitArgs { pool, .. })
            | Command::Events(EventsArgs { pool, .. })
            | Command::Leave { pool, .. }
            | Command::Drain(DrainArgs { pool, .. })
            | Command::Undrain { pool, .. } => pool.put(&mut typed),
            Command::Ring(command) => command.put(&mut typed),
            Command::Pool(command) => command.put(&mut typed),
            Command::Router(flags) => flags.put(&mut typed),
            Command::Route(command) => command.put(&mut typed),
            Command::Agent(flags) => flags.put(&mut typed),
            Command::Config(command) => command.put(&mut typed),
            Command::Sim(_)
            | Command::Replay(_)
            | Command::Explain { .. }
            | Command::Completions { .. }
            | Command::Man { .. } => {}
            Command::Status(StatusArgs { local, .. })
            | Command::Reload(local)
            | Command::Stop(StopArgs { local, .. }) => typed.flag(Key::Http, local.http.clone()),
        }
        typed
    }
}

#[cfg(test)]
mod tests;
