//! Commands that change one server, in HAProxy's words, and what its answers mean.

use ringmon_core::row::Address;

/// Allows `add server` and `del server` before HAProxy 2.6; in later versions it changes nothing. Only the level
/// `admin` may send it.
pub(super) const EXPERIMENTAL: &str = "experimental-mode on";

/// HAProxy's answer to commands that the socket's level does not allow.
pub(super) const DENIED: &str = "Permission denied";

/// The first id of servers that ringmon added, so that ringmon recognises them after its own restart. HAProxy counts
/// the servers of `haproxy.cfg` from 1, and ids end at 2^31 - 1.
pub(super) const FIRST_ID: u32 = 1_300_000_000;

/// How many such ids there are. Two servers of one backend conflict if the ids of their rows differ by a multiple of
/// this.
pub(super) const IDS: u32 = 100_000_000;

/// Whether HAProxy accepts it as the name of a server or backend (`invalid_char` in its `tools.c`). It could read
/// anything else as another command.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-'))
}

/// Whether the words can follow a command without beginning another one, or swallowing what comes after them.
pub(super) fn are_options(words: &str) -> bool {
    words.chars().all(|c| c != ';' && c != '\\' && c != '"' && c != '\'' && c != '#' && (c == ' ' || !c.is_control()))
}

/// The state that an operator of HAProxy, and ringmon, can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It gets clients, unless HAProxy's own check fails.
    Ready,
    /// It gets only clients that are bound to it.
    Drain,
    /// It gets no clients.
    Maint,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Set(State),
    Weight(u16),
    /// Without a port HAProxy's own stays.
    Address {
        address: Address,
        port: Option<u16>,
    },
    /// It begins in maintenance.
    Add {
        address: Address,
        port: u16,
        weight: u16,
        id: u32,
    },
    /// Starts HAProxy's own checks: for an added server they do not start by themselves.
    Health,
    Shutdown,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) server: String,
    pub(super) change: Change,
}

/// HAProxy's answer to a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// A server with sessions cannot be deleted yet.
    Waits,
    /// HAProxy says why not.
    Refused(String),
    /// The socket's level does not allow it.
    Denied,
}

impl Command {
    /// In HAProxy's words. Names and options were checked before: see [`is_name`] and [`are_options`].
    pub(super) fn words(&self, backend: &str, options: &str) -> String {
        let at = format!("{backend}/{}", self.server);
        match &self.change {
            Change::Set(State::Ready) => format!("set server {at} state ready"),
            Change::Set(State::Drain) => format!("set server {at} state drain"),
            Change::Set(State::Maint) => format!("set server {at} state maint"),
            Change::Weight(weight) => format!("set server {at} weight {weight}"),
            Change::Address { address, port: Some(port) } => format!("set server {at} addr {address} port {port}"),
            Change::Address { address, port: None } => format!("set server {at} addr {address}"),
            Change::Add { address, port, weight, id } => {
                let to = std::net::SocketAddr::new(*address, *port);
                format!("add server {at} {to} weight {weight} id {id} {options}").trim_end().to_owned()
            }
            Change::Health => format!("enable health {at}"),
            Change::Shutdown => format!("shutdown sessions server {at}"),
            Change::Delete => format!("del server {at}"),
        }
    }

    /// Whether HAProxy before 2.6 wants [`EXPERIMENTAL`] first. For deletions it is always sent.
    pub(super) const fn is_experimental(&self) -> bool {
        matches!(self.change, Change::Add { .. })
    }

    /// What HAProxy's answer means: it carries out most commands without a word, and some with one.
    pub(super) fn answer(&self, text: &str) -> Answer {
        let text = text.trim();
        if text.starts_with(DENIED) {
            return Answer::Denied;
        }
        let done = match self.change {
            Change::Set(_) | Change::Weight(_) | Change::Health | Change::Shutdown => text.is_empty(),
            Change::Address { .. } => text.contains("changed from") || text.starts_with("no need to change"),
            Change::Add { .. } => text.contains("New server registered"),
            Change::Delete => text.contains("Server deleted"),
        };
        if done {
            Answer::Done
        } else if self.change == Change::Delete && text.contains("still has connections") {
            Answer::Waits
        } else {
            let line: Vec<&str> = text.split_whitespace().collect();
            Answer::Refused(line.join(" ").chars().take(200).collect())
        }
    }
}
