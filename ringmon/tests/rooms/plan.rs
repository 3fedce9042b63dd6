//! The plan of the house, as ARCHITECTURE.md has it in words.

/// Rooms of the agent's crate, and the rooms that they may import besides themselves.
///
/// The core is a crate of its own, and everyone may import it.
pub const ARROWS: &[(&str, &[&str])] = &[
    ("show", &[]),
    ("disk", &[]),
    ("clock", &[]),
    ("supervisor", &[]),
    ("datapath", &["show", "clock"]),
    ("store", &["show", "disk"]),
    ("notice", &["show"]),
    ("route", &["show", "disk"]),
    ("record", &["show"]),
    ("observe", &["show"]),
    ("service", &["show"]),
    ("config", &["show", "observe", "route", "service", "store"]),
    ("router", &["show", "disk", "clock", "supervisor", "store", "notice", "route", "observe", "config"]),
    (
        "agent",
        &[
            "show",
            "disk",
            "clock",
            "supervisor",
            "datapath",
            "store",
            "notice",
            "route",
            "record",
            "observe",
            "service",
            "config",
        ],
    ),
    (
        "cli",
        &["show", "datapath", "store", "notice", "route", "record", "observe", "service", "config", "agent", "router"],
    ),
];

/// What only some rooms may name, tests aside: an agent has no use for a simulator.
pub const SHARED: &[(&str, &[&str])] = &[("ringmon_sim::recording", &["record", "cli"]), ("ringmon_sim", &["cli"])];

/// What belongs to one room alone, tests included.
pub const OWNED: &[(&str, &str)] = &[
    ("aya", "datapath"),
    ("aya_log", "datapath"),
    ("rtnetlink", "datapath"),
    ("sea_orm", "store"),
    ("sea_orm_migration", "store"),
    ("sea_query_sqlx", "store"),
    ("sqlx", "store"),
    ("rustls", "store"),
    ("minijinja", "route"),
    ("shlex", "route"),
    ("axum", "observe"),
    ("prometheus_client", "observe"),
    ("procfs", "observe"),
    ("x509_parser", "observe"),
    ("zbus", "service"),
    ("rustix", "service"),
    ("netlink_packet_core", "service"),
    ("netlink_packet_sock_diag", "service"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("anstream", "cli"),
    ("signal_hook", "cli"),
    ("tracing_journald", "cli"),
    ("sd_notify", "supervisor"),
    ("plotters", "cli"),
];

/// What the core never touches, tests aside: it would no longer be a function of its inputs.
///
/// The compiler keeps sockets, files, clocks and threads out: there is no `std` for it. The rest is there without one.
pub const IMPURE: &[&str] = &["std", "core::arch", "core::future", "core::sync", "core::task", "alloc::task"];

/// Crates that the core is built on. Another one could bring a clock or a random source along.
pub const BELOW_CORE: &[&str] = &["libm", "ringmon-common", "serde", "serde_json"];

/// What is there for the simulator and for tests.
///
/// The first is the switch that takes a rule of removal out, the second a table that is a map.
pub const SIMULATION: &[&str] = &["Without::rules", "virtual_table"];
