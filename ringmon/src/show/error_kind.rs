//! The kind of an error. Each room says it of its own errors, and the command line has an exit code for each kind.

use std::io;

/// What an error says about its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something is not there, or not healthy.
    NotHealthy,
    /// The command line is wrong.
    Usage,
    /// Data is damaged.
    Damaged,
    /// Something does not work now: a database, another agent, or this kernel.
    Unavailable,
    /// Nobody thought of this.
    Unexpected,
    /// This process may not do it.
    Permission,
    /// The configuration is wrong, or something is of another version of ringmon.
    Configuration,
}

impl ErrorKind {
    /// The kind of a refusal by the operating system, of a file, a folder or an address that somebody named.
    #[must_use]
    pub fn of_named(refusal: &io::Error) -> Self {
        let kind = refusal.kind();
        // Another process may let go of it, and an interface may get its address.
        let passes = matches!(kind, io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable);
        if kind == io::ErrorKind::PermissionDenied {
            Self::Permission
        } else if passes {
            Self::Unavailable
        } else {
            Self::Configuration
        }
    }
}

/// An error that knows its kind.
pub trait HasKind: std::error::Error + 'static {
    /// Decides the exit code.
    fn kind(&self) -> ErrorKind;
}
