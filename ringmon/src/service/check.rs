//! A check of the service, as a person writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use super::http::Target;

/// One check, as it was written and as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    text: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp(SocketAddr),
    Http(Target),
    /// A program and its arguments.
    Exec(Vec<String>),
    /// A unit's name, with its suffix.
    Systemd(String),
}

/// Why a text is no check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It names none of the kinds.
    #[error("it must be tcp:ADDRESS:PORT, http://ADDRESS:PORT/PATH, exec:/PROGRAM ARGUMENT... or systemd:UNIT")]
    Kind,
    /// TLS is not checked.
    #[error(
        "https is not checked: let the service answer plain http on the loopback, \
         or check with exec: and a program that knows TLS"
    )]
    Tls,
    /// It has no address.
    #[error(
        "it must name an IP address or localhost, and a port, like tcp:127.0.0.1:8080: \
         a name would make the check one of DNS"
    )]
    Address,
    /// The status is no number, or out of range.
    #[error("the status must be one or two numbers from 100 to 599, like status=200 or status=200-399")]
    Status,
    /// Something else follows the URL.
    #[error("nothing but status=200-399 may follow the URL")]
    Further,
    /// It has no program.
    #[error(
        "it must name a program by its whole path, like exec:/usr/lib/check.sh; \
         words are split at spaces, and no shell sees them"
    )]
    Program,
    /// It has no unit.
    #[error("it must name a unit, like systemd:nginx.service")]
    Unit,
}

impl Check {
    /// The program that it runs, if it runs one.
    #[must_use]
    pub fn program(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Exec(words) => words.first().map(Path::new),
            Kind::Tcp(_) | Kind::Http(_) | Kind::Systemd(_) => None,
        }
    }
}

impl FromStr for Check {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        let kind = match text.split_once(':') {
            Some(("tcp", at)) => Kind::Tcp(place(at, None)?),
            Some(("http", _)) => Kind::Http(target(text)?),
            Some(("https", _)) => return Err(Unfit::Tls),
            Some(("exec", command)) => Kind::Exec(program(command)?),
            Some(("systemd", name)) => Kind::Systemd(unit(name)?),
            Some(_) | None => return Err(Unfit::Kind),
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `127.0.0.1:80`, `[::1]:80` or `localhost:80`. Without a port it takes `port`, the scheme's, if there is one.
fn place(text: &str, port: Option<u16>) -> Result<SocketAddr, Unfit> {
    let ip = |host: &str| match host {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).parse().ok(),
    };
    let bare = || Some(SocketAddr::new(ip(text)?, port?));
    let whole = || {
        let (host, port) = text.rsplit_once(':')?;
        let bracketed = host.starts_with('[') || !host.contains(':');
        Some(SocketAddr::new(ip(host).filter(|_| bracketed)?, port.parse().ok()?))
    };
    whole().or_else(bare).filter(|at| at.port() != 0).ok_or(Unfit::Address)
}

fn target(text: &str) -> Result<Target, Unfit> {
    let mut words = text.split_whitespace();
    let url = words.next().unwrap_or_default().strip_prefix("http://").ok_or(Unfit::Kind)?;
    let (host, path) = url.find('/').map_or((url, "/"), |at| url.split_at(at));
    let at = place(host, Some(80))?;
    let mut status = (200, 399);
    if let Some(word) = words.next() {
        status = word.strip_prefix("status=").ok_or(Unfit::Further).and_then(range)?;
    }
    if words.next().is_some() || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Unfit::Further);
    }
    Ok(Target { at, host: host.to_owned(), path: path.to_owned(), status })
}

fn range(text: &str) -> Result<(u16, u16), Unfit> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|status| (100..600).contains(status));
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let both = number(low).zip(number(high));
    both.filter(|(low, high)| low <= high).ok_or(Unfit::Status)
}

fn program(text: &str) -> Result<Vec<String>, Unfit> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if words.first().is_some_and(|program| Path::new(program).is_absolute()) { Ok(words) } else { Err(Unfit::Program) }
}

/// As systemd writes unit names (systemd.unit(5)); a name without a suffix is a service.
fn unit(name: &str) -> Result<String, Unfit> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    if name.is_empty() || name.len() > 255 || !name.bytes().all(good) {
        return Err(Unfit::Unit);
    }
    Ok(if name.contains('.') { name.to_owned() } else { format!("{name}.service") })
}
