//! The flags for everything that can also be in a configuration file.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::config::{DatapathChoice, Key, LogLevel, OnStop, Typed, parse};
use crate::service::Need;
use ringmon_core::row::Mode;
use ringmon_core::{Profile, Word};

/// The heading in the help above the flags that are keys of the configuration. A heading applies up to the next one, so
/// structs of such flags come last in what they are part of.
pub const KEYS: &str = "Configuration (also in a file, or as RINGMON_*)";

/// The words of an enum, still as text: the meaning of a key is read when all layers are together.
pub fn words<T: Word>() -> PossibleValuesParser {
    PossibleValuesParser::new(parse::words::<T>())
}

/// Accepts one of those words.
pub fn word<T: Word + Send + Sync>() -> impl TypedValueParser<Value = T> {
    words::<T>().try_map(|word| parse::one_of(&word))
}

/// Where the tables are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = KEYS)]
pub struct DatabaseFlags {
    /// Where the tables are: mysql://USER@HOST/DATABASE or sqlite:///PATH [default:
    /// sqlite:///var/lib/ringmon/ringmon.db]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// A file that contains only the database's password
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<String>,
}

impl DatabaseFlags {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        typed.flag(Key::DatabaseUrl, self.database_url.clone());
        typed.flag(Key::DatabasePasswordFile, self.database_password_file.clone());
    }
}

/// Which pool, and where its tables are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = KEYS)]
pub struct PoolFlags {
    /// The pool
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
    #[command(flatten)]
    pub database: DatabaseFlags,
}

impl PoolFlags {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        typed.flag(Key::Pool, self.pool.clone());
        self.database.put(typed);
    }
}

