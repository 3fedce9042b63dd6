//! The keys that a person can set, and what was typed for them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::url::{all_redacted, redacted};

/// Declares [`Key`], so that a key's name is written only once.
macro_rules! keys {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $default:expr;)*) => {
        /// Everything that can be set. In a file a key has this name; in the environment it is `RINGMON_` and the name
        /// in capitals; on the command line it is `--` and the name with dashes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $($(#[doc = $doc])* $variant,)* }

        impl Key {
            /// In the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As in a file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The default value; `None`: it is found out, or must be given.
            #[must_use]
            pub const fn default_text(self) -> Option<&'static str> {
                match self { $(Self::$variant => $default),* }
            }
        }
    };
}

keys! {
    /// The name of the pool that this server belongs to.
    Pool = "pool", None;
    /// This server's name, unique in the pool; by default the host name.
    Name = "name", None;
    /// The interface for probes.
    Interface = "interface", None;
    /// This server's address; by default the interface's IPv4 address, or the one of several that it had before.
    Address = "address", None;
    /// How long a start waits for the interface and the address.
    WaitAddress = "wait_address", Some("60s");
    /// Where the tables are.
    DatabaseUrl = "database_url", Some("sqlite:///var/lib/ringmon/ringmon.db");
    /// A file that contains the database's password.
    DatabasePasswordFile = "database_password_file", None;
    /// The database's password; only from the environment.
    DatabasePassword = "database_password", None;
    /// How fast to probe.
    Profile = "profile", Some("default");
    /// Where probes are answered: in the driver or in the generic receive path.
    Datapath = "datapath", Some("auto");
    /// Whether this agent may remove servers, or only observes.
    Mode = "mode", Some("act");
    /// The file for transitions, one JSON line each.
    Events = "events", None;
    /// The folder of the flight recorder.
    Record = "record", None;
    /// How much the flight recorder keeps.
    RecordLimit = "record_limit", Some("64MiB");
    /// The address of `/metrics` and `/status`.
    Http = "http", Some("127.0.0.1:7464");
    /// The folder for the buddy list and the boot token.
    StateDir = "state_dir", Some("/var/lib/ringmon");
    /// Whether a clean shutdown leaves the ring.
    OnStop = "on_stop", Some("leave");
    /// Whether this server gets no clients until an operator says `ringmon undrain`.
    StartDrained = "start_drained", Some("off");
    /// How long connected clients have at a clean shutdown.
    Drain = "drain", Some("5s");
    /// How to check whether this server's service works; semicolons between several checks.
    Check = "check", None;
    /// From the start of one check to the next.
    CheckInterval = "check_interval", Some("2s");
    /// How long a check may take.
    CheckTimeout = "check_timeout", Some("1s");
    /// A failing check passes again after this many passes in a row.
    CheckRise = "check_rise", Some("2");
    /// A passing check fails after this many failures in a row.
    CheckFall = "check_fall", Some("2");
    /// Whether all checks must pass, or any.
    CheckNeed = "check_need", Some("all");
    /// UDP port for notices.
    NoticePort = "notice_port", Some("7464");
    /// Which debug lines of the BPF programs are logged.
    BpfLog = "bpf_log", Some("off");
    /// The level of the log.
    Log = "log", Some("info");
    /// How a line of the log is written.
    LogFormat = "log_format", Some("auto");
    /// Where clients go, if not to the address.
    RouteAddress = "route_address", None;
    /// The port for clients.
    RoutePort = "route_port", None;
    /// The address for HAProxy's agent-checks.
    AgentCheck = "agent_check", Some("off");
    /// Share of clients, relative to the other servers.
    Weight = "weight", Some("100");
    /// Databases that a router reads when the first one does not answer.
    Replicas = "replicas", None;
    /// How often a router reads the whole pool.
    Poll = "poll", Some("1s");
    /// A router's list freezes when less than this share of the recently routed servers would be left.
    Panic = "panic", Some("0.5");
    /// How long ago "recently" is.
    PanicWindow = "panic_window", Some("15m");
    /// How long it takes until a server that joins gets its share of clients.
    SlowStart = "slow_start", Some("0s");
    /// The port of servers without one.
    DefaultPort = "default_port", None;
    /// The address at which a router serves its list and metrics.
    RouterHttp = "router_http", Some("127.0.0.1:7465");
    /// A router's UDP port for notices of changes.
    RouterPort = "router_port", Some("0");
    /// HAProxy's sockets and backends, with commas between.
    Haproxy = "haproxy", None;
    /// Whether the router adds servers to HAProxy and deletes them from it.
    HaproxyDynamic = "haproxy_dynamic", Some("on");
    /// More words for servers that are added to HAProxy.
    HaproxyServer = "haproxy_server", Some("");
    /// Whether the sessions of servers that were found dead are shut down.
    HaproxyShutdown = "haproxy_shutdown", Some("off");
    /// A file for Prometheus' file_sd_configs.
    FileSd = "file_sd", None;
    /// A template, and the file that it makes.
    Template = "template", None;
    /// A command that says whether that file is good.
    TemplateCheck = "template_check", None;
    /// A command that makes its reader read it.
    TemplateReload = "template_reload", None;
    /// A program that gets each new list.
    Hook = "hook", None;
    /// Whether to ask for real-time priority.
    Realtime = "realtime", Some("on");
    /// Differentiated services code point of probes.
    Dscp = "dscp", Some("48");
}

