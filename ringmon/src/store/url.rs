//! Where the database is, and how to show that without its password.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::Error;
use super::tls::Certificates;
use crate::disk;

/// The place of the server table. `Debug` and `Display` never show the password.
///
/// ```text
/// sqlite:///var/lib/ringmon/ringmon.db
/// mysql://user:password@host:3306/database?ssl-ca=/etc/ringmon/ca.pem
/// mariadb://user@host/database            the same, with the password from elsewhere
/// ```
///
/// After the `?` it understands `ssl-mode` (`disabled`, `preferred`, `required`, `verify_ca`, `verify_identity`),
/// `ssl-ca`, `ssl-cert`, `ssl-key` and `socket`. A CA without a mode means `verify_identity`. A CA with a mode that
/// would not look at it is refused.
#[derive(Clone)]
pub struct DatabaseUrl {
    engine: Engine,
    certificates: Certificates,
    password: Option<PasswordFile>,
}

/// A file with a password in its only line. It is read again at each login, so that a password can be changed while
/// everything runs.
#[derive(Clone)]
pub struct PasswordFile {
    path: PathBuf,
    /// What was in it at the start.
    first: String,
}

impl PasswordFile {
    /// # Errors
    /// The file cannot be read, or is empty.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        Ok(Self { first: read(&path)?, path })
    }

    /// What is in it now. While it cannot be read (it is being replaced), what was in it at the start.
    fn now(&self) -> Cow<'_, str> {
        match read(&self.path) {
            Ok(text) => text.into(),
            Err(error) => {
                let path = self.path.display();
                tracing::warn!("cannot read the database's password in {path}: {error}; trying the one of the start");
                self.first.as_str().into()
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return Err(invalid(
            "it is no plain file, and is read again at each login; RINGMON_DATABASE_PASSWORD is read once",
        ));
    }
    let text = disk::read_plain(path)?;
    let text = std::str::from_utf8(&text).map_err(|_| invalid("it is no text in UTF-8"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(invalid("it is empty")),
        text if text.contains('\n') => Err(invalid("it has more than one line, and the password is one")),
        text => Ok(text.to_owned()),
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What a database file begins with (<https://sqlite.org/fileformat.html#the_database_header>).
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

fn is_sqlite(path: &Path, writes: bool) -> io::Result<()> {
    if !path.metadata()?.is_file() {
        return Err(invalid("it is no plain file"));
    }
    let mut begin = [0; 16];
    let mut file = std::fs::OpenOptions::new().read(true).write(writes).open(path)?;
    match file.read_exact(&mut begin) {
        Ok(()) if begin == *SQLITE => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(()) | Err(_) => Err(invalid("it is no database of SQLite's, or `ringmon init` has not made its tables")),
    }
}

/// The kind of database, and what its driver needs.
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
        Self { engine: Engine::Sqlite(path.into()), certificates: Certificates::default(), password: None }
    }

    /// The same place with this password, which comes from a file or the environment. An embedded database has no
    /// password, and stays as it is.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        let engine = match self.engine {
            Engine::Sqlite(path) => Engine::Sqlite(path),
            Engine::Mysql(options) => Engine::Mysql(Box::new(options.password(password))),
        };
        Self { engine, ..self }
    }

    /// The same place with the password that is in this file.
    #[must_use]
    pub fn with_password_file(self, file: PasswordFile) -> Self {
        Self { password: Some(file), ..self }
    }

    /// For a login: these options, with the password of this moment.
    pub(super) fn login(&self, options: &MySqlConnectOptions) -> MySqlConnectOptions {
        match &self.password {
            Some(file) => options.clone().password(&file.now()),
            None => options.clone(),
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

    /// The file with the authorities that may sign the database's certificate.
    #[must_use]
    pub fn ca(&self) -> Option<&Path> {
        self.certificates.ca.as_deref()
    }

    /// Whether the files that it names can be used: an embedded database, or certificates and their key.
    ///
    /// # Errors
    /// [`Error::Certificate`], [`Error::Unreadable`].
    pub fn check_files(&self, writes: bool) -> Result<(), Error> {
        match &self.engine {
            Engine::Sqlite(path) => {
                is_sqlite(path, writes).map_err(|source| Error::Unreadable { path: path.clone(), source })
            }
            Engine::Mysql(_) => self.certificates.check(),
        }
    }

    /// Whether logins are never encrypted.
    pub(super) fn is_in_the_clear(&self) -> bool {
        match &self.engine {
            Engine::Sqlite(_) => false,
            Engine::Mysql(options) => matches!(options.get_ssl_mode(), MySqlSslMode::Disabled),
        }
    }

    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) const fn certificates(&self) -> &Certificates {
        &self.certificates
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    /// # Errors
    /// [`Error::Url`] says what is missing or unknown. It never repeats the text, because there may be a password in
    /// it.
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

/// The options after the `?` that reach the driver. The driver ignores a misspelt one in silence, so others are
/// refused.
pub const OPTIONS: [&str; 5] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket"];

fn mysql(rest: &str) -> Result<DatabaseUrl, Error> {
    if !rest.starts_with("//") {
        return Err(bad("there is no // behind its scheme, as in mysql://user@host:port/database"));
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    // Read as the driver reads it.
    let given: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
    if given.iter().any(|(key, _)| !OPTIONS.contains(&key.as_ref())) {
        return Err(bad("an option behind its ? is unknown; ssl-mode, ssl-ca, ssl-cert, ssl-key and socket are \
             (a ? in a password is written as %3F)"));
    }
    let value = |option: &str| given.iter().rev().find(|(key, _)| key == option).map(|(_, value)| value.as_ref());
    let certificates = Certificates {
        ca: value("ssl-ca").map(PathBuf::from),
        client: match (value("ssl-cert"), value("ssl-key")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => return Err(bad("ssl-cert and ssl-key belong together, and one of them is missing")),
        },
    };
    // The driver's own message may repeat parts of the text, so it is dropped on purpose.
    let mut options: MySqlConnectOptions = format!("mysql:{rest}").parse().map_err(|_| {
        bad("it cannot be read; mysql://user@host:port/database, special characters in user and password as %XX")
    })?;
    match options.get_database() {
        None => return Err(bad("it names no database, as in mysql://user@host:port/database")),
        // Two URLs in one, or a password with a slash that is not written as %2F.
        Some(name) if name.contains(['/', '@', ',', ':']) => {
            return Err(bad("what follows its host is no name of a database; one url is one database, \
                 and special characters in user and password are written as %XX"));
        }
        Some(_) => {}
    }
    if certificates.ca.is_some() && value("ssl-mode").is_none() {
        options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
    }
    // The driver would connect without looking at the CA that somebody has named.
    match options.get_ssl_mode() {
        MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity => {}
        MySqlSslMode::Disabled | MySqlSslMode::Preferred | MySqlSslMode::Required if certificates.ca.is_none() => {}
        MySqlSslMode::Disabled | MySqlSslMode::Preferred | MySqlSslMode::Required => {
            return Err(bad(
                "with this ssl-mode nobody looks at its ssl-ca; leave ssl-mode away, or say verify_identity",
            ));
        }
    }
    Ok(DatabaseUrl { engine: Engine::Mysql(Box::new(options)), certificates, password: None })
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
