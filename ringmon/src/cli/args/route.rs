//! `router`, `route ...`, `drain`, `undrain`

use std::time::Duration;

use clap::{Args, Subcommand};

use super::flags::{KEYS, PoolFlags};
use crate::cli::span;
use crate::config::{Key, Typed};

/// How a pool's routes are read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = KEYS)]
pub struct SightFlags {
    #[command(flatten)]
    pub pool: PoolFlags,
    /// Databases with the same content, read when the first one does not answer; commas between them. The password is
    /// the first one's
    #[arg(long, value_name = "URL,...")]
    pub replicas: Option<String>,
    /// How often to read the whole pool: the safety net below the agents' notices [default: 1s]
    #[arg(long, value_name = "SPAN")]
    pub poll: Option<String>,
    /// Freeze the list if less than this share of the recently routed servers would be left; 0: never [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    pub panic: Option<String>,
    /// How long ago "recently" is [default: 15m]
    #[arg(long, value_name = "SPAN")]
    pub panic_window: Option<String>,
    /// A server that joins gets its share of clients in this time, starting with a tenth [default: 0s, at once]
    #[arg(long, value_name = "SPAN")]
    pub slow_start: Option<String>,
    /// UDP port for the agents' notices of changes [default: 0, any]
    #[arg(long, value_name = "PORT")]
    pub router_port: Option<String>,
}

impl SightFlags {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        self.pool.put(typed);
        for (key, given) in [
            (Key::Replicas, &self.replicas),
            (Key::Poll, &self.poll),
            (Key::Panic, &self.panic),
            (Key::PanicWindow, &self.panic_window),
            (Key::SlowStart, &self.slow_start),
            (Key::RouterPort, &self.router_port),
        ] {
            typed.flag(key, given.clone());
        }
    }
}

/// Everything that a router can be told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = KEYS)]
pub struct RouterFlags {
    #[command(flatten)]
    pub sight: SightFlags,
    /// Keep this backend in step through HAProxy's Runtime API; may be given several times
    #[arg(long, value_name = "SOCKET:BACKEND")]
    pub haproxy: Vec<String>,
    /// Add servers to HAProxy and delete them from it; off: only set those of its configuration [default: on]
    #[arg(long, value_name = "on|off")]
    pub haproxy_dynamic: Option<String>,
    /// More words for servers that are added to HAProxy, like "check inter 2s"
    #[arg(long, value_name = "WORDS")]
    pub haproxy_server: Option<String>,
    /// Shut down the sessions of a server that was found dead: clients that have sent it a request get an error at
    /// once, and clients that are still connecting are not sent to another server, as HAProxy's redispatch would do
    /// [default: off]
    #[arg(long, value_name = "on|off")]
    pub haproxy_shutdown: Option<String>,
    /// Keep a file for Prometheus' file_sd_configs
    #[arg(long, value_name = "FILE")]
    pub file_sd: Option<String>,
    /// Make a file from a template whenever the list changes
    #[arg(long, value_name = "TEMPLATE:FILE")]
    pub template: Option<String>,
    /// First ask this command whether the file is good; {} is its path
    #[arg(long, value_name = "COMMAND")]
    pub template_check: Option<String>,
    /// Then run this command to have the file read
    #[arg(long, value_name = "COMMAND")]
    pub template_reload: Option<String>,
    /// Run this command whenever the list changes, with the list as JSON on its standard input
    #[arg(long, value_name = "COMMAND")]
    pub hook: Option<String>,
    /// The port of servers without one (--route-port of their agents)
    #[arg(long, value_name = "PORT")]
    pub default_port: Option<String>,
    /// Where /routes, /http_sd, /v3/discovery:endpoints and /metrics are served; off: nowhere [default: 127.0.0.1:7465]
    #[arg(long, value_name = "ADDR")]
    pub router_http: Option<String>,
    /// Where the last list is kept, for a start while the database is away [default: /var/lib/ringmon]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
}

impl RouterFlags {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        self.sight.put(typed);
        typed.flag(Key::Haproxy, (!self.haproxy.is_empty()).then(|| self.haproxy.join(",")));
        for (key, given) in [
            (Key::HaproxyDynamic, &self.haproxy_dynamic),
            (Key::HaproxyServer, &self.haproxy_server),
            (Key::HaproxyShutdown, &self.haproxy_shutdown),
            (Key::FileSd, &self.file_sd),
            (Key::Template, &self.template),
            (Key::TemplateCheck, &self.template_check),
            (Key::TemplateReload, &self.template_reload),
            (Key::Hook, &self.hook),
            (Key::DefaultPort, &self.default_port),
            (Key::RouterHttp, &self.router_http),
            (Key::StateDir, &self.state_dir),
        ] {
            typed.flag(key, given.clone());
        }
    }
}

/// `route ...`
#[derive(Clone, Debug, Subcommand)]
pub enum RouteCommand {
    /// Every server, and whether clients are sent there; exit code 1 if no server is routed
    List {
        /// Only ADDRESS:PORT of the routed servers, one a line
        #[arg(long, conflicts_with = "json")]
        plain: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        sight: Box<SightFlags>,
    },
    /// One server at random, by the weights, for a client to go to; exit code 1 if no server is routed
    Pick {
        /// This many, one a line; the same one may come twice
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        sight: Box<SightFlags>,
    },
    /// The list now, and then each change of it, until interrupted
    Watch {
        /// One JSON line each: the whole list
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        sight: Box<SightFlags>,
    },
}

impl RouteCommand {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        match self {
            Self::List { sight, .. } | Self::Pick { sight, .. } | Self::Watch { sight, .. } => sight.put(typed),
        }
    }
}

/// `drain`
#[derive(Clone, Debug, Args)]
pub struct DrainArgs {
    /// Which server
    pub name: String,
    /// Wait until nobody is connected to the server's route port any more (if this is the server), but at most this
    /// long
    #[arg(long, value_name = "SPAN", num_args = 0..=1, default_missing_value = "30s", value_parser = span::parse)]
    pub wait: Option<Duration>,
    #[command(flatten)]
    pub pool: PoolFlags,
}

/// The end of `ringmon router --help`.
pub const ROUTER_EXAMPLES: &str = "\
Examples:
  ringmon router --pool web --haproxy /run/haproxy/admin.sock:web
  ringmon router --pool web --file-sd /etc/prometheus/web.json
  ringmon router --pool web --template /etc/ringmon/web.j2:/etc/nginx/conf.d/web.conf \\
      --template-check 'nginx -t' --template-reload 'systemctl reload nginx'
  ringmon router --pool web --replicas mysql://ringmon_reader@replica.example/ringmon

A server is routed while it is on the ring, does not drain, and its service does not fail. Two votes take it out, and
one if nobody is on record as hearing it.
docs/routing.md has what each consumer is told, and when.";
