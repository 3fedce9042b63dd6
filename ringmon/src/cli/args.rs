//! The flags. Names are a contract: others script against them.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::config::{Key, Typed, parse};

/// What stands under `ringmon --help`.
const EXAMPLES: &str = "\
Examples:
  ringmon init --database-url mysql://ringmon@db.example/ringmon --pool web
  ringmon agent --pool web --interface eth0 --database-url mysql://ringmon@db.example/ringmon
  ringmon status
  ringmon ring show --pool web
  ringmon pool set --pool web quorum=single agent_timeout=5s

Every option can also be said in the configuration file (as pool, database_url, ...) and in the
environment (RINGMON_POOL, RINGMON_DATABASE_URL). Flags outweigh the environment, the environment the file.
Passwords come from a file (--database-password-file) or from RINGMON_DATABASE_PASSWORD.

Exit codes: 0 ok, 1 not healthy, 2 usage, 69 unavailable, 70 unexpected, 77 no permission, 78 configuration.";

/// Failure detection for server pools: each server probes its two buddies on a ring, in the kernel, and the pool's table
/// loses a dead one within a fraction of a second.
#[derive(Debug, Parser)]
#[command(name = "ringmon", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// Read this configuration file [default: /etc/ringmon/ringmon.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log to stderr from this level on: error, warn, info, debug, trace, or a filter like ringmon=debug [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch this server's two buddies, and be watched
    ///
    /// Joins the pool's ring at a random place, probes both buddies, and takes those out of the table who fell silent. Needs
    /// root, or the capabilities BPF, NET_ADMIN, NET_RAW and PERFMON. SIGTERM makes it leave the ring and end.
    #[command(after_help = AGENT_EXAMPLES)]
    Agent(Box<AgentFlags>),
    /// What the agent on this server sees: its buddies, its watches, the database
    ///
    /// Exit code 1 if it is not a member of its ring just now, 69 if no agent answers.
    Status(StatusArgs),
    /// The configuration, from all layers together
    #[command(subcommand)]
    Config(ConfigCommand),
}

const AGENT_EXAMPLES: &str = "\
Examples:
  ringmon agent --pool web --interface eth0
  ringmon agent --pool web --address 10.0.0.7 --profile fast --events /var/log/ringmon.jsonl
  RINGMON_MODE=observe ringmon agent --pool web      look and tell, remove nobody";

/// Where the pool's tables are.
#[derive(Clone, Debug, Default, Args)]
pub struct PoolFlags {
    /// The pool
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
    /// Where the tables are: mysql://USER@HOST/DATABASE or sqlite:///PATH [default: sqlite:///var/lib/ringmon/ringmon.db]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// A file with nothing but the database's password in it
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<String>,
}

impl PoolFlags {
    fn put(&self, typed: &mut Typed) {
        typed.flag(Key::Pool, self.pool.clone());
        typed.flag(Key::DatabaseUrl, self.database_url.clone());
        typed.flag(Key::DatabasePasswordFile, self.database_password_file.clone());
    }
}

/// Everything an agent can be told.
#[derive(Clone, Debug, Default, Args)]
pub struct AgentFlags {
    #[command(flatten)]
    pub pool: PoolFlags,
    /// This server's name, unique in the pool [default: the host name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The interface to probe through [default: the only one with an IPv4 address]
    #[arg(long, value_name = "IF")]
    pub interface: Option<String>,
    /// This server's address on it [default: its only IPv4 address]
    #[arg(long, value_name = "IP")]
    pub address: Option<String>,
    /// How fast to probe: every second, 20 ms, 10 ms or 3.3 ms [default: default]
    #[arg(long, value_parser = PossibleValuesParser::new(parse::words(parse::PROFILES)))]
    pub profile: Option<String>,
    /// Where probes are answered [default: auto]
    #[arg(long, value_parser = PossibleValuesParser::new(parse::words(parse::DATAPATHS)))]
    pub datapath: Option<String>,
    /// observe: vote, tell, but remove nobody [default: act]
    #[arg(long, value_parser = PossibleValuesParser::new(parse::words(parse::MODES)))]
    pub mode: Option<String>,
    /// Append one JSON line for each transition to this file; - is the standard output
    #[arg(long, value_name = "FILE|-")]
    pub events: Option<String>,
    /// Where /metrics, /status, /healthz and /readyz are served; off: nowhere [default: 127.0.0.1:7464]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// Where the buddy list is kept [default: /var/lib/ringmon]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// On SIGTERM: leave the ring, or keep the place for a restart [default: leave]
    #[arg(long, value_parser = PossibleValuesParser::new(parse::words(parse::ON_STOPS)))]
    pub on_stop: Option<String>,
    /// UDP port for notices between agents [default: 7464]
    #[arg(long, value_name = "PORT")]
    pub notice_port: Option<String>,
    /// Where clients are to go, if not to the address
    #[arg(long, value_name = "IP")]
    pub route_address: Option<String>,
    /// The port clients are to use
    #[arg(long, value_name = "PORT")]
    pub route_port: Option<String>,
    /// Share of clients, relative to the other servers' [default: 100]
    #[arg(long, value_name = "N")]
    pub weight: Option<String>,
    /// Real-time priority for the sender [default: on]
    #[arg(long, value_name = "on|off")]
    pub realtime: Option<String>,
    /// Differentiated services code point of probes [default: 48, which is CS6]
    #[arg(long, value_name = "0-63")]
    pub dscp: Option<String>,
    /// Debug lines of the BPF programs in the log [default: off, which costs nothing]
    #[arg(long, value_parser = PossibleValuesParser::new(parse::words(parse::BPF_LOGS)))]
    pub bpf_log: Option<String>,
}

impl AgentFlags {
    fn put(&self, typed: &mut Typed) {
        self.pool.put(typed);
        for (key, given) in [
            (Key::Name, &self.name),
            (Key::Interface, &self.interface),
            (Key::Address, &self.address),
            (Key::Profile, &self.profile),
            (Key::Datapath, &self.datapath),
            (Key::Mode, &self.mode),
            (Key::Events, &self.events),
            (Key::Http, &self.http),
            (Key::StateDir, &self.state_dir),
            (Key::OnStop, &self.on_stop),
            (Key::NoticePort, &self.notice_port),
            (Key::RouteAddress, &self.route_address),
            (Key::RoutePort, &self.route_port),
            (Key::Weight, &self.weight),
            (Key::Realtime, &self.realtime),
            (Key::Dscp, &self.dscp),
            (Key::BpfLog, &self.bpf_log),
        ] {
            typed.flag(key, given.clone());
        }
    }
}

/// `status`
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Where the agent's HTTP is [default: 127.0.0.1:7464]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// Print what the agent answers, as JSON
    #[arg(long)]
    pub json: bool,
}

/// `config ...`
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether an agent could start with it; exit code 78 if not
    Check(Box<AgentFlags>),
    /// Print it; passwords are hidden
    Show {
        #[command(flatten)]
        flags: Box<AgentFlags>,
        /// And who said each value
        #[arg(long)]
        origin: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// The layer of the flags.
    pub fn typed(&self) -> Typed {
        let mut typed = Typed::default();
        typed.flag(Key::Log, self.log.clone());
        match &self.command {
            Command::Agent(flags)
            | Command::Config(ConfigCommand::Check(flags) | ConfigCommand::Show { flags, .. }) => flags.put(&mut typed),
            Command::Status(args) => typed.flag(Key::Http, args.http.clone()),
        }
        typed
    }
}
