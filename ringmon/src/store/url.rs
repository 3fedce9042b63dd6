//! Where the database is, and how it is shown without its password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::Error;

/// Where the server table lives. `Debug` and `Display` never show the password.
///
/// ```text
/// sqlite:///var/lib/ringmon/ringmon.db
/// mysql://user:password@host:3306/database?ssl-ca=/etc/ringmon/ca.pem
/// mariadb://user@host/database            the same, password supplied apart
/// ```
///
/// `ssl-mode` (`disabled`, `preferred`, `required`, `verify_ca`, `verify_identity`), `ssl-ca`, `ssl-cert`, `ssl-key` and `socket` are
/// understood behind the `?`. A CA without a mode means `verify_identity`.
#[derive(Clone)]
pub struct DatabaseUrl {
    engine: Engine,
}

/// What kind of database, and what its driver needs.
#[derive(Clone)]
pub(super) enum Engine {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A MySQL or MariaDB server.
    Mysql(Box<MySqlConnectOptions>),
}

impl DatabaseUrl {
    /// The embedded database in this file.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { engine: Engine::Sqlite(path.into()) }
    }

    /// The same place with this password, from a file or the environment. An embedded database has none: nothing changes.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        match self.engine {
            Engine::Sqlite(path) => Self { engine: Engine::Sqlite(path) },
            Engine::Mysql(options) => Self { engine: Engine::Mysql(Box::new(options.password(password))) },
        }
    }

    /// The file of an embedded database.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.engine {
            Engine::Sqlite(path) => Some(path),
            Engine::Mysql(_) => None,
        }
    }

    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    /// # Errors
    /// [`Error::Url`] says what is missing or unknown; it never repeats the text, which may hold a password.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| bad("it has no scheme; it begins with sqlite:// or mysql://"))?;
        match scheme {
            "sqlite" => sqlite(rest),
            "mysql" | "mariadb" => mysql(rest),
            _ => Err(bad("its scheme is unknown; sqlite, mysql and mariadb are")),
        }
    }
}

fn bad(reason: &'static str) -> Error {
    Error::Url { reason }
}

fn sqlite(rest: &str) -> Result<DatabaseUrl, Error> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.contains('?') {
        return Err(bad("sqlite takes no options behind a question mark"));
    }
    if path.contains(":memory:") {
        return Err(bad(
            "a database in memory cannot be shared; name a file, as in sqlite:///var/lib/ringmon/ringmon.db",
        ));
    }
    if !path.starts_with('/') {
        return Err(bad(
            "the file of an embedded database needs its full path, as in sqlite:///var/lib/ringmon/ringmon.db",
        ));
    }
    Ok(DatabaseUrl::sqlite(path))
}

/// Options behind the `?` that reach the driver; a misspelt one would otherwise be ignored in silence.
const OPTIONS: [&str; 5] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket"];

fn mysql(rest: &str) -> Result<DatabaseUrl, Error> {
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let keys: Vec<&str> =
        query.split('&').filter(|part| !part.is_empty()).map(|part| part.split('=').next().unwrap_or(part)).collect();
    if keys.iter().any(|key| !OPTIONS.contains(key)) {
        return Err(bad("an option behind its ? is unknown; ssl-mode, ssl-ca, ssl-cert, ssl-key and socket are"));
    }
    // The driver's own message may repeat parts of the text: it is dropped on purpose.
    let mut options: MySqlConnectOptions = format!("mysql:{rest}").parse().map_err(|_| {
        bad("it cannot be read; mysql://user@host:port/database, special characters in user and password as %XX")
    })?;
    if options.get_database().is_none() {
        return Err(bad("it names no database, as in mysql://user@host:port/database"));
    }
    if keys.contains(&"ssl-ca") && !keys.contains(&"ssl-mode") {
        options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
    }
    Ok(DatabaseUrl { engine: Engine::Mysql(Box::new(options)) })
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.engine {
            Engine::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Engine::Mysql(o) => {
                let (user, database) = (o.get_username(), o.get_database().unwrap_or_default());
                match o.get_socket() {
                    Some(socket) => write!(f, "mysql://{user}@[{}]/{database}", socket.display()),
                    None => write!(f, "mysql://{user}@{}:{}/{database}", o.get_host(), o.get_port()),
                }
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
