//! What HAProxy has: its answer to `show servers state` (`management.txt`, section 9.3).
//!
//! The first line is the version of the format. The second line names the columns. Later versions may add columns, so
//! columns are found by name.

use std::collections::BTreeMap;
use std::ops::Range;

use super::command::{Change, Command, FIRST_ID, IDS, State};
use super::error::Error;
use ringmon_core::row::Address;

/// `SRV_ADMF_FMAINT` in HAProxy's `server-t.h`: an operator set maintenance. Other bits are inherited, or set by the
/// resolver.
const FORCED_MAINT: u32 = 0x01;
/// `SRV_ADMF_FDRAIN`.
const FORCED_DRAIN: u32 = 0x08;
/// `CHK_ST_ENABLED` in its `check-t.h`.
const CHECK_ENABLED: u32 = 0x04;
const OUR_IDS: Range<u32> = FIRST_ID..FIRST_ID + IDS;

/// By name.
pub(super) type Servers = BTreeMap<String, Server>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// None while its name is not resolved.
    pub(super) address: Option<Address>,
    pub(super) port: u16,
    pub(super) state: State,
    pub(super) weight: u16,
    /// ringmon added it: this process, or an earlier one.
    pub(super) ours: bool,
    /// HAProxy's own checks run.
    pub(super) checks: bool,
}

/// Reads the answer for one backend.
pub(super) fn parse(text: &str, backend: &str) -> Result<Servers, Error> {
    let mut lines = text.lines();
    let version = lines.next().unwrap_or_default().trim();
    if version.starts_with("Can't find backend") {
        return Err(Error::NoBackend(backend.to_owned()));
    }
    if version != "1" {
        let start: String = version.chars().take(80).collect();
        return Err(Error::Unreadable(format!("it begins with `{start}`, not with the format's version, 1")));
    }
    let header = lines.next().and_then(|line| line.strip_prefix('#')).unwrap_or_default();
    let names: Vec<&str> = header.split_whitespace().collect();
    let column = |name: &str| {
        let at = names.iter().position(|column| *column == name);
        at.ok_or_else(|| Error::Unreadable(format!("it has no column `{name}`")))
    };
    let (be, id, name) = (column("be_name")?, column("srv_id")?, column("srv_name")?);
    let (address, port, admin) = (column("srv_addr")?, column("srv_port")?, column("srv_admin_state")?);
    let (weight, check) = (column("srv_uweight")?, column("srv_check_state")?);
    let mut servers = Servers::new();
    for line in lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let text = |at: usize| fields.get(at).copied().unwrap_or_default();
        let number = |at: usize| {
            let wrong = || Error::Unreadable(format!("`{}` is no {}", text(at), names.get(at).unwrap_or(&"column")));
            text(at).parse::<u32>().map_err(|_| wrong())
        };
        let short = |at: usize| number(at).map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        if text(be) != backend {
            continue;
        }
        let bits = number(admin)?;
        let state = if bits & FORCED_MAINT != 0 {
            State::Maint
        } else if bits & FORCED_DRAIN != 0 {
            State::Drain
        } else {
            State::Ready
        };
        let server = Server {
            address: text(address).parse().ok(),
            port: short(port)?,
            state,
            weight: short(weight)?,
            ours: OUR_IDS.contains(&number(id)?),
            checks: number(check)? & CHECK_ENABLED != 0,
        };
        servers.insert(text(name).to_owned(), server);
    }
    Ok(servers)
}

/// Changes the list as a carried out command changes HAProxy's.
pub(super) fn apply(servers: &mut Servers, command: &Command) {
    if let Change::Add { address, port, weight, .. } = command.change {
        let server = Server { address: Some(address), port, state: State::Maint, weight, ours: true, checks: false };
        servers.insert(command.server.clone(), server);
        return;
    }
    let Some(server) = servers.get_mut(&command.server) else { return };
    match command.change {
        Change::Set(state) => server.state = state,
        Change::Weight(weight) => server.weight = weight,
        Change::Address { address, port } => {
            server.address = Some(address);
            server.port = port.unwrap_or(server.port);
        }
        Change::Health => server.checks = true,
        Change::Delete => drop(servers.remove(&command.server)),
        Change::Add { .. } | Change::Shutdown => {}
    }
}
