//! From every room's errors to one sentence and one exit code.

use std::process::ExitCode;

use crate::agent::StateError;
use crate::router::KeptError;
use crate::{config, datapath, notice, observe, record, store};

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, and what it found is well.
    Ok,
    /// It is done, and what it found is not well.
    NotHealthy,
    /// It could not be done now.
    Unavailable,
    /// It contradicts the pool.
    Configuration,
}

impl Verdict {
    /// Its exit code.
    #[must_use]
    pub fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Ok => OK,
            Self::NotHealthy => NOT_HEALTHY,
            Self::Unavailable => UNAVAILABLE,
            Self::Configuration => CONFIGURATION,
        })
    }
}

const OK: u8 = 0;
const NOT_HEALTHY: u8 = 1;
/// As clap has it.
const USAGE: u8 = 2;
// The rest as in sysexits.h of 4.3BSD: EX_DATAERR, EX_UNAVAILABLE, EX_SOFTWARE, EX_NOPERM, EX_CONFIG.
const DATA: u8 = 65;
const UNAVAILABLE: u8 = 69;
const UNEXPECTED: u8 = 70;
const PERMISSION: u8 = 77;
const CONFIGURATION: u8 = 78;

/// A command's own errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A mistake on the command line that clap cannot know of.
    #[error("{0}")]
    Usage(String),
    /// What the command is about does not exist; nothing was changed.
    #[error("{0}")]
    NotThere(String),
    /// Something that the command asks does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// A file is damaged, or not the right one.
    #[error("{0}")]
    Damaged(String),
    /// A file comes from another version of ringmon, and this one cannot read it.
    #[error("{0}")]
    OtherVersion(String),
    /// Whoever read the standard output went away: no error.
    #[error("the standard output is closed")]
    OutputClosed,
}

/// Says the error on stderr, causes included, and gives its code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(Error::OutputClosed) = error.downcast_ref() {
        return ExitCode::from(OK);
    }
    eprintln!("ringmon: {}", sentence(error));
    ExitCode::from(code(error))
}

/// One line: the error and those of its causes that it does not say itself.
fn sentence(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// The first cause that has a code of its own decides.
fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(known).unwrap_or(UNEXPECTED)
}

fn known(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = cause.downcast_ref::<Error>() {
        return Some(match error {
            Error::Usage(_) => USAGE,
            Error::NotThere(_) => NOT_HEALTHY,
            Error::Unavailable(_) => UNAVAILABLE,
            Error::Damaged(_) => DATA,
            Error::OtherVersion(_) => CONFIGURATION,
            Error::OutputClosed => OK,
        });
    }
    if let Some(error) = cause.downcast_ref::<config::Error>() {
        return Some(if error.is_usage() { USAGE } else { CONFIGURATION });
    }
    if let Some(error) = cause.downcast_ref::<observe::Error>() {
        return Some(match error {
            observe::Error::OpenEvents { source, .. }
            | observe::Error::Listen { source, .. }
            | observe::Error::ListenAgentCheck { source, .. }
            | observe::Error::Serve(source) => io_code(source).unwrap_or(CONFIGURATION),
        });
    }
    if let Some(notice::Error::Listen { source, .. }) = cause.downcast_ref() {
        return Some(io_code(source).unwrap_or(CONFIGURATION));
    }
    if let Some(error) = cause.downcast_ref::<record::Error>() {
        return Some(match error {
            record::Error::Make { source, .. } | record::Error::Write { source, .. } => {
                io_code(source).unwrap_or(CONFIGURATION)
            }
            record::Error::Thread { .. } => UNEXPECTED,
        });
    }
    if let Some(error) = cause.downcast_ref::<store::Error>() {
        return Some(store_code(error));
    }
    if let Some(error) = cause.downcast_ref::<datapath::Error>() {
        return Some(match error.kind() {
            datapath::ErrorKind::Permission => PERMISSION,
            datapath::ErrorKind::Unavailable => UNAVAILABLE,
            datapath::ErrorKind::Configuration => CONFIGURATION,
        });
    }
    if let Some(KeptError::Folder { source, .. }) = cause.downcast_ref() {
        return Some(io_code(source).unwrap_or(CONFIGURATION));
    }
    if let Some(error) = cause.downcast_ref::<StateError>() {
        return Some(match error {
            StateError::Make { source, .. } | StateError::Write { source, .. } | StateError::Read { source, .. } => {
                io_code(source).unwrap_or(CONFIGURATION)
            }
            // The other agent may be one that is just ending: asking again can help.
            StateError::Locked { .. } => UNAVAILABLE,
        });
    }
    cause.downcast_ref::<std::io::Error>().and_then(io_code)
}

/// 69 where the database may be well again by itself, 77 where somebody has to allow more, 78 where something is set wrongly.
fn store_code(error: &store::Error) -> u8 {
    use store::Error as E;
    match error {
        E::AccessDenied { .. } | E::Privilege { .. } => PERMISSION,
        E::Unreadable { source, .. } | E::Certificate { source, .. } => io_code(source).unwrap_or(CONFIGURATION),
        E::Url { .. }
        | E::UnknownDatabase { .. }
        | E::Tls { .. }
        | E::SchemaMissing { .. }
        | E::SchemaTooOld { .. }
        | E::SchemaTooNew { .. }
        | E::NoSuchPool { .. }
        | E::PoolThere { .. }
        | E::PoolInUse { .. } => CONFIGURATION,
        E::Unreachable { .. }
        | E::Lost { .. }
        | E::TimedOut { .. }
        | E::Busy { .. }
        | E::Corrupt { .. }
        | E::ReadOnly { .. }
        | E::DiskFull { .. }
        | E::Unavailable { .. }
        | E::Contended { .. }
        | E::Damaged { .. }
        | E::Database { .. } => UNAVAILABLE,
        E::Random { .. } => UNEXPECTED,
    }
}

/// The code of an error of the operating system, where there is a fitting one.
fn io_code(error: &std::io::Error) -> Option<u8> {
    (error.kind() == std::io::ErrorKind::PermissionDenied).then_some(PERMISSION)
}

#[cfg(test)]
mod tests;
