//! The keys a person can set, and what was typed for them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::url::redacted;

/// Declares [`Key`] so that a key's name is written once.
macro_rules! keys {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $default:expr;)*) => {
        /// Everything that can be set. In a file a key has this name, in the environment `RINGMON_` and the name in capitals,
        /// on the command line `--` and the name with dashes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $($(#[doc = $doc])* $variant,)* }

        impl Key {
            /// All of them, in the order they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in a file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What is meant when nobody says anything; `None`: it is found out, or must be said.
            #[must_use]
            pub const fn default_text(self) -> Option<&'static str> {
                match self { $(Self::$variant => $default),* }
            }
        }
    };
}

keys! {
    /// The pool this server belongs to.
    Pool = "pool", None;
    /// This server's name, unique in the pool; the host name if not said.
    Name = "name", None;
    /// The interface probes leave and arrive on.
    Interface = "interface", None;
    /// This server's address; the interface's only IPv4 address if not said.
    Address = "address", None;
    /// Where the tables are.
    DatabaseUrl = "database_url", Some("sqlite:///var/lib/ringmon/ringmon.db");
    /// A file with the database's password in it.
    DatabasePasswordFile = "database_password_file", None;
    /// The database's password; only from the environment.
    DatabasePassword = "database_password", None;
    /// How fast to probe.
    Profile = "profile", Some("default");
    /// How to probe.
    Datapath = "datapath", Some("auto");
    /// What this agent may do.
    Mode = "mode", Some("act");
    /// Where transitions are told, one JSON line each.
    Events = "events", None;
    /// Where the flight recorder writes.
    Record = "record", None;
    /// How much it keeps.
    RecordLimit = "record_limit", Some("64MiB");
    /// Where metrics are served.
    Http = "http", Some("127.0.0.1:7464");
    /// Where the buddy list and the boot token are kept.
    StateDir = "state_dir", Some("/var/lib/ringmon");
    /// What a clean shutdown does.
    OnStop = "on_stop", Some("leave");
    /// How long connected clients have at a clean shutdown.
    Drain = "drain", Some("5s");
    /// Whether this server's service works: how to find out, with semicolons between several.
    Check = "check", None;
    /// From one check to the next.
    CheckInterval = "check_interval", Some("2s");
    /// How long one may take.
    CheckTimeout = "check_timeout", Some("1s");
    /// So many passes in a row end a failure.
    CheckRise = "check_rise", Some("2");
    /// So many failures in a row are one.
    CheckFall = "check_fall", Some("2");
    /// How many checks must pass.
    CheckNeed = "check_need", Some("all");
    /// UDP port for notices.
    NoticePort = "notice_port", Some("7464");
    /// Debug lines of the BPF programs.
    BpfLog = "bpf_log", Some("off");
    /// What is logged.
    Log = "log", Some("info");
    /// Where clients go, if not to the address.
    RouteAddress = "route_address", None;
    /// Port for clients.
    RoutePort = "route_port", None;
    /// Where HAProxy's agent-checks are answered.
    AgentCheck = "agent_check", Some("off");
    /// Share of clients.
    Weight = "weight", Some("100");
    /// Databases that a router reads when the first does not answer.
    Replicas = "replicas", None;
    /// How often a router reads the whole pool.
    Poll = "poll", Some("1s");
    /// The share of servers routed of late below which a router's list freezes.
    Panic = "panic", Some("0.5");
    /// How long ago "of late" is.
    PanicWindow = "panic_window", Some("15m");
    /// In what time a server that joins gets its share of clients.
    SlowStart = "slow_start", Some("0s");
    /// The port of servers that say none.
    DefaultPort = "default_port", None;
    /// Where a router serves its list and metrics.
    RouterHttp = "router_http", Some("127.0.0.1:7465");
    /// UDP port at which a router is told of changes.
    RouterPort = "router_port", Some("0");
    /// HAProxy's sockets and backends.
    Haproxy = "haproxy", None;
    /// Whether servers are added to HAProxy and deleted from it.
    HaproxyDynamic = "haproxy_dynamic", Some("on");
    /// Further words for servers that are added to HAProxy.
    HaproxyServer = "haproxy_server", Some("");
    /// Whether sessions of servers that were found dead are shut down.
    HaproxyShutdown = "haproxy_shutdown", Some("off");
    /// A file for Prometheus.
    FileSd = "file_sd", None;
    /// A template, and the file it makes.
    Template = "template", None;
    /// A command that says whether that file is good.
    TemplateCheck = "template_check", None;
    /// A command that makes its reader read it.
    TemplateReload = "template_reload", None;
    /// A program that is told of the list.
    Hook = "hook", None;
    /// Ask for real-time priority.
    Realtime = "realtime", Some("on");
    /// Differentiated services code point of probes.
    Dscp = "dscp", Some("48");
}

impl Key {
    /// The key of this name.
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

    /// Whether a file may set it. Passwords have a file of their own, which can be readable by fewer.
    #[must_use]
    pub fn in_file(self) -> bool {
        self != Self::DatabasePassword
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

/// Who said a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// A line of a file, counted from 1.
    File {
        /// Which file.
        path: Arc<PathBuf>,
        /// Which line.
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

/// A value as it was typed, and by whom. `Debug` shows only the latter: the text may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Word {
    /// The text.
    pub text: String,
    /// Who said it.
    pub origin: Origin,
}

impl Word {
    /// What may be shown of it, as the value of `key`.
    #[must_use]
    pub fn shown(&self, key: Key) -> String {
        if key.is_secret() {
            "***".to_owned()
        } else if key == Key::DatabaseUrl {
            redacted(&self.text)
        } else if key == Key::Replicas {
            self.text.split(',').map(redacted).collect::<Vec<_>>().join(",")
        } else {
            self.text.clone()
        }
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word(<hidden>, {})", self.origin)
    }
}

/// What was typed: any key may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed(BTreeMap<Key, Word>);

impl Typed {
    /// The lowest layer.
    #[must_use]
    pub fn defaults() -> Self {
        let word = |text: &str| Word { text: text.to_owned(), origin: Origin::Default };
        Self(Key::ALL.iter().filter_map(|&key| Some((key, word(key.default_text()?)))).collect())
    }

    /// Says a value.
    pub fn set(&mut self, key: Key, word: Word) {
        self.0.insert(key, word);
    }

    /// Says a value by flag, if it was given.
    pub fn flag(&mut self, key: Key, given: Option<String>) {
        if let Some(text) = given {
            self.set(key, Word { text, origin: Origin::Flag(key.flag()) });
        }
    }

    /// What was said for a key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Word> {
        self.0.get(&key)
    }

    /// This layer above `lower`: where both say something, this one counts.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        let mut merged = lower.0;
        merged.extend(self.0);
        Self(merged)
    }
}
