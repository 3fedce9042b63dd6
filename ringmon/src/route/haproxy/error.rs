//! What can go wrong with HAProxy as a whole; what it says about one command is a [`super::command::Answer`].

use std::io;

/// Nothing more is done in this pass; HAProxy is asked anew what it has at the next.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nobody listens, or nobody may.
    #[error("cannot connect to HAProxy's socket {at}: {source}{}", hint(source))]
    Connect { at: String, source: io::Error },
    /// The connection broke. Commands may have been carried out.
    #[error("HAProxy's socket {at} broke off: {source}")]
    Broken { at: String, source: io::Error },
    /// No progress in time. Commands may have been carried out.
    #[error("HAProxy's socket {at} does not answer")]
    Late { at: String },
    /// An answer without end.
    #[error("HAProxy's socket {at} answers with more than {most} bytes: is that HAProxy?")]
    TooLong { at: String, most: usize },
    /// Fewer answers than commands: it went away in between. Some commands may have been carried out.
    #[error("HAProxy answered {answers} of {commands} commands")]
    Cut { answers: usize, commands: usize },
    /// The socket has the level `user` or `operator`.
    #[error(
        "HAProxy lets its socket {at} change nothing: write `level admin` on its line in haproxy.cfg, as in `stats socket {at} level admin`"
    )]
    Denied { at: String },
    /// `haproxy.cfg` has no such backend.
    #[error("HAProxy has no backend `{0}`")]
    NoBackend(String),
    /// What stands in the options would be another command.
    #[error("{0}")]
    Options(String),
    /// The answer to `show servers state` is not one.
    #[error("HAProxy's list of servers cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// HAProxy itself is not there, which is not a fault of anything that is written somewhere.
    pub(super) const fn is_away(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::Late { .. } | Self::Cut { .. } => true,
            Self::TooLong { .. }
            | Self::Denied { .. }
            | Self::NoBackend(_)
            | Self::Options(_)
            | Self::Unreadable(_) => false,
        }
    }
}

fn hint(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::PermissionDenied {
        "; `mode`, `user` and `group` on its line in haproxy.cfg say who may"
    } else {
        ""
    }
}
