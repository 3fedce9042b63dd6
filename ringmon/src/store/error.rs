//! What can go wrong with the server table, said so that a person can act on it.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::DbErr;

mod classify;

pub(super) use classify::{Fault, classify, classify_sqlx};

/// What the store could not do. No variant ever holds the password.
///
/// Unless a variant says otherwise nothing was written. After [`Error::Lost`] and [`Error::TimedOut`] while committing nobody knows:
/// read again, never assume; every operation may simply be run again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no database URL.
    #[error("the database url is not usable: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No connection: refused, no route, unknown host.
    #[error("cannot reach the database at {place}: {source}")]
    Unreachable {
        /// Where.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// A connection broke.
    #[error("the connection to {place} broke while {doing}: {source}")]
    Lost {
        /// Where.
        place: String,
        /// During what.
        doing: &'static str,
        /// What the driver saw.
        source: DbErr,
    },
    /// No answer.
    #[error("{place} did not answer within {limit:?} while {doing}")]
    TimedOut {
        /// Where.
        place: String,
        /// During what.
        doing: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// This process uses all the connections it allows itself.
    #[error("all connections to {place} are in use by this process")]
    Busy {
        /// Where.
        place: String,
    },
    /// Wrong password or user.
    #[error(
        "{place} refuses the login: wrong password or user: check both, and where the password comes from ({cause})"
    )]
    AccessDenied {
        /// Where.
        place: String,
        /// The server's words.
        cause: String,
    },
    /// The login works, but may not do this.
    #[error("{place}: the user lacks a privilege for {doing}: {cause}")]
    Privilege {
        /// Where.
        place: String,
        /// For what.
        doing: &'static str,
        /// The server's words.
        cause: String,
    },
    /// The server has no such database.
    #[error("{place}: there is no such database on that server: create it (create database NAME) or correct the url")]
    UnknownDatabase {
        /// Where.
        place: String,
    },
    /// The encrypted connection could not be made or is not to be trusted.
    #[error("no trusted TLS connection to {place}: {cause}: {advice}")]
    Tls {
        /// Where.
        place: String,
        /// The driver's words.
        cause: String,
        /// What helps.
        advice: &'static str,
    },
    /// A file that the encrypted connection needs cannot be read, or is none.
    #[error("cannot use {path}, which {option} in the database url names: {source}")]
    Certificate {
        /// The option in the url.
        option: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of an embedded database cannot be opened or made.
    #[error("cannot open the database file {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no database, or a damaged one.
    #[error("{place} is damaged or no database: {cause}")]
    Corrupt {
        /// Where.
        place: String,
        /// The engine's words.
        cause: String,
    },
    /// The database takes no writes.
    #[error("{place} is read-only: {cause}")]
    ReadOnly {
        /// Where.
        place: String,
        /// The engine's words.
        cause: String,
    },
    /// No room for writes.
    #[error("{place} has no room left on its disk: {cause}")]
    DiskFull {
        /// Where.
        place: String,
        /// The engine's words.
        cause: String,
    },
    /// The server is there but does not serve: shutting down, without quorum, too many connections.
    #[error("{place} does not serve just now: {cause}")]
    Unavailable {
        /// Where.
        place: String,
        /// The server's words.
        cause: String,
    },
    /// There are no tables of ringmon.
    #[error("{place} holds no ringmon schema (this ringmon knows version {ours}): run `ringmon init`")]
    SchemaMissing {
        /// Where.
        place: String,
        /// The version of this program.
        ours: u32,
    },
    /// The schema is older than what this program works on.
    #[error(
        "{place} holds ringmon schema version {found}, this ringmon works on versions {oldest} to {ours}: run `ringmon init` of this version to upgrade it"
    )]
    SchemaTooOld {
        /// Where.
        place: String,
        /// The version there.
        found: u32,
        /// The oldest that this program works on.
        oldest: u32,
        /// The version of this program.
        ours: u32,
    },
    /// The schema is newer than this program.
    #[error(
        "{place} holds ringmon schema version {found}, this ringmon knows only version {ours}: upgrade ringmon on this machine"
    )]
    SchemaTooNew {
        /// Where.
        place: String,
        /// The version there.
        found: u32,
        /// The version of this program.
        ours: u32,
    },
    /// The database has no such pool.
    #[error("there is no pool '{pool}' in {place}: run `ringmon init --pool {pool}`")]
    NoSuchPool {
        /// Which.
        pool: String,
        /// Where.
        place: String,
    },
    /// The database has such a pool already.
    #[error("there is a pool '{pool}' in {place} already: it is left as it is")]
    PoolThere {
        /// Which.
        pool: String,
        /// Where.
        place: String,
    },
    /// The pool has servers.
    #[error(
        "pool '{pool}' in {place} has {servers} servers: stop their agents, or take them out with `ringmon remove NAME`, and delete it then"
    )]
    PoolInUse {
        /// Which.
        pool: String,
        /// Where.
        place: String,
        /// How many.
        servers: u64,
    },
    /// Others were always faster, or held the rows for too long. Nothing was written.
    #[error("gave way to other writers {attempts} times in {within:?}: {cause}")]
    Contended {
        /// How often it was tried.
        attempts: u32,
        /// In what time.
        within: Duration,
        /// The last conflict.
        cause: String,
    },
    /// A row holds something this version does not know.
    #[error(
        "row {id} of table {table} holds {value:?} in column {column}, which this ringmon does not know: correct it by hand"
    )]
    Damaged {
        /// Which table.
        table: &'static str,
        /// Which row.
        id: i64,
        /// Which column.
        column: &'static str,
        /// What is there.
        value: String,
    },
    /// The operating system gave no random bytes for a key.
    #[error("cannot make a key: the operating system gave no random bytes: {source}")]
    Random {
        /// Why.
        source: std::io::Error,
    },
    /// Anything else the database said.
    #[error("{place} failed while {doing}: {source}")]
    Database {
        /// Where.
        place: String,
        /// During what.
        doing: &'static str,
        /// The driver's words.
        source: DbErr,
    },
}

