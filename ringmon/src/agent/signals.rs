//! SIGTERM and SIGINT ask for a clean shutdown, SIGHUP for the event log to be opened again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A clean shutdown.
    Stop,
    /// To open again what may have been moved away: logrotate sends SIGHUP for that.
    Reopen,
}

/// The signals that an agent obeys.
pub struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    /// From now on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The handlers could not be installed (signal(7)).
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them. Cancel-safe.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.term.recv() => Asked::Stop,
            _ = self.int.recv() => Asked::Stop,
            _ = self.hup.recv() => Asked::Reopen,
        }
    }

    /// Waits until one of them asks for a shutdown: at the start nothing is open yet. Cancel-safe.
    pub async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}