impl Key {
    /// The key with this name in a file.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Its environment variable.
    #[must_use]
    pub fn env(self) -> String {
        format!("RINGMON_{}", self.name().to_ascii_uppercase())
    }

    /// Its flag.
    #[must_use]
    pub fn flag(self) -> String {
        format!("--{}", self.name().replace('_', "-"))
    }

    /// Whether a file may set it. A password has a file of its own, which fewer users may read.
    #[must_use]
    pub fn in_file(self) -> bool {
        self != Self::DatabasePassword
    }

    /// What stands between several values of a key that takes several.
    #[must_use]
    pub fn separator(self) -> Option<char> {
        let several = [(Self::Check, ';'), (Self::Haproxy, ','), (Self::Replicas, ',')];
        several.into_iter().find(|(key, _)| *key == self).map(|(_, mark)| mark)
    }

    /// Whether its value must never be shown.
    #[must_use]
    pub fn is_secret(self) -> bool {
        self == Self::DatabasePassword
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From no layer.
    Default,
    /// A line of a file, counted from 1.
    File {
        /// The file.
        path: Arc<PathBuf>,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value as it was typed, and where. `Debug` shows only where: the text may contain a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it was typed.
    pub text: String,
    /// Where it was typed.
    pub origin: Origin,
}

impl Entry {
    /// What may be shown of it, as the value of `key`.
    #[must_use]
    pub fn shown(&self, key: Key) -> String {
        if key.is_secret() {
            "***".to_owned()
        } else if key == Key::DatabaseUrl {
            redacted(&self.text)
        } else if key == Key::Replicas {
            all_redacted(&self.text)
        } else {
            self.text.clone()
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry(<hidden>, {})", self.origin)
    }
}

/// What was typed: any key may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed(BTreeMap<Key, Entry>);

impl Typed {
    /// The lowest layer: all defaults.
    #[must_use]
    pub fn defaults() -> Self {
        let entry = |text: &str| Entry { text: text.to_owned(), origin: Origin::Default };
        Self(Key::ALL.iter().filter_map(|&key| Some((key, entry(key.default_text()?)))).collect())
    }

    /// Sets a value.
    pub fn set(&mut self, key: Key, entry: Entry) {
        self.0.insert(key, entry);
    }

    /// Sets a value from a flag, if it was given.
    pub fn flag(&mut self, key: Key, given: Option<String>) {
        if let Some(text) = given {
            self.set(key, Entry { text, origin: Origin::Flag(key.flag()) });
        }
    }

    /// As if nobody had set it.
    pub fn unset(&mut self, key: Key) {
        let default = key.default_text().map(|text| Entry { text: text.to_owned(), origin: Origin::Default });
        drop(match default {
            Some(entry) => self.0.insert(key, entry),
            None => self.0.remove(&key),
        });
    }

    /// The value of a key, if there is one.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Entry> {
        self.0.get(&key)
    }

    /// The keys that this one and another have different values for.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Key> + 'a {
        let text = |typed: &Self, key| typed.get(key).map(|entry| entry.text.clone());
        Key::ALL.iter().copied().filter(move |&key| text(self, key) != text(other, key))
    }

    /// This layer above `lower`: where both have a value, this one's counts.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        let mut merged = lower.0;
        merged.extend(self.0);
        Self(merged)
    }
}
