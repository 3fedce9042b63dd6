//! Database servers on loopback for whoever measures or tests a store: started when asked for, thrown away when this process ends.
//!
//! Every server is real, and none touches the machine's own: own folder, own ports, nothing read from configuration files.

mod galera;
mod mariadb;
mod mysql;
mod node;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use anyhow::Context;

pub use galera::synced;
pub use node::Node;

/// The account that tests use; it may do everything.
pub const USER: &str = "tester";
/// Its password, with the characters that break sloppy URLs.
pub const PASSWORD: &str = "p@ss:w/rd";

/// What a server table can live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// One MariaDB.
    MariaDb,
    /// One MySQL of Oracle's.
    MySql,
    /// Three MariaDB nodes that replicate to each other (Galera), all written to.
    Galera,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::MariaDb, Self::MySql, Self::Galera];

    /// In options, in results, and in the names of tests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
            Self::Galera => "galera",
        }
    }

    /// The servers of this process, started by whoever asks first; none for SQLite.
    ///
    /// # Errors
    /// Always [`Engine::start`]'s, which whoever asked first saw in full.
    pub fn shared(self) -> anyhow::Result<&'static [Node]> {
        static SHARED: [OnceLock<Result<Vec<Node>, String>>; 4] = [const { OnceLock::new() }; 4];
        let start = || self.start().map_err(|error| format!("{error:#}"));
        let place = Self::ALL.iter().position(|one| *one == self).unwrap_or_default();
        let nodes = SHARED[place].get_or_init(start).as_ref();
        nodes.map(Vec::as_slice).map_err(|said| anyhow::anyhow!("{said}"))
    }

    /// New servers, for whoever wants to break them; none for SQLite.
    ///
    /// # Errors
    /// It is not installed, or does not start: with its last words.
    pub fn start(self) -> anyhow::Result<Vec<Node>> {
        self.start_with(&[])
    }

    /// The same with more arguments than usual ones, which each of its servers gets: a larger buffer pool.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_with(self, more: &[String]) -> anyhow::Result<Vec<Node>> {
        match self {
            Self::Sqlite => Ok(Vec::new()),
            Self::MariaDb => Ok(vec![mariadb_with(more)?]),
            Self::MySql => Ok(vec![mysql::start(more)?]),
            Self::Galera => galera::start(more),
        }
    }

    /// What it calls itself, for results.
    ///
    /// # Errors
    /// It is not installed.
    pub fn version(self) -> anyhow::Result<String> {
        match self {
            Self::Sqlite => Ok("embedded".to_owned()),
            Self::MariaDb => mariadb::version(),
            Self::MySql => mysql::version(),
            Self::Galera => galera::version(),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|engine| engine.name() == text).ok_or_else(|| format!("the engines are {known}"))
    }
}

/// A MariaDB with more arguments than a usual one: a smaller log, certificates.
///
/// # Errors
/// As [`Engine::start`].
pub fn mariadb_with(more: &[String]) -> anyhow::Result<Node> {
    mariadb::start(&|_| Ok(more.to_vec()))
}

/// The same, with arguments that are made for its folder, and files that they name.
///
/// # Errors
/// As [`Engine::start`], and those of `more`.
pub fn mariadb_in(more: &dyn Fn(&Path) -> anyhow::Result<Vec<String>>) -> anyhow::Result<Node> {
    mariadb::start(more)
}

/// Where `cargo xtask` puts what Debian's own packages would put into the system.
#[must_use]
pub fn tools() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join("target/tools")
}

/// A program of the system, also where root's programs are when PATH does not say so.
///
/// # Errors
/// It is not there.
pub fn find(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("{program} is not installed: run `cargo xtask setup`"))
}

/// The account of [`USER`].
fn account() -> String {
    format!(
        "CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
    )
}

#[cfg(test)]
mod tests;
