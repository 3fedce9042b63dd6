//! What can go wrong with the server table, said so that a person can act on it.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::DbErr;

use crate::show::{ErrorKind, HasKind};

mod classify;

pub(super) use classify::{Fault, classify, classify_sqlx};

/// What the store could not do. No variant ever contains the password.
///
/// Nothing was written, unless a variant says otherwise. After [`Error::Lost`] and [`Error::TimedOut`] while committing
/// it is unknown: read again, and never assume. Every operation may be run again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no database URL.
    #[error("the database url is not usable: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no connection: refused, no route, unknown host.
    #[error("cannot reach the database at {place}: {source}")]
    Unreachable {
        /// The database, without its password.
        place: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A connection broke.
    #[error("the connection to {place} broke while {doing}: {source}")]
    Lost {
        /// The database, without its password.
        place: String,
        /// The store's current step.
        doing: &'static str,
        /// The driver's error.
        source: DbErr,
    },
    /// There was no answer in time.
    #[error("{place} did not answer within {limit:?} while {doing}")]
    TimedOut {
        /// The database, without its password.
        place: String,
        /// The store's current step.
        doing: &'static str,
        /// How long it waited.
        limit: Duration,
    },
    /// This process uses all the connections that it allows itself.
    #[error("all connections to {place} are in use by this process")]
    Busy {
        /// The database, without its password.
        place: String,
    },
    /// The user or the password is wrong.
    #[error(
        "{place} refuses the login: wrong password or user: check both, and where the password comes from ({cause})"
    )]
    AccessDenied {
        /// The database, without its password.
        place: String,
        /// The server's words.
        cause: String,
    },
    /// The user may log in, but may not do this.
    #[error("{place}: the user lacks a privilege for {doing}: {cause}")]
    Privilege {
        /// The database, without its password.
        place: String,
        /// The store's current step.
        doing: &'static str,
        /// The server's words.
        cause: String,
    },
    /// The server has no such database.
    #[error("{place}: there is no such database on that server: create it (create database NAME) or correct the url")]
    UnknownDatabase {
        /// The database, without its password.
        place: String,
    },
    /// The encrypted connection could not be made, or cannot be trusted.
    #[error("no trusted TLS connection to {place}: {cause}: {advice}")]
    Tls {
        /// The database, without its password.
        place: String,
        /// The driver's words.
        cause: String,
        /// What helps against it.
        advice: &'static str,
    },
    /// A file for the encrypted connection cannot be read, or is no such file.
    #[error("cannot use {path}, which {option} in the database url names: {source}")]
    Certificate {
        /// The option in the url.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file of an embedded database cannot be opened or made.
    #[error("cannot open the database file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is no database, or a damaged one.
    #[error("{place} is damaged or no database: {cause}")]
    Corrupt {
        /// The database, without its password.
        place: String,
        /// The engine's words.
        cause: String,
    },
    /// The database takes no writes.
    #[error("{place} is read-only: {cause}")]
    ReadOnly {
        /// The database, without its password.
        place: String,
        /// The engine's words.
        cause: String,
    },
    /// There is no room for writes.
    #[error("{place} has no room left on its disk: {cause}")]
    DiskFull {
        /// The database, without its password.
        place: String,
        /// The engine's words.
        cause: String,
    },
    /// The server is there but does not serve: it shuts down, has no quorum, or has too many connections.
    #[error("{place} does not serve just now: {cause}")]
    Unavailable {
        /// The database, without its password.
        place: String,
        /// The server's words.
        cause: String,
    },
    /// There are no tables of ringmon.
    #[error("{place} holds no ringmon schema (this ringmon knows version {ours}): run `ringmon init`")]
    SchemaMissing {
        /// The database, without its password.
        place: String,
        /// The version of this program.
        ours: u32,
    },
    /// The schema is older than this program can work with.
    #[error(
        "{place} holds ringmon schema version {found}, this ringmon works on versions {oldest} to {ours}: \
         run `ringmon init` of this version to upgrade it"
    )]
    SchemaTooOld {
        /// The database, without its password.
        place: String,
        /// The version there.
        found: u32,
        /// The oldest version that this program can work with.
        oldest: u32,
        /// The version of this program.
        ours: u32,
    },
    /// The schema is newer than this program.
    #[error(
        "{place} holds ringmon schema version {found}, this ringmon knows only version {ours}: \
         upgrade ringmon on this machine"
    )]
    SchemaTooNew {
        /// The database, without its password.
        place: String,
        /// The version there.
        found: u32,
        /// The version of this program.
        ours: u32,
    },
    /// The database has no such pool.
    #[error("there is no pool '{pool}' in {place}: run `ringmon init --pool {pool}`")]
    NoSuchPool {
        /// The name of the pool.
        pool: String,
        /// The database, without its password.
        place: String,
    },
    /// The database has such a pool already.
    #[error("there is a pool '{pool}' in {place} already: it is left as it is")]
    PoolThere {
        /// The name of the pool.
        pool: String,
        /// The database, without its password.
        place: String,
    },
    /// The pool has servers, so it cannot be deleted.
    #[error(
        "pool '{pool}' in {place} has {servers} servers: stop their agents, \
         or take them out with `ringmon remove NAME`, and delete it then"
    )]
    PoolInUse {
        /// The name of the pool.
        pool: String,
        /// The database, without its password.
        place: String,
        /// How many servers it has.
        servers: u64,
    },
    /// Others were always faster. Nothing was written. The database answers and writes.
    #[error("gave way to other writers {attempts} times in {within:?}: {cause}")]
    Contended {
        /// How often it was tried.
        attempts: u32,
        /// How long it was tried.
        within: Duration,
        /// The last conflict.
        cause: String,
    },
    /// Others held the rows for too long. Nothing was written.
    #[error("gave way to other writers {attempts} times in {within:?}: {cause}")]
    Locked {
        /// How often it was tried.
        attempts: u32,
        /// How long it was tried.
        within: Duration,
        /// What was waited for in vain.
        cause: String,
    },
    /// A row contains something that this version does not know.
    #[error(
        "row {id} of table {table} holds {value:?} in column {column}, which this ringmon does not know: \
         correct it by hand"
    )]
    Damaged {
        /// The row's table.
        table: &'static str,
        /// The row's id.
        id: i64,
        /// The column with the unknown value.
        column: &'static str,
        /// The unknown value.
        value: String,
    },
    /// The operating system gave no random bytes for a key.
    #[error("cannot make a key: the operating system gave no random bytes: {source}")]
    Random {
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Any other error of the database.
    #[error("{place} failed while {doing}: {source}")]
    Database {
        /// The database, without its password.
        place: String,
        /// The store's current step.
        doing: &'static str,
        /// The driver's error.
        source: DbErr,
    },
}

