//! Turns every room's errors into one sentence and one exit code.

use std::io;
use std::process::ExitCode;

use crate::agent::StateError;
use crate::router::KeptError;
use crate::show::saying::clean;
use crate::show::{ErrorKind, HasKind};
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
            Self::NotHealthy => code(ErrorKind::NotHealthy),
            Self::Unavailable => code(ErrorKind::Unavailable),
            Self::Configuration => code(ErrorKind::Configuration),
        })
    }
}

const OK: u8 = 0;

/// 2 as clap has it; the rest as in sysexits.h of 4.3BSD: EX_DATAERR, EX_UNAVAILABLE, EX_SOFTWARE, EX_NOPERM,
/// EX_CONFIG.
const fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::NotHealthy => 1,
        ErrorKind::Usage => 2,
        ErrorKind::Damaged => 65,
        ErrorKind::Unavailable => 69,
        ErrorKind::Unexpected => 70,
        ErrorKind::Permission => 77,
        ErrorKind::Configuration => 78,
    }
}

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
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Usage(_) => ErrorKind::Usage,
            Self::NotThere(_) => ErrorKind::NotHealthy,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Damaged(_) => ErrorKind::Damaged,
            Self::OtherVersion(_) => ErrorKind::Configuration,
        }
    }
}

/// The reader of the standard output went away: that is no error, and nothing is left to say.
#[derive(Debug, thiserror::Error)]
#[error("the standard output is closed")]
pub struct OutputClosed;

/// Prints the error on stderr, with its causes, and returns its code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<OutputClosed>() {
        return ExitCode::from(OK);
    }
    complain(&sentence(error));
    ExitCode::from(code(kind(error)))
}

/// Says on stderr what is wrong. What others wrote (a file, a table, a server) may be in it, and moves no cursor.
pub fn complain(text: &str) {
    let lines: Vec<String> = text.lines().map(clean).collect();
    eprintln!("ringmon: {}", lines.join("\n         "));
}

/// One line: the error, and those of its causes that it does not mention itself.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// The kind of the first cause that has one.
fn kind(error: &anyhow::Error) -> ErrorKind {
    let of = |cause| KINDS.iter().find_map(|kind_of| kind_of(cause));
    error.chain().find_map(of).unwrap_or(ErrorKind::Unexpected)
}

type Cause = dyn std::error::Error + 'static;

/// The errors of every room. What the operating system refuses has a kind only if it is about permission.
const KINDS: [fn(&Cause) -> Option<ErrorKind>; 10] = [
    of::<Error>,
    of::<config::Error>,
    of::<observe::Error>,
    of::<notice::Error>,
    of::<record::Error>,
    of::<store::Error>,
    of::<datapath::Error>,
    of::<KeptError>,
    of::<StateError>,
    |cause| {
        let refusal = cause.downcast_ref::<io::Error>()?;
        (refusal.kind() == io::ErrorKind::PermissionDenied).then_some(ErrorKind::Permission)
    },
];

fn of<E: HasKind>(cause: &Cause) -> Option<ErrorKind> {
    cause.downcast_ref::<E>().map(E::kind)
}

#[cfg(test)]
mod tests;
