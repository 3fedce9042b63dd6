use std::path::Path;

use super::super::layers::parse_file;
use super::super::near::nearest;
use super::super::url::{all_redacted, redacted};
use super::super::{Entry, Key, Origin, Typed, agent};
use super::{machine, typed};
use crate::show::{ErrorKind, HasKind as _};

/// The error about a file with this text.
fn about_file(text: &str) -> String {
    parse_file(Path::new("r.toml"), text).unwrap_err().to_string()
}

/// The error about these values, in addition to a pool.
fn about(pairs: &[(&str, &str)]) -> String {
    let mut pairs = pairs.to_vec();
    pairs.push(("pool", "p"));
    agent(&typed(&pairs), &machine()).unwrap_err().to_string()
}

#[test]
fn mistakes_in_a_file_name_the_line() {
    for (text, said) in [
        ("pool = \"p\"\nprofil = \"fast\"\n", "r.toml, line 2: unknown key \"profil\"; did you mean \"profile\"?"),
        ("database-url = \"x\"\n", "r.toml, line 1: unknown key \"database-url\"; did you mean \"database_url\"?"),
        ("zebra = 1\n", "r.toml, line 1: unknown key \"zebra\""),
        ("\n[pool]\n", "r.toml, line 2: pool takes one value, not a table"),
        ("pool = [\"a\"]\n", "r.toml, line 1: pool takes one value, not a list"),
        (
            "database_password = \"x\"\n",
            "r.toml, line 1: the password does not belong here; put it into a file of its own and name it with \
             database_password_file, or set RINGMON_DATABASE_PASSWORD",
        ),
    ] {
        assert_eq!(about_file(text), said);
    }
    assert!(about_file("pool = \"p\"\npool = \"q\"\n").starts_with("r.toml, line 2: duplicate key"));
    assert!(about_file("pool = \n").starts_with("r.toml, line 1: "));
}

#[test]
fn values_that_mean_nothing_are_told_with_what_would() {
    for (key, text, said) in [
        ("profile", "fats", "it must be one of gentle, default, fast, turbo; did you mean \"fast\"?"),
        ("datapath", "socket", "it must be one of auto, xdp-native, xdp-generic, tc"),
        ("mode", "on", "it must be one of act, observe"),
        ("on_stop", "leaves", "it must be one of leave, stay; did you mean \"leave\"?"),
        ("drain", "soon", "it must be a length of time up to 1d, like 30s, or 0 for no waiting"),
        ("drain", "2d", "it must be a length of time up to 1d, like 30s, or 0 for no waiting"),
        ("check_interval", "1ms", "it must be a length of time from 100ms to 1h, like 2s"),
        ("check_timeout", "0", "it must be a length of time from 10ms to 1h, like 500ms"),
        ("check_timeout", "3s", "it must not be longer than check_interval, which is 2s"),
        ("check_rise", "0", "it must be a whole number from 1 to 100"),
        ("check_fall", "x", "it must be a whole number from 1 to 100"),
        ("check_need", "al", "it must be one of all, any; did you mean \"all\"?"),
        (
            "check",
            "https://127.0.0.1/",
            "https is not checked: let the service answer plain http on the loopback, \
             or check with exec: and a program that knows TLS",
        ),
        (
            "check",
            ";",
            "it must be tcp:ADDRESS:PORT, http://ADDRESS:PORT/PATH, exec:/PROGRAM ARGUMENT... or systemd:UNIT",
        ),
        ("check", "exec:/a; systemd:", "of \"systemd:\": it must name a unit, like systemd:nginx.service"),
        ("check", "exec:/a;exec:/a", "\"exec:/a\" is said twice"),
        ("notice_port", "0", "it must be a whole number from 1 to 65535"),
        ("notice_port", "x", "it must be a whole number from 1 to 65535"),
        ("dscp", "64", "it must be a whole number from 0 to 63"),
        ("realtime", "maybe", "it must be one of on, off"),
        ("record", "", "it must be a path"),
        ("record_limit", "lots", "it must be a size from 1MiB to 8GiB, in KiB, MiB or GiB, like 64MiB"),
        ("record_limit", "64", "it must be a size from 1MiB to 8GiB, in KiB, MiB or GiB, like 64MiB"),
        ("record_limit", "+1GiB", "it must be a size from 1MiB to 8GiB, in KiB, MiB or GiB, like 64MiB"),
        ("record_limit", "1023KiB", "it must be a size from 1MiB to 8GiB, in KiB, MiB or GiB, like 64MiB"),
        (
            "record_limit",
            "99999999999999999999GiB",
            "it must be a size from 1MiB to 8GiB, in KiB, MiB or GiB, like 64MiB",
        ),
        ("agent_check", "here", "it must be a port, or an address and a port like 10.0.0.1:7466, or off"),
        ("agent_check", "0", "it must be a port, or an address and a port like 10.0.0.1:7466, or off"),
        ("http", "7464", "it must be an address and a port, like 127.0.0.1:7464, or off"),
        ("address", "host", "it must be an IP address, like 192.0.2.7"),
        ("name", "a b", "it must be 1 to 64 letters, digits, and . _ - : @"),
        ("database_url", "postgres://h/d", "its scheme is unknown; sqlite, mysql and mariadb are"),
        ("interface", "eth9", "this machine has no such interface; it has eth0, eth1, lo, tap0"),
    ] {
        let origin = format!("environment RINGMON_{}", key.to_uppercase());
        let mut pairs = vec![(key, text)];
        if !["interface", "address"].contains(&key) {
            pairs.push(("interface", "eth0"));
        }
        assert_eq!(about(&pairs), format!("{key} is {text:?} ({origin}): {said}"));
    }
}

