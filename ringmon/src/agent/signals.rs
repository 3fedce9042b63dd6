//! What signals ask of an agent.
//!
//! ```text
//!   SIGTERM, SIGINT   stop as configured (`on_stop`)
//!   SIGUSR1           stop and stay: keep the place on the ring
//!   SIGUSR2           stop and leave the ring
//!   SIGHUP            read the configuration again, and open the event log again
//! ```

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::OnStop;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A clean shutdown: as this says, or as configured.
    Stop(Option<OnStop>),
    /// To read again what may be read again. logrotate sends SIGHUP too, so it always ends nobody.
    Reload,
}

/// The signals that an agent obeys.
pub struct Signals {
    term: Signal,
    int: Signal,
    stay: Signal,
    leave: Signal,
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
            stay: signal(SignalKind::user_defined1())?,
            leave: signal(SignalKind::user_defined2())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them. Cancel-safe.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.term.recv() => Asked::Stop(None),
            _ = self.int.recv() => Asked::Stop(None),
            _ = self.stay.recv() => Asked::Stop(Some(OnStop::Stay)),
            _ = self.leave.recv() => Asked::Stop(Some(OnStop::Leave)),
            _ = self.hup.recv() => Asked::Reload,
        }
    }

    /// Waits until one of them asks for a shutdown: at the start nothing is open yet. Cancel-safe.
    pub async fn stop(&mut self) {
        while self.next().await == Asked::Reload {}
    }
}
