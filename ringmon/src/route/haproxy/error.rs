//! What can go wrong with HAProxy as a whole. Its answer to one command is a [`super::command::Answer`].

use std::io;

/// This pass ends here. The next one asks HAProxy again what it has.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nothing listens there, or ringmon is not allowed to connect.
    #[error("cannot connect to HAProxy's socket {at}: {source}{}", hint(source))]
    Connect { at: String, source: io::Error },
    /// The connection broke. Some commands may have been carried out.
    #[error("HAProxy's socket {at} broke off: {source}")]
    Broken { at: String, source: io::Error },
    /// No progress in time. Some commands may have been carried out.
    #[error("HAProxy's socket {at} does not answer")]
    Late { at: String },
    /// The answer does not end.
    #[error("HAProxy's socket {at} answers with more than {most} bytes: is that HAProxy?")]
    TooLong { at: String, most: usize },
    /// It went away in between. Some commands may have been carried out.
    #[error("HAProxy answered {answers} of {commands} commands")]
    Cut { answers: usize, commands: usize },
    /// The socket has the level `user` or `operator`.
    #[error(
        "HAProxy lets its socket {at} change nothing: write `level admin` on its line in haproxy.cfg, \
         as in `stats socket {at} level admin`"
    )]
    Denied { at: String },
    /// `haproxy.cfg` does not have it.
    #[error("HAProxy has no backend `{0}`")]
    NoBackend(String),
    /// The options would contain another command.
    #[error("{0}")]
    Options(String),
    /// The answer to `show servers state` is no such list.
    #[error("HAProxy's list of servers cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// HAProxy itself is not there. That is no mistake in any configuration.
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
