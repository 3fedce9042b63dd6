//! The kind of an error. Each room says it about its own errors, and the command line has an exit code for each kind.

use std::io;

/// What it takes to get past an error, and who can do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is no failure: something is missing, or is not well.
    NotHealthy,
    /// The user has to type another command line.
    Usage,
    /// A person has to look at damaged data.
    Damaged,
    /// Patience; or somebody has to look after another machine, a kernel or a database.
    Unavailable,
    /// It is a bug, which somebody has to report.
    Unexpected,
    /// This process needs more rights.
    Permission,
    /// Somebody has to change the configuration, or use another version of ringmon.
    Configuration,
}

impl ErrorKind {
    /// The kind for a file, a folder or an address that the user named and the operating system refuses.
    #[must_use]
    pub fn of_named(refusal: &io::Error) -> Self {
        if refusal.kind() == io::ErrorKind::PermissionDenied { Self::Permission } else { Self::Configuration }
    }
}

/// An error that knows its kind.
pub trait HasKind: std::error::Error + 'static {
    /// Decides the exit code.
    fn kind(&self) -> ErrorKind;
}
