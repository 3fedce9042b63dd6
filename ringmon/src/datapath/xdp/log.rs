//! Puts the log lines of the BPF programs into the agent's log.

use aya::Ebpf;
use aya_log::EbpfLogger;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tracing::Level;

use crate::datapath::Error;

/// The number that the programs use for a level (aya-log-common).
#[must_use]
pub fn number(level: Option<Level>) -> u8 {
    match level {
        None => 0,
        Some(Level::ERROR) => 1,
        Some(Level::WARN) => 2,
        Some(Level::INFO) => 3,
        Some(Level::DEBUG) => 4,
        Some(Level::TRACE) => 5,
    }
}

/// Copies lines until it is dropped.
#[derive(Debug)]
pub struct Lines(JoinHandle<()>);

impl Lines {
    /// Starts on the current tokio runtime.
    ///
    /// # Errors
    /// The programs have no log, or the runtime does no I/O.
    pub fn start(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let logger = EbpfLogger::init_with_logger(ebpf, ToTracing)
            .map_err(|error| super::object::refused("read the BPF programs' log", &error))?;
        // SAFETY: the logger owns its file descriptor, keeps it while it lives, and never changes it.
        let logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
        let mut logger =
            logger.map_err(|error| Error::System { what: "wait for the BPF programs' log", source: error.into() })?;
        Ok(Self(tokio::spawn(async move {
            while let Ok(mut guard) = logger.readable_mut().await {
                guard.get_inner_mut().flush();
                guard.clear_ready();
            }
        })))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct ToTracing;

impl log::Log for ToTracing {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        let line = record.args();
        match record.level() {
            log::Level::Error => tracing::error!(target: "ringmon::bpf", "{line}"),
            log::Level::Warn => tracing::warn!(target: "ringmon::bpf", "{line}"),
            log::Level::Info => tracing::info!(target: "ringmon::bpf", "{line}"),
            log::Level::Debug => tracing::debug!(target: "ringmon::bpf", "{line}"),
            log::Level::Trace => tracing::trace!(target: "ringmon::bpf", "{line}"),
        }
    }

    fn flush(&self) {}
}
