//! Database servers on loopback, for tests and measurements of a store. They start when asked for, and are thrown away
//! when this process ends.
//!
//! Every server is real, and none touches the machine's own: each has its own folder and ports, and reads no
//! configuration file.

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

/// The account of the tests; it may do everything.
pub const USER: &str = "tester";
/// Its password, with the characters that break careless URLs.
pub const PASSWORD: &str = "p@ss:w/rd";

/// What a server table can be stored in.
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
    /// In the order of the results.
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::MariaDb, Self::MySql, Self::Galera];

    /// As in options, in results, and in the names of tests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
            Self::Galera => "galera",
        }
    }

    /// The servers that this process shares; the first caller starts them. None for SQLite.
    ///
    /// # Errors
    /// Always that of [`Engine::start`]. Only the first caller sees it in full.
    pub fn shared(self) -> anyhow::Result<&'static [Node]> {
        static SHARED: [OnceLock<Result<Vec<Node>, String>>; 4] = [const { OnceLock::new() }; 4];
        let start = || self.start().map_err(|error| format!("{error:#}"));
        let place = Self::ALL.iter().position(|one| *one == self).unwrap_or_default();
        let nodes = SHARED[place].get_or_init(start).as_ref();
        nodes.map(Vec::as_slice).map_err(|said| anyhow::anyhow!("{said}"))
    }

    /// New servers, for tests that break them; none for SQLite.
    ///
    /// # Errors
    /// It is not installed, or does not start. The error has its last words.
    pub fn start(self) -> anyhow::Result<Vec<Node>> {
        self.start_with(&[])
    }

    /// The same with extra arguments for each of its servers, such as a larger buffer pool.
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

    /// The version that it reports, for results.
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

/// A MariaDB with extra arguments, such as for a smaller log or for certificates.
///
/// # Errors
/// As [`Engine::start`].
pub fn mariadb_with(more: &[String]) -> anyhow::Result<Node> {
    mariadb::start(&|_| Ok(more.to_vec()))
}

/// The same, with arguments and files that are made for its folder.
///
/// # Errors
/// As [`Engine::start`], and the errors of `more`.
pub fn mariadb_in(more: &dyn Fn(&Path) -> anyhow::Result<Vec<String>>) -> anyhow::Result<Node> {
    mariadb::start(more)
}

/// Where `cargo xtask` puts what Debian's own packages would put into the system.
#[must_use]
pub fn tools() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join("target/tools")
}

/// The path of a system program. It also looks where root's programs are, even if PATH does not have them.
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

fn account() -> String {
    format!(
        "CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
    )
}

#[cfg(test)]
mod tests;