/// Everything that an agent can be told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = KEYS)]
pub struct AgentFlags {
    #[command(flatten)]
    pub pool: PoolFlags,
    /// This server's name, unique in the pool [default: the host name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The interface to probe through [default: the only one with an IPv4 address]
    #[arg(long, value_name = "IF")]
    pub interface: Option<String>,
    /// This server's address on it [default: its IPv4 address. Of several, the one that this server had before, else
    /// the one in its row, else the primary one]
    #[arg(long, value_name = "IP")]
    pub address: Option<String>,
    /// How long a start waits for the interface and the address, 0s to 1h: DHCP may not be done yet [default: 60s]
    #[arg(long, value_name = "TIME")]
    pub wait_address: Option<String>,
    /// How fast to probe: every second, 20 ms, 10 ms or 3.3 ms [default: default]
    #[arg(long, value_parser = words::<Profile>())]
    pub profile: Option<String>,
    /// Where probes are answered. auto: in the driver, else in the kernel's receive path, else (if another program has
    /// the XDP slot) at the hooks of traffic control, and the log says why [default: auto]
    #[arg(long, value_parser = words::<DatapathChoice>())]
    pub datapath: Option<String>,
    /// observe: vote and report, but remove no server [default: act]
    #[arg(long, value_parser = words::<Mode>())]
    pub mode: Option<String>,
    /// Append one JSON line for each transition to this file; - is the standard output
    #[arg(long, value_name = "FILE|-")]
    pub events: Option<String>,
    /// Record every input of the decision core into this folder, for `ringmon replay` [default: nothing is recorded]
    #[arg(long, value_name = "DIR")]
    pub record: Option<String>,
    /// How much of it to keep; the oldest is deleted first [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub record_limit: Option<String>,
    /// Where /metrics, /status, /healthz and /readyz are served; off: nowhere [default: 127.0.0.1:7464]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// Where the buddy list is kept, and the last address [default: /var/lib/ringmon]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// On SIGTERM: leave the ring, or keep the place for a restart [default: leave]
    #[arg(long, value_parser = words::<OnStop>())]
    pub on_stop: Option<String>,
    /// Start without clients: routers send none here until `ringmon undrain` [default: off, and a server that was
    /// drained stays so]
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    pub start_drained: Option<String>,
    /// A clean shutdown first tells the routers to send no new clients. Then it waits until nobody is connected to the
    /// route port any more, but at most this long; 0: it does not wait. Only with --route-port and --on-stop leave; a
    /// second signal ends the wait [default: 5s]
    #[arg(long, value_name = "SPAN")]
    pub drain: Option<String>,
    /// How to check whether this server's service works; may be given several times. A server whose service fails stays
    /// on the ring and gets no clients. tcp:127.0.0.1:80, http://127.0.0.1:80/healthz (followed by status=200-299, if
    /// 200-399 is not right), exec:/PROGRAM ARGUMENT..., or systemd:UNIT
    #[arg(long, value_name = "CHECK")]
    pub check: Vec<String>,
    /// From the start of one check to the next [default: 2s]
    #[arg(long, value_name = "SPAN")]
    pub check_interval: Option<String>,
    /// A check without a result after this time has failed, and its program is killed [default: 1s]
    #[arg(long, value_name = "SPAN")]
    pub check_timeout: Option<String>,
    /// A failing check passes again after this many passes in a row; the first result of all counts at once [default:
    /// 2]
    #[arg(long, value_name = "N")]
    pub check_rise: Option<String>,
    /// A passing check fails after this many failures in a row [default: 2]
    #[arg(long, value_name = "N")]
    pub check_fall: Option<String>,
    /// The service works if all checks pass, or if any does [default: all]
    #[arg(long, value_parser = words::<Need>())]
    pub check_need: Option<String>,
    /// UDP port for notices between agents [default: 7464]
    #[arg(long, value_name = "PORT")]
    pub notice_port: Option<String>,
    /// Where clients go, if not to the address
    #[arg(long, value_name = "IP")]
    pub route_address: Option<String>,
    /// The port for clients
    #[arg(long, value_name = "PORT")]
    pub route_port: Option<String>,
    /// Answer HAProxy's agent-checks at this port of the agent's own address, or at this address and port: ready,
    /// drain, down or maint, and the weight in per cent; for HAProxys that no router reaches [default: off]
    #[arg(long, value_name = "PORT|ADDR")]
    pub agent_check: Option<String>,
    /// Share of clients, relative to the other servers [default: 100]
    #[arg(long, value_name = "N")]
    pub weight: Option<String>,
    /// Real-time priority for the sender [default: on]
    #[arg(long, value_name = "on|off")]
    pub realtime: Option<String>,
    /// Differentiated services code point of probes [default: 48, which is CS6]
    #[arg(long, value_name = "0-63")]
    pub dscp: Option<String>,
    /// Debug lines of the BPF programs in the log [default: off, which costs nothing]
    #[arg(long, value_parser = words::<LogLevel>())]
    pub bpf_log: Option<String>,
}

impl AgentFlags {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        self.pool.put(typed);
        typed.flag(Key::Check, (!self.check.is_empty()).then(|| self.check.join("; ")));
        for (key, given) in [
            (Key::Name, &self.name),
            (Key::Interface, &self.interface),
            (Key::Address, &self.address),
            (Key::WaitAddress, &self.wait_address),
            (Key::Profile, &self.profile),
            (Key::Datapath, &self.datapath),
            (Key::Mode, &self.mode),
            (Key::Events, &self.events),
            (Key::Record, &self.record),
            (Key::RecordLimit, &self.record_limit),
            (Key::Http, &self.http),
            (Key::StateDir, &self.state_dir),
            (Key::OnStop, &self.on_stop),
            (Key::StartDrained, &self.start_drained),
            (Key::Drain, &self.drain),
            (Key::CheckInterval, &self.check_interval),
            (Key::CheckTimeout, &self.check_timeout),
            (Key::CheckRise, &self.check_rise),
            (Key::CheckFall, &self.check_fall),
            (Key::CheckNeed, &self.check_need),
            (Key::NoticePort, &self.notice_port),
            (Key::RouteAddress, &self.route_address),
            (Key::RoutePort, &self.route_port),
            (Key::AgentCheck, &self.agent_check),
            (Key::Weight, &self.weight),
            (Key::Realtime, &self.realtime),
            (Key::Dscp, &self.dscp),
            (Key::BpfLog, &self.bpf_log),
        ] {
            typed.flag(key, given.clone());
        }
    }
}