#[test]
fn a_place_that_is_not_clear_is_asked_for() {
    let ask = |key: &str, why: &str| {
        let flag = key.replace('_', "-");
        let env = key.to_uppercase();
        format!("{key} is not set: say --{flag}, RINGMON_{env}, or {key} = \"...\" in the configuration file ({why})")
    };
    assert_eq!(about(&[]), ask("interface", "it can be any of eth0, eth1"));
    assert_eq!(about(&[("interface", "tap0")]), ask("address", "the interface tap0 has no IPv4 address"));
    assert_eq!(about(&[("address", "192.0.2.8")]), ask("interface", "no interface has the address 192.0.2.8"));
    assert_eq!(
        about(&[("interface", "eth0"), ("address", "192.0.2.8")]),
        "address is \"192.0.2.8\" (environment RINGMON_ADDRESS): \
         the interface eth0 does not have that address; it has 192.0.2.7"
    );
}

#[test]
fn the_pool_must_be_said() {
    let error = agent(&typed(&[]), &machine()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pool is not set: say --pool, RINGMON_POOL, or pool = \"...\" in the configuration file"
    );
}

#[test]
fn a_mistake_on_the_command_line_is_one_of_usage_and_elsewhere_one_of_configuration() {
    let by = |key: Key, text: &str, origin: Origin| {
        let mut said = Typed::default();
        said.set(key, Entry { text: text.to_owned(), origin });
        agent(&said.over(typed(&[("pool", "p"), ("interface", "eth0")])), &machine()).unwrap_err().kind()
            == ErrorKind::Usage
    };
    assert!(by(Key::Dscp, "64", Origin::Flag("--dscp".to_owned())));
    assert!(!by(Key::Dscp, "64", Origin::Env("RINGMON_DSCP".to_owned())));
    assert!(!by(Key::Interface, "eth9", Origin::Flag("--interface".to_owned())), "well said, but not on this machine");
}

#[test]
fn an_empty_password_file_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "\n").unwrap();
    let path = file.path().display().to_string();
    let said = about(&[("interface", "eth0"), ("database_url", "mysql://u@h/d"), ("database_password_file", &path)]);
    assert!(said.contains(&path) && said.ends_with("it is empty"), "{said}");
}

#[test]
fn a_password_file_that_is_not_there_is_named() {
    let said =
        about(&[("interface", "eth0"), ("database_url", "mysql://u@h/d"), ("database_password_file", "/nowhere/pw")]);
    assert_eq!(
        said,
        "database_password_file is \"/nowhere/pw\" (environment RINGMON_DATABASE_PASSWORD_FILE): cannot read that \
         file: No such file or directory (os error 2)"
    );
}

#[test]
fn a_url_is_shown_without_its_password() {
    for (url, shown) in [
        ("mysql://u:secret@h:3306/d?ssl-mode=required", "mysql://u:***@h:3306/d?ssl-mode=required"),
        ("mysql://u:se@cr/et@h/d", "mysql://u:***@h/d"),
        ("mysql://u:@h/d", "mysql://u:***@h/d"),
        ("mysql://u@h/d", "mysql://u@h/d"),
        ("sqlite:///a/b@c.db", "sqlite:///a/b@c.db"),
        ("nonsense", "nonsense"),
        ("mysql://u:se?cret@h/d", "mysql://u:***@h/d"),
        ("mysql://u%3Asecret@h/d", "mysql://u:***@h/d"),
        ("mysql://u@h/d?password=secret", "mysql://***"),
        ("u:secret@h/d", "***"),
        ("mysql:u:secret@h/d", "***"),
        ("mysql://u:secret.h/d", "mysql://***"),
        ("mysql://u:se/cret%40h/d", "mysql://***"),
        ("mysql://u@h/d?pwd=secret", "mysql://***"),
        ("mysql://u@h:3306/d?ssl-ca=/etc/ca@corp.pem", "mysql://u@h:3306/d?ssl-ca=/etc/ca@corp.pem"),
        ("mysql://u:secret@[fd00::1]:3306/d", "mysql://u:***@[fd00::1]:3306/d"),
        ("mysql://h/d,mysql://u:secret@h/d", "mysql://h/d,mysql:***@h/d"),
    ] {
        assert_eq!(redacted(url), shown);
        assert!(!all_redacted(&format!("mysql://h/d,{url}")).contains("secret"), "{url}");
    }
}

#[test]
fn near_misses() {
    let keys = || Key::ALL.iter().map(|key| key.name());
    for (typed, meant) in [
        ("intreface", Some("interface")),
        ("adress", Some("address")),
        ("DATABASE_URL", Some("database_url")),
        ("htpt", Some("http")),
        ("zebra", None),
        ("", None),
    ] {
        assert_eq!(nearest(typed, keys()), meant, "{typed}");
    }
}
