//! The database of a lab: a file, a MariaDB of its own, or one that is given.

mod forward;
mod mariadb;
mod url;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::namespace::Namespace;
use crate::network::HUB;
pub use forward::{Forward, Target};
pub use mariadb::MariaDb;
use url::Url;

/// Which database a lab gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// An SQLite file that all agents open.
    #[default]
    Sqlite,
    /// A MariaDB started for this lab, on the bridge.
    MariaDb,
    /// This URL; a server of it is reached through the bridge, so that a cut server loses it.
    Given(String),
}

/// A running database.
#[derive(Debug)]
pub struct Database {
    kind: Kind,
    url: String,
    password: Option<String>,
}

#[derive(Debug)]
enum Kind {
    Sqlite(PathBuf),
    MariaDb(MariaDb),
    /// Held for its drop, which ends the forwarding.
    Given {
        _forward: Option<Forward>,
    },
}

impl Database {
    /// Starts the database, if it is one that has to be started.
    ///
    /// # Errors
    /// It does not start (with its last words), or the URL cannot be read.
    pub fn start(choice: &Choice, hub: &Namespace, folder: &Path) -> anyhow::Result<Self> {
        match choice {
            Choice::Sqlite => {
                let file = folder.join("ringmon.db");
                let url = format!("sqlite://{}", file.display());
                Ok(Self { kind: Kind::Sqlite(file), url, password: None })
            }
            Choice::MariaDb => {
                let server = MariaDb::start(hub, folder)?;
                let (url, password) = (server.url(), server.password().to_owned());
                Ok(Self { kind: Kind::MariaDb(server), url, password: Some(password) })
            }
            Choice::Given(given) => {
                let (forward, url, password) = given_url(given, hub)?;
                Ok(Self { kind: Kind::Given { _forward: forward }, url, password })
            }
        }
    }

    /// The URL for agents, without a password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The password, for the agents' environment.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The MariaDB of this lab, if it has one: for example to be frozen.
    #[must_use]
    pub fn mariadb(&self) -> Option<&MariaDb> {
        match &self.kind {
            Kind::MariaDb(server) => Some(server),
            Kind::Sqlite(_) | Kind::Given { .. } => None,
        }
    }

    /// A farther way to the MariaDB of this lab: another port of the hub, and its URL. It is there until it is dropped.
    ///
    /// # Errors
    /// The lab has no MariaDB, or the port is taken.
    pub fn farther(&self, hub: &Namespace, port: u16, round_trip: Duration) -> anyhow::Result<(Forward, String)> {
        self.mariadb().context("only a MariaDB can be far away")?;
        let target = Target { from: Some(hub.clone()), host: HUB.to_string(), port: mariadb::PORT };
        let forward = Forward::start(hub, port, target, round_trip)?;
        let url = self.url.replace(&format!("{HUB}:{}", mariadb::PORT), &forward.address().to_string());
        Ok((forward, url))
    }

    /// Runs SQL by hand, as a person would. Returns the rows, with columns separated by tabs.
    ///
    /// # Errors
    /// The statement failed, or the database is a given one, which is not edited by hand.
    pub fn sql(&self, statement: &str) -> anyhow::Result<String> {
        let here = Namespace::own()?;
        match &self.kind {
            Kind::Sqlite(file) => {
                let file = file.to_str().context("a folder whose name is no text")?;
                here.command("sqlite3", &["-batch", "-separator", "\t", "-cmd", ".timeout 5000", file], statement)
            }
            Kind::MariaDb(server) => server.sql(statement),
            Kind::Given { .. } => bail!("a given database is not edited by hand"),
        }
    }
}

/// A URL that works inside the lab: its server is reached through a forwarder on the hub's address.
fn given_url(given: &str, hub: &Namespace) -> anyhow::Result<(Option<Forward>, String, Option<String>)> {
    if given.starts_with("sqlite:") {
        return Ok((None, given.to_owned(), None));
    }
    let mut url = Url::parse(given)?;
    let target = Target { from: None, host: url.host, port: url.port };
    let forward = Forward::start(hub, 3306, target, Duration::ZERO)?;
    url.host = forward.address().ip().to_string();
    url.port = forward.address().port();
    let password = url.password.take();
    Ok((Some(forward), url.to_string(), password))
}

#[cfg(test)]
mod tests;
