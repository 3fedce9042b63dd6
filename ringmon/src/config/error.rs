//! What is wrong with a configuration, said so that a person can correct it.

use std::fmt;
use std::path::PathBuf;

use super::keys::{Key, Origin};
use crate::show::{ErrorKind, HasKind};

/// What is wrong with a configuration. Nothing was changed anywhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The configuration file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{path}, line {line}: {message}")]
    Syntax {
        /// The configuration file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// No such key exists.
    #[error("{origin}: unknown key \"{key}\"{}", Near(*near))]
    UnknownKey {
        /// Where it was set.
        origin: Origin,
        /// As it was written.
        key: String,
        /// The key that may have been meant.
        near: Option<&'static str>,
    },
    /// The password itself is in the file.
    #[error(
        "{origin}: the password does not belong here; put it into a file of its own and name it with \
         database_password_file, or set RINGMON_DATABASE_PASSWORD"
    )]
    PasswordInFile {
        /// Where it was set.
        origin: Origin,
    },
    /// A list or a table where a single value belongs.
    #[error("{origin}: {key} takes one value, not a {found}{}", Several(*key))]
    NotAValue {
        /// Where it was set.
        origin: Origin,
        /// The key with the list or table.
        key: Key,
        /// What was found instead of a value.
        found: &'static str,
    },
    /// A key without which nothing works.
    #[error(
        "{key} is not set: say {}, {}, or {key} = \"...\" in the configuration file{}",
        key.flag(),
        key.env(),
        Hint(hint)
    )]
    Missing {
        /// The missing key.
        key: Key,
        /// Why its value could not be found out.
        hint: String,
    },
    /// This machine does not have yet what would be found out: an interface that has no address at boot may get one.
    #[error(
        "{key} is not set: say {}, {}, or {key} = \"...\" in the configuration file ({why})",
        key.flag(),
        key.env()
    )]
    NotYet {
        /// The missing key.
        key: Key,
        /// What is not there.
        why: String,
    },
    /// A value that is unknown, or does not fit.
    #[error("{key} is {text:?} ({origin}): {problem}")]
    Bad {
        /// The key with this value.
        key: Key,
        /// As it was written.
        text: String,
        /// Where it was set.
        origin: Origin,
        /// What is wrong with the value.
        problem: Problem,
    },
    /// The interfaces of this machine cannot be listed.
    #[error("cannot list this machine's interfaces: {0}")]
    Interfaces(#[source] std::io::Error),
}

impl Error {
    /// The key that has to be corrected, if it is one.
    #[must_use]
    pub const fn key(&self) -> Option<Key> {
        match self {
            Self::NotAValue { key, .. }
            | Self::Missing { key, .. }
            | Self::NotYet { key, .. }
            | Self::Bad { key, .. } => Some(*key),
            Self::Read { .. }
            | Self::Syntax { .. }
            | Self::UnknownKey { .. }
            | Self::PasswordInFile { .. }
            | Self::Interfaces(_) => None,
        }
    }
}

impl Error {
    /// Whether it may be right soon, without anybody's doing: the interface or the address is not there yet.
    #[must_use]
    pub const fn may_come(&self) -> bool {
        matches!(self, Self::NotYet { .. } | Self::Bad { problem: Problem::Machine(_), .. })
    }
}

impl HasKind for Error {
    /// A mistake on the command line is one of usage.
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Bad { origin: Origin::Flag(_), problem, .. }
                if !matches!(problem, Problem::ReadFile(_) | Problem::Machine(_)) =>
            {
                ErrorKind::Usage
            }
            Self::NotYet { .. } | Self::Bad { problem: Problem::Machine(_), .. } => ErrorKind::Unavailable,
            Self::Bad { .. }
            | Self::Read { .. }
            | Self::Syntax { .. }
            | Self::UnknownKey { .. }
            | Self::PasswordInFile { .. }
            | Self::NotAValue { .. }
            | Self::Missing { .. }
            | Self::Interfaces(_) => ErrorKind::Configuration,
        }
    }
}

/// What is wrong with a value.
#[derive(Debug)]
pub enum Problem {
    /// It is not one of the known words.
    NotOneOf {
        /// The known words.
        allowed: Vec<&'static str>,
        /// The word that may have been meant.
        near: Option<&'static str>,
    },
    /// It is no number, or too small, or too large.
    NotANumber {
        /// The smallest allowed number.
        min: u64,
        /// The largest allowed number.
        max: u64,
    },
    /// It has another form. This is the expected one, with an example.
    NotA(&'static str),
    /// It is no database's URL. This is what the store says.
    DatabaseUrl(Box<crate::store::Error>),
    /// It is not allowed, or not together with another value. This sentence says why.
    Unfit(String),
    /// It does not fit this machine. This says why.
    Machine(String),
    /// The file that it names cannot be read.
    ReadFile(std::io::Error),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOneOf { allowed, near } => {
                write!(f, "it must be one of {}{}", allowed.join(", "), Near(*near))
            }
            Self::NotANumber { min, max } => write!(f, "it must be a whole number from {min} to {max}"),
            Self::NotA(what) => write!(f, "it must be {what}"),
            Self::DatabaseUrl(why) => {
                // The sentence around this one already says what it is about.
                if let crate::store::Error::Url { reason } = why.as_ref() { f.write_str(reason) } else { why.fmt(f) }
            }
            Self::Machine(why) | Self::Unfit(why) => f.write_str(why),
            Self::ReadFile(source) => write!(f, "cannot read that file: {source}"),
        }
    }
}

impl std::error::Error for Problem {}

/// "; did you mean ...?", or nothing.
struct Near(Option<&'static str>);

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(word) => write!(f, "; did you mean \"{word}\"?"),
            None => Ok(()),
        }
    }
}

/// How several values are written, for keys that take several.
struct Several(Key);

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.separator() {
            Some(mark) => write!(f, "; several are one text with \"{mark}\" between them"),
            None => Ok(()),
        }
    }
}

/// " (why)", or nothing.
struct Hint<'a>(&'a str);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}
