//! What kind of trouble an error is. Each room says it of its own errors; the command line has an exit code for each
//! kind.

use std::io;

/// What an error asks for, and of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// What it is about is not there, or is not well.
    NotHealthy,
    /// Another command line.
    Usage,
    /// A person who looks at damaged data.
    Damaged,
    /// Patience, or somebody who looks after another machine, a kernel or a database.
    Unavailable,
    /// A bug report.
    Unexpected,
    /// More rights for this process.
    Permission,
    /// Another configuration, or another version of ringmon.
    Configuration,
}

impl ErrorKind {
    /// Of a file, a folder or an address that was named and that the operating system refuses.
    #[must_use]
    pub fn of_named(refusal: &io::Error) -> Self {
        if refusal.kind() == io::ErrorKind::PermissionDenied { Self::Permission } else { Self::Configuration }
    }
}

/// An error that knows its kind.
pub trait HasKind: std::error::Error + 'static {
    /// Its kind.
    fn kind(&self) -> ErrorKind;
}