impl Error {
    /// Whether asking again later may help without anybody's doing anything to ringmon.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::ReadOnly { .. }
            | Self::DiskFull { .. }
            | Self::Unavailable { .. }
            | Self::Contended { .. } => true,
            Self::Url { .. }
            | Self::AccessDenied { .. }
            | Self::Privilege { .. }
            | Self::UnknownDatabase { .. }
            | Self::Tls { .. }
            | Self::Certificate { .. }
            | Self::Unreadable { .. }
            | Self::Corrupt { .. }
            | Self::SchemaMissing { .. }
            | Self::SchemaTooOld { .. }
            | Self::SchemaTooNew { .. }
            | Self::NoSuchPool { .. }
            | Self::PoolThere { .. }
            | Self::PoolInUse { .. }
            | Self::Damaged { .. }
            | Self::Random { .. }
            | Self::Database { .. } => false,
        }
    }

    /// Whether the database answers, and only refuses to write just now.
    #[must_use]
    pub const fn only_writing_failed(&self) -> bool {
        matches!(self, Self::Contended { .. } | Self::ReadOnly { .. } | Self::DiskFull { .. })
    }

    /// Whether the connections behind this error are of no more use: they are forgotten, and new ones opened on demand.
    pub(super) const fn breaks_connections(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::ReadOnly { .. }
            | Self::Unavailable { .. }
            | Self::AccessDenied { .. } => true,
            Self::Url { .. }
            | Self::Busy { .. }
            | Self::Privilege { .. }
            | Self::UnknownDatabase { .. }
            | Self::Tls { .. }
            | Self::Certificate { .. }
            | Self::Unreadable { .. }
            | Self::Corrupt { .. }
            | Self::DiskFull { .. }
            | Self::SchemaMissing { .. }
            | Self::SchemaTooOld { .. }
            | Self::SchemaTooNew { .. }
            | Self::NoSuchPool { .. }
            | Self::PoolThere { .. }
            | Self::PoolInUse { .. }
            | Self::Contended { .. }
            | Self::Damaged { .. }
            | Self::Random { .. }
            | Self::Database { .. } => false,
        }
    }
}