/// What follows from an error, apart from its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// It may pass although nobody changes anything about ringmon.
    MayPass,
    /// The database answers, but refuses to write just now.
    ReadsGoOn,
    /// The database answers and writes: others were faster.
    OthersWrite,
    /// The connections behind it are useless.
    NewConnections,
}

impl Error {
    /// The only table of what follows from each error.
    fn row(&self) -> (ErrorKind, &'static [Follows]) {
        use ErrorKind as K;
        use Follows::{MayPass, NewConnections, OthersWrite, ReadsGoOn};
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::TimedOut { .. } | Self::Unavailable { .. } => {
                (K::Unavailable, &[MayPass, NewConnections])
            }
            Self::ReadOnly { .. } => (K::Unavailable, &[MayPass, ReadsGoOn, NewConnections]),
            Self::DiskFull { .. } | Self::Locked { .. } => (K::Unavailable, &[MayPass, ReadsGoOn]),
            Self::Contended { .. } => (K::Unavailable, &[MayPass, OthersWrite]),
            Self::Busy { .. } => (K::Unavailable, &[MayPass]),
            Self::Corrupt { .. } | Self::Damaged { .. } | Self::Database { .. } => (K::Unavailable, &[]),
            Self::AccessDenied { .. } => (K::Permission, &[NewConnections]),
            Self::Privilege { .. } => (K::Permission, &[]),
            Self::Unreadable { source, .. } | Self::Certificate { source, .. } => (K::of_named(source), &[]),
            Self::Url { .. }
            | Self::UnknownDatabase { .. }
            | Self::Tls { .. }
            | Self::SchemaMissing { .. }
            | Self::SchemaTooOld { .. }
            | Self::SchemaTooNew { .. }
            | Self::NoSuchPool { .. }
            | Self::PoolThere { .. }
            | Self::PoolInUse { .. } => (K::Configuration, &[]),
            Self::Random { .. } => (K::Unexpected, &[]),
        }
    }

    /// Whether it may help to ask again later, although nobody changes anything about ringmon.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.row().1.contains(&Follows::MayPass)
    }

    /// Whether the database answers, but refuses to write just now.
    #[must_use]
    pub fn only_writing_failed(&self) -> bool {
        self.row().1.contains(&Follows::ReadsGoOn)
    }

    /// Whether the database answers and writes, but others were always faster.
    #[must_use]
    pub fn only_overtaken(&self) -> bool {
        self.row().1.contains(&Follows::OthersWrite)
    }

    /// Whether the connections behind this error are useless. Then they are forgotten, and new ones are opened on
    /// demand.
    pub(super) fn breaks_connections(&self) -> bool {
        self.row().1.contains(&Follows::NewConnections)
    }
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        self.row().0
    }
}
