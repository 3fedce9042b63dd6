//! From a driver's error to ours. Every number is handled here, in one exhaustive place.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlxMySqlError, SqlxSqliteError};

use super::Error;
use crate::store::connect::CONNECTING;
use crate::store::{DatabaseUrl, tls};

/// How an attempt failed.
#[derive(Debug)]
pub(in crate::store) enum Fault {
    /// Somebody else was faster. Nothing of this attempt was written: start again from an empty snapshot.
    Conflict(String),
    /// Others held what this attempt needed for longer than it waits. Nothing of it was written: start again.
    Locked(String),
    Failed(Error),
}

impl Fault {
    /// The end of so many attempts, of which this is the last.
    pub(in crate::store) fn after(self, attempts: u32, within: Duration) -> Error {
        match self {
            Self::Conflict(cause) => Error::Contended { attempts, within, cause },
            Self::Locked(cause) => Error::Locked { attempts, within, cause },
            Self::Failed(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What sea-orm said while `doing` something, as our error.
#[expect(clippy::wildcard_enum_match_arm, reason = "the driver's enums grow with it; what is unknown is said as it is")]
pub(in crate::store) fn classify(url: &DatabaseUrl, doing: &'static str, error: DbErr) -> Fault {
    let place = || url.to_string();
    match &error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Error::Busy { place: place() }.into(),
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
            Error::Lost { place: place(), doing, source: error }.into()
        }
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => {
            let inner = Arc::clone(inner);
            from_driver(url, doing, &inner, error)
        }
        _ => Error::Database { place: place(), doing, source: error }.into(),
    }
}

/// The same for an error of the driver itself, outside any pool.
pub(in crate::store) fn classify_sqlx(url: &DatabaseUrl, doing: &'static str, error: SqlxError) -> Error {
    match classify(url, doing, DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))) {
        Fault::Conflict(cause) | Fault::Locked(cause) => Error::Unavailable { place: url.to_string(), cause },
        Fault::Failed(error) => error,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the driver's enums grow with it; what is unknown is said as it is")]
fn from_driver(url: &DatabaseUrl, doing: &'static str, inner: &SqlxError, error: DbErr) -> Fault {
    let place = url.to_string();
    match inner {
        SqlxError::Database(said) => {
            if let Some(mysql) = said.try_downcast_ref::<SqlxMySqlError>() {
                return from_mysql(place, doing, mysql.number(), words(url, mysql), error);
            }
            if let Some(sqlite) = said.try_downcast_ref::<SqlxSqliteError>() {
                let code = sea_orm::sqlx::error::DatabaseError::code(sqlite)
                    .and_then(|code| code.parse::<i32>().ok())
                    .unwrap_or_default();
                return from_sqlite(url, doing, code, said.message().to_owned(), error);
            }
            Error::Database { place, doing, source: error }.into()
        }
        SqlxError::Io(io) => from_io(url, doing, io, error).into(),
        SqlxError::WorkerCrashed | SqlxError::PoolClosed => Error::Lost { place, doing, source: error }.into(),
        SqlxError::PoolTimedOut => Error::Busy { place }.into(),
        SqlxError::Tls(cause) => match url.certificates().check() {
            Ok(()) => Error::Tls { place, cause: cause.to_string(), advice: tls::GENERAL }.into(),
            Err(file) => file.into(),
        },
        // The server ended in the middle of an answer.
        SqlxError::Protocol(_) => Error::Lost { place, doing, source: error }.into(),
        _ => Error::Database { place, doing, source: error }.into(),
    }
}

/// What a MySQL server said. A user that may log in over TLS only is refused in the words for a wrong password.
fn words(url: &DatabaseUrl, said: &SqlxMySqlError) -> String {
    match said.number() {
        1045 | 1698 if url.is_in_the_clear() => format!(
            "{}; ssl-mode is disabled in the database url, and a user that has to use TLS (REQUIRE SSL) is refused in \
             these words as well",
            said.message()
        ),
        _ => said.message().to_owned(),
    }
}

/// TLS reports through errors of input and output, and so do the files that it needs.
fn from_io(url: &DatabaseUrl, doing: &'static str, io: &io::Error, error: DbErr) -> Error {
    use io::ErrorKind as K;
    let (place, connecting) = (url.to_string(), doing == CONNECTING);
    if let Some(said) = tls::spoken(io).filter(|said| connecting || tls::at_the_handshake(said)) {
        return Error::Tls { place, cause: said.to_string(), advice: tls::advice(said) };
    }
    // No established connection fails like this, so it comes from reading a file.
    let from_a_file = matches!(io.kind(), K::NotFound | K::PermissionDenied | K::IsADirectory | K::NotADirectory);
    if from_a_file && let Err(file) = url.certificates().check() {
        return file;
    }
    // rustls has a page of the web for this.
    let closed = io.kind() == K::UnexpectedEof;
    let words = if closed { "the server closed the connection".to_owned() } else { io.to_string() };
    if connecting {
        return Error::Unreachable { place, source: io::Error::new(io.kind(), words) };
    }
    if closed {
        return Error::Lost { place, doing, source: DbErr::Conn(RuntimeErr::Internal(words)) };
    }
    Error::Lost { place, doing, source: error }
}

/// Numbers: <https://mariadb.com/kb/en/mariadb-error-code-reference/> and MySQL's `mysqld_error.h`, `errmsg.h`.
fn from_mysql(place: String, doing: &'static str, number: u16, cause: String, source: DbErr) -> Fault {
    match number {
        // Reads take no locks. So it is no other writer that makes a read wait. It is a Galera node that cannot tell
        // whether it has what its cluster has (wsrep_sync_wait: at once when it is cut off), or a table that is being
        // altered.
        1205 if doing.starts_with("reading") => Error::Unavailable {
            place,
            cause: format!(
                "it cannot say what is true now: a cluster's node that is cut off or lags, or a locked table: \
                 {cause} ({number})"
            ),
        }
        .into(),
        // Deadlock (Galera: certification), record changed since last read, duplicate key, table definition changed.
        1213 | 1020 | 1062 | 1412 => Fault::Conflict(format!("{cause} ({number})")),
        // Lock wait timeout, the same for the next id (1467: an INSERT with a SELECT waits for its turn).
        1205 | 1467 => Fault::Locked(format!("{cause} ({number})")),
        1045 | 1698 | 1251 => Error::AccessDenied { place, cause }.into(),
        1044 | 1142 | 1143 | 1227 | 1370 => Error::Privilege { place, doing, cause }.into(),
        1049 => Error::UnknownDatabase { place }.into(),
        // --read-only, read-only transaction, read-only mode.
        1290 | 1792 | 1836 => Error::ReadOnly { place, cause }.into(),
        // Disk full, table full. 1030 is "got error N from storage engine", and 28 is ENOSPC.
        1021 | 1114 => Error::DiskFull { place, cause }.into(),
        1030 if cause.contains("28") => Error::DiskFull { place, cause }.into(),
        // Too many connections (1040, 1203, 1226), shutdown (1053), no quorum (1047, 1180), host blocked (1129), out of
        // memory (1037, 1041), killed (1317, 1927), statement time (1969, 3024).
        1040 | 1203 | 1226 | 1053 | 1047 | 1180 | 1129 | 1037 | 1041 | 1317 | 1927 | 1969 | 3024 => {
            Error::Unavailable { place, cause: format!("{cause} ({number})") }.into()
        }
        // It closed a connection that was idle for too long, and says so to the next statement.
        4031 => Error::Lost { place, doing, source }.into(),
        _ => Error::Database { place, doing, source }.into(),
    }
}

/// Codes: <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn from_sqlite(url: &DatabaseUrl, doing: &'static str, code: i32, cause: String, source: DbErr) -> Fault {
    const CONSTRAINT_PRIMARY_KEY: i32 = 1555;
    const CONSTRAINT_UNIQUE: i32 = 2067;
    // Another connection has written since this transaction read.
    const BUSY_SNAPSHOT: i32 = 517;
    let place = url.to_string();
    if [CONSTRAINT_PRIMARY_KEY, CONSTRAINT_UNIQUE, BUSY_SNAPSHOT].contains(&code) {
        return Fault::Conflict(format!("{cause} ({code})"));
    }
    match code & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED.
        5 | 6 => Fault::Locked(format!("{cause} ({code})")),
        8 => Error::ReadOnly { place, cause }.into(),
        10 => Error::Lost { place, doing, source }.into(),
        11 | 26 => Error::Corrupt { place, cause }.into(),
        13 => Error::DiskFull { place, cause }.into(),
        14 => match url.file() {
            Some(path) => {
                let source = match std::fs::OpenOptions::new().read(true).write(true).open(path) {
                    Err(true_cause) => true_cause,
                    Ok(_) => std::io::Error::other(cause),
                };
                Error::Unreadable { path: path.to_owned(), source }.into()
            }
            None => Error::Database { place, doing, source }.into(),
        },
        _ => Error::Database { place, doing, source }.into(),
    }
}

#[cfg(test)]
mod tests;
