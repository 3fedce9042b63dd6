use std::io::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use super::super::{DatapathChoice, EventTarget, LogLevel, OnStop, agent, database_access, warnings};
use super::super::{Entry, Key, Origin};
use super::{machine, typed};
use crate::service::{Need, Options, Steps};
use ringmon_core::Profile;
use ringmon_core::row::Mode;

#[test]
fn the_least_that_must_be_said_is_the_pool_and_the_place() {
    let config = agent(&typed(&[("pool", "p"), ("interface", "eth0")]), &machine()).unwrap();
    assert_eq!((config.pool.as_str(), config.name.as_str(), config.interface.as_str()), ("p", "host7", "eth0"));
    assert_eq!(config.address.to_string(), "192.0.2.7");
    assert_eq!(config.database.to_string(), "sqlite:///var/lib/ringmon/ringmon.db");
    assert_eq!((config.profile, config.datapath, config.mode), (Profile::Default, DatapathChoice::Auto, Mode::Act));
    assert_eq!((config.events, config.on_stop, config.bpf_log), (None, OnStop::Leave, LogLevel::Off));
    assert_eq!(config.http.map(|addr| addr.to_string()).as_deref(), Some("127.0.0.1:7464"));
    assert_eq!((config.notice_port, config.dscp, config.realtime, config.weight), (7464, 48, true, 100));
    assert_eq!((config.route_address, config.route_port, config.agent_check), (None, None, None));
    assert_eq!((config.record, config.record_limit), (None, 64 << 20));
    let (s, two) = (Duration::from_secs, NonZeroU32::new(2).unwrap());
    assert_eq!(config.drain, Some(s(5)));
    let steps = Steps { rise: two, fall: two };
    assert_eq!(config.service, Options { checks: vec![], interval: s(2), timeout: s(1), steps, need: Need::All });
}

#[test]
fn checks_are_one_text_with_semicolons() {
    let said = [
        ("pool", "p"),
        ("interface", "eth0"),
        ("check", "tcp:127.0.0.1:80; http://127.0.0.1/x status=200 ;systemd:nginx;"),
        ("check_interval", "500ms"),
        ("check_timeout", "500ms"),
        ("check_rise", "3"),
        ("check_fall", "1"),
        ("check_need", "any"),
        ("drain", "0"),
    ];
    let config = agent(&typed(&said), &machine()).unwrap();
    let checks: Vec<String> = config.service.checks.iter().map(ToString::to_string).collect();
    assert_eq!(checks, ["tcp:127.0.0.1:80", "http://127.0.0.1/x status=200", "systemd:nginx"]);
    let half = Duration::from_millis(500);
    assert_eq!((config.service.interval, config.service.timeout, config.service.need), (half, half, Need::Any));
    assert_eq!((config.service.steps.rise.get(), config.service.steps.fall.get(), config.drain), (3, 1, None));
}

#[test]
fn everything_that_is_said_is_taken() {
    let said = [
        ("pool", "p"),
        ("name", "a-1"),
        ("address", "198.51.100.8"),
        ("database_url", "mysql://ringmon@db.example/ringmon"),
        ("profile", "turbo"),
        ("datapath", "xdp-generic"),
        ("mode", "observe"),
        ("events", "-"),
        ("http", "off"),
        ("record", "/var/log/flight"),
        ("record_limit", "3GiB"),
        ("state_dir", "/run/r"),
        ("on_stop", "stay"),
        ("start_drained", "on"),
        ("notice_port", "9999"),
        ("bpf_log", "debug"),
        ("route_address", "203.0.113.9"),
        ("route_port", "80"),
        ("weight", "0"),
        ("realtime", "off"),
        ("dscp", "0"),
    ];
    let config = agent(&typed(&said), &machine()).unwrap();
    assert_eq!(config.interface, "eth1", "the one that has the address");
    assert_eq!(config.address.to_string(), "198.51.100.8");
    assert_eq!((config.profile, config.datapath), (Profile::Turbo, DatapathChoice::XdpGeneric));
    assert_eq!((config.mode, config.events, config.http), (Mode::Observe, Some(EventTarget::Stdout), None));
    assert_eq!((config.record, config.record_limit), (Some("/var/log/flight".into()), 3 << 30));
    assert_eq!((config.on_stop, config.notice_port, config.route_port), (OnStop::Stay, 9999, Some(80)));
    assert!(config.start_drained);
    assert_eq!((config.weight, config.realtime, config.dscp), (0, false, 0));
}

#[test]
fn agent_checks_are_answered_at_the_own_address_unless_another_is_said() {
    for (said, at) in [("7466", "192.0.2.7:7466"), ("0.0.0.0:7466", "0.0.0.0:7466"), ("[::1]:1", "[::1]:1")] {
        let config = agent(&typed(&[("pool", "p"), ("interface", "eth0"), ("agent_check", said)]), &machine()).unwrap();
        assert_eq!(config.agent_check.map(|at| at.to_string()).as_deref(), Some(at));
    }
}

