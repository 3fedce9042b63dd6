//! From what was typed to what it means.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{Error, Problem};
use super::keys::{Entry, Key, Origin, Typed};
use super::machine::Machine;
use super::parse::{self, bad};
use super::service;
use super::{AgentConfig, DatabaseUrl, EventTarget, PoolAccess, url};
use crate::store::PasswordFile;
use ringmon_core::row::Address;

/// The value of a key that has a default or may be missing.
pub(super) fn maybe<T>(
    typed: &Typed,
    key: Key,
    parse: impl FnOnce(&str) -> Result<T, Problem>,
) -> Result<Option<T>, Error> {
    let Some(entry) = typed.get(key) else { return Ok(None) };
    parse(&entry.text).map(Some).map_err(|problem| bad(key, entry, problem))
}

/// The value of a key that has a default or must be given.
pub(super) fn must<T>(typed: &Typed, key: Key, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Result<T, Error> {
    maybe(typed, key, parse)?.ok_or_else(|| Error::Missing { key, hint: String::new() })
}

/// What every command needs that reads the tables.
///
/// # Errors
/// A key is missing or has an unknown value.
pub fn pool_access(typed: &Typed) -> Result<PoolAccess, Error> {
    Ok(PoolAccess { pool: must(typed, Key::Pool, parse::name)?, database: database_access(typed)? })
}

/// The address of `/status` and `/metrics`; `None`: they are not served.
///
/// # Errors
/// The value is unknown.
pub fn http(typed: &Typed) -> Result<Option<std::net::SocketAddr>, Error> {
    must(typed, Key::Http, parse::listen)
}

/// How long a start waits for what [`Error::may_come`].
///
/// # Errors
/// The value is unknown.
pub fn wait_address(typed: &Typed) -> Result<Duration, Error> {
    let range = Duration::ZERO..=Duration::from_secs(3600);
    must(typed, Key::WaitAddress, |text| parse::span_in(text, range, "a time from 0s to 1h, such as 60s"))
}

/// The whole configuration of an agent.
///
/// # Errors
/// A key is missing, has an unknown value, or does not fit this machine.
pub fn agent(typed: &Typed, machine: &Machine) -> Result<AgentConfig, Error> {
    let PoolAccess { pool, database } = pool_access(typed)?;
    // What may still come is told last: it is waited for, and a wrong value is not.
    let place = place(typed, machine);
    let address = place.as_ref().map_or(Ipv4Addr::UNSPECIFIED.into(), |(_, address, _)| *address);
    let config = AgentConfig {
        pool,
        database,
        name: own_name(typed, machine)?,
        interface: String::new(),
        address,
        address_said: typed.get(Key::Address).is_some(),
        others: Vec::new(),
        wait_address: wait_address(typed)?,
        notice_port: must(typed, Key::NoticePort, |text| parse::number(text, 1u16, u16::MAX))?,
        route_address: maybe(typed, Key::RouteAddress, parse::address)?,
        route_port: maybe(typed, Key::RoutePort, |text| parse::number(text, 1u16, u16::MAX))?,
        agent_check: must(typed, Key::AgentCheck, |text| parse::listen_at(text, address))?,
        weight: must(typed, Key::Weight, |text| parse::number(text, 0u16, u16::MAX))?,
        profile: must(typed, Key::Profile, parse::one_of)?,
        datapath: must(typed, Key::Datapath, parse::one_of)?,
        mode: must(typed, Key::Mode, parse::one_of)?,
        events: maybe(typed, Key::Events, events)?,
        record: maybe(typed, Key::Record, path)?,
        record_limit: must(typed, Key::RecordLimit, parse::size)?,
        http: http(typed)?,
        state_dir: must(typed, Key::StateDir, path)?,
        on_stop: must(typed, Key::OnStop, parse::one_of)?,
        start_drained: must(typed, Key::StartDrained, parse::switch)?,
        drain: service::drain(typed)?,
        service: service::checks(typed)?,
        bpf_log: must(typed, Key::BpfLog, parse::one_of)?,
        realtime: must(typed, Key::Realtime, parse::switch)?,
        dscp: must(typed, Key::Dscp, |text| parse::number(text, 0u8, 63))?,
    };
    let (interface, _, others) = place?;
    Ok(AgentConfig { interface, others, ..config })
}

/// Warnings about values that are allowed.
#[must_use]
pub fn warnings(typed: &Typed) -> Vec<String> {
    let mut warnings = Vec::new();
    for key in [Key::DatabaseUrl, Key::Replicas] {
        let Some(Entry { text, origin: Origin::Flag(flag) }) = typed.get(key) else { continue };
        let shown = if key == Key::Replicas { url::all_redacted(text) } else { url::redacted(text) };
        if shown == *text {
            continue;
        }
        warnings.push(format!(
            "the password in {flag} can be read by every user of this machine while ringmon runs; use \
             database_password_file or RINGMON_DATABASE_PASSWORD instead"
        ));
    }
    if let Some(Entry { text: path, .. }) = typed.get(Key::DatabasePasswordFile)
        && std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
    {
        warnings.push(format!("every user of this machine can read the password in {path}; chmod o= {path}"));
    }
    warnings
}

/// The database, with the password from its own place.
///
/// # Errors
/// A key is missing or has an unknown value.
pub fn database_access(typed: &Typed) -> Result<DatabaseUrl, Error> {
    let url = must(typed, Key::DatabaseUrl, parse::database)?;
    let password = password(typed)?;
    Ok(with_password(url, password.as_ref()))
}

/// Where the password comes from.
pub(super) enum Password {
    /// From the environment: it stays as it is.
    Text(String),
    /// From this file, which is read again at each login.
    File(PasswordFile),
}

/// The same place with the password, if there is one.
pub(super) fn with_password(url: DatabaseUrl, password: Option<&Password>) -> DatabaseUrl {
    match password {
        Some(Password::Text(text)) => url.with_password(text),
        Some(Password::File(file)) => url.with_password_file(file.clone()),
        None => url,
    }
}

/// The password from its own place. A flag that names a file wins over the environment, as flags do, and the
/// environment over a file that is named elsewhere.
///
/// # Errors
/// The file cannot be read, or is empty.
pub(super) fn password(typed: &Typed) -> Result<Option<Password>, Error> {
    let flag = typed.get(Key::DatabasePasswordFile).is_some_and(|entry| matches!(entry.origin, Origin::Flag(_)));
    let text = typed.get(Key::DatabasePassword).filter(|_| !flag);
    if let Some(entry) = text {
        return Ok(Some(Password::Text(entry.text.clone())));
    }
    let open = |path: &str| PasswordFile::open(path).map_err(Problem::ReadFile);
    Ok(maybe(typed, Key::DatabasePasswordFile, open)?.map(Password::File))
}

/// This server's name: as given, or the host's.
fn own_name(typed: &Typed, machine: &Machine) -> Result<String, Error> {
    match maybe(typed, Key::Name, parse::name)? {
        Some(name) => Ok(name),
        None => parse::name(&machine.hostname).map_err(|_| Error::Missing {
            key: Key::Name,
            hint: format!("the host name {:?} cannot serve as one", machine.hostname),
        }),
    }
}

/// The interface and this server's address: as given, or what there is. If no address was given, the primary one is the
/// address, and there may be others.
fn place(typed: &Typed, machine: &Machine) -> Result<(String, Address, Vec<Address>), Error> {
    let said_address = maybe(typed, Key::Address, parse::address)?;
    if said_address.is_some_and(|address| address.is_ipv6()) {
        return must(typed, Key::Address, |_| Err(Problem::Unfit("only IPv4 addresses can be probed".to_owned())));
    }
    let interface = match typed.get(Key::Interface) {
        Some(entry) if machine.interfaces.contains_key(&entry.text) => entry.text.clone(),
        Some(entry) => {
            let there = machine.interfaces.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let problem = Problem::Machine(format!("this machine has no such interface; it has {there}"));
            return Err(bad(Key::Interface, entry, problem));
        }
        None => likely_interface(machine, said_address)?,
    };
    let there = machine.interfaces.get(&interface).cloned().unwrap_or_default();
    match (said_address, there.v4().as_slice()) {
        (Some(address), _) if there.addresses.contains(&address) => Ok((interface, address, Vec::new())),
        (Some(_), addresses) => must(typed, Key::Address, |_| {
            let listed = listed(addresses);
            Err(Problem::Machine(format!("the interface {interface} does not have that address; it has {listed}")))
        }),
        (None, [primary, others @ ..]) => Ok((interface, *primary, others.to_vec())),
        (None, []) => {
            Err(Error::NotYet { key: Key::Address, why: format!("the interface {interface} has no IPv4 address") })
        }
    }
}

/// The only interface that can be meant: it has the address, or it is the only one with an IPv4 address besides the
/// loopback.
fn likely_interface(machine: &Machine, address: Option<Address>) -> Result<String, Error> {
    let fits = |interface: &super::machine::Interface| match address {
        Some(address) => interface.addresses.contains(&address),
        None => !interface.loopback && !interface.v4().is_empty(),
    };
    let fitting: Vec<&String> =
        machine.interfaces.iter().filter(|(_, interface)| fits(interface)).map(|(name, _)| name).collect();
    match (fitting.as_slice(), address) {
        (&[only], _) => Ok(only.clone()),
        ([], Some(address)) => {
            Err(Error::NotYet { key: Key::Interface, why: format!("no interface has the address {address}") })
        }
        ([], None) => Err(Error::NotYet { key: Key::Interface, why: "no interface has an IPv4 address".to_owned() }),
        (several, _) => {
            let names = several.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Error::Missing { key: Key::Interface, hint: format!("it can be any of {names}") })
        }
    }
}

/// Addresses in a sentence.
fn listed(addresses: &[Address]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Where transitions are written.
fn events(text: &str) -> Result<EventTarget, Problem> {
    if text == "-" { Ok(EventTarget::Stdout) } else { path(text).map(EventTarget::File) }
}

/// A path that is not empty.
pub(super) fn path(text: &str) -> Result<PathBuf, Problem> {
    if text.is_empty() { Err(Problem::NotA("a path")) } else { Ok(PathBuf::from(text)) }
}