/// The first one is the primary one. Which one it will be is settled when the agent knows which one it had.
#[test]
fn of_several_addresses_the_first_one_is_taken_until_more_is_known() {
    let said = typed(&[("pool", "p"), ("interface", "eth1"), ("agent_check", "7466")]);
    let mut config = agent(&said, &machine()).unwrap();
    let [first, second] = ["198.51.100.7", "198.51.100.8"].map(|text| text.parse().unwrap());
    assert_eq!((config.address, config.others.as_slice()), (first, [second].as_slice()));
    config.settle(second);
    assert_eq!((config.address, config.others.len()), (second, 0));
    assert_eq!(config.agent_check.map(|at| at.ip()), Some(second), "what is at the own address moves with it");
    let named = typed(&[("pool", "p"), ("interface", "eth1"), ("address", "198.51.100.8")]);
    assert_eq!(agent(&named, &machine()).unwrap().others.len(), 0, "nothing is left open");
}

#[test]
fn what_is_not_there_yet_may_come_and_a_wrong_value_will_not() {
    let may_come = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = [("pool", "p")].iter().chain(pairs).copied().collect();
        agent(&typed(&pairs), &machine()).unwrap_err().may_come()
    };
    assert!(may_come(&[("interface", "tap0")]), "it has no address yet");
    assert!(may_come(&[("interface", "eth9")]), "it is not there yet");
    assert!(may_come(&[("address", "192.0.2.8")]), "nobody has it yet");
    assert!(may_come(&[("interface", "eth0"), ("address", "192.0.2.8")]));
    assert!(!may_come(&[]), "it can be any of two");
    assert!(!may_come(&[("interface", "eth0"), ("profile", "quick")]));
    assert!(!may_come(&[("interface", "eth0"), ("wait_address", "soon")]));
}

#[test]
fn the_only_interface_is_found() {
    let mut machine = machine();
    machine.interfaces.remove("eth1");
    let config = agent(&typed(&[("pool", "p")]), &machine).unwrap();
    assert_eq!((config.interface.as_str(), config.address.to_string().as_str()), ("eth0", "192.0.2.7"));
}

#[test]
fn a_password_is_in_no_debug_output() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2").unwrap();
    let path = file.path().display().to_string();
    for said in [
        [("database_url", "mysql://u:hunter2@h/d"), ("weight", "1")],
        [("database_url", "mysql://u@h/d"), ("database_password", "hunter2")],
        [("database_url", "mysql://u@h/d"), ("database_password_file", &path)],
    ] {
        let mut said = said.to_vec();
        said.extend([("pool", "p"), ("interface", "eth0")]);
        let typed = typed(&said);
        let config = agent(&typed, &machine()).unwrap();
        assert!(!format!("{config:?} {typed:?}").contains("hunter2"));
        let shown: Vec<String> = Key::ALL.iter().filter_map(|&k| Some(typed.get(k)?.shown(k))).collect();
        assert!(!shown.concat().contains("hunter2"), "{shown:?}");
    }
}

/// Flags win over the environment, and the environment over a file's lines. What wins is seen by what is opened.
#[test]
fn a_flag_that_names_the_passwords_file_wins_over_the_environment() {
    let nowhere = |origin| Entry { text: "/nowhere/pw".to_owned(), origin };
    let line = Origin::File { path: std::sync::Arc::new("r.toml".into()), line: 1 };
    for (origin, opens) in [(Origin::Flag(Key::DatabasePasswordFile.flag()), true), (line, false)] {
        let mut typed = typed(&[("database_url", "mysql://u@h/d"), ("database_password", "x")]);
        typed.set(Key::DatabasePasswordFile, nowhere(origin));
        assert_eq!(database_access(&typed).is_err(), opens);
    }
}

#[test]
fn a_password_on_the_command_line_is_warned_of() {
    let mut typed = typed(&[]);
    assert_eq!(warnings(&typed), Vec::<String>::new());
    let origin = Origin::Flag(Key::DatabaseUrl.flag());
    typed.set(Key::DatabaseUrl, Entry { text: "mysql://u:pw@h/d".to_owned(), origin });
    let warned = warnings(&typed);
    assert!(warned.len() == 1 && warned[0].contains("--database-url") && !warned[0].contains("pw@"), "{warned:?}");
}

#[test]
fn a_password_file_that_all_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let typed = typed(&[("database_password_file", &path)]);
    assert_eq!(warnings(&typed), Vec::<String>::new());
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        warnings(&typed),
        [format!("every user of this machine can read the password in {path}; chmod o= {path}")]
    );
}
