//! Authenticated, acknowledged datagrams between agents: hints to re-read, never the truth.
//!
//! ```text
//! send --> outbox --(0, 20, 60, 150, 400 ms, until acknowledged)--> socket ~~~> socket --> verify --> seen? --> recv
//!                 <------------------- acknowledgement ------------------- <~~~ also for one that was seen
//! ```
//!
//! A lost notice costs time, never correctness: after the last send it is forgotten, and counted. The bytes are in
//! `docs/notices.md`.

mod codec;
mod outbox;
mod seen;
mod stats;
mod tag;
mod task;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use crate::show::{ErrorKind, HasKind};
use outbox::Outbox;
use ringmon_core::Notice;
use ringmon_core::row::PoolKey;
use stats::Counters;
use tag::Keys;
use task::{Shared, Task};

pub use stats::NoticeStats;

/// Bounds the notices that wait for [`Notices::recv`], and the calls of [`Notices::send`] that wait for the task.
const QUEUE: usize = 256;

/// A socket for notices and the task that serves it. Dropping it ends both, after a first send of what was just given
/// to it.
#[derive(Debug)]
pub struct Notices {
    local: SocketAddr,
    shared: Arc<Shared>,
    commands: mpsc::Sender<(SocketAddr, Notice)>,
    inbox: Mutex<mpsc::Receiver<(SocketAddr, Notice)>>,
}

impl Notices {
    /// Listens for notices on `addr` and sends from it. The address is part of every tag, so it must be a real address
    /// of this machine and not the wildcard. Port 0 takes a free port. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error`]: nothing was opened.
    pub fn bind(addr: SocketAddr, keys: Vec<PoolKey>) -> Result<Self, Error> {
        Self::forgetting_after(outbox::FORGET, addr, keys)
    }

    fn forgetting_after(forget: Duration, addr: SocketAddr, keys: Vec<PoolKey>) -> Result<Self, Error> {
        if addr.ip().is_unspecified() {
            return Err(Error::Wildcard(addr));
        }
        let listen = |source| Error::Listen { addr, source };
        let socket = std::net::UdpSocket::bind(addr).map_err(listen)?;
        socket.set_nonblocking(true).map_err(listen)?;
        let local = codec::plain(socket.local_addr().map_err(listen)?);
        let socket = tokio::net::UdpSocket::from_std(socket).map_err(listen)?;
        let shared = Arc::new(Shared::default());
        let (commands, command_queue) = mpsc::channel(QUEUE);
        let (inbox, notices) = mpsc::channel(QUEUE);
        let task = Task {
            socket,
            local,
            shared: Arc::clone(&shared),
            commands: command_queue,
            inbox,
            outbox: Outbox::new(forget),
            seen: seen::Seen::default(),
            // Random, so that the nonces of one life of an agent differ from those of its next.
            next_nonce: rand::random(),
        };
        tokio::spawn(task.run());
        let notices = Self { local, shared, commands, inbox: Mutex::new(notices) };
        notices.set_keys(keys);
        Ok(notices)
    }

    /// The address that it listens on, with the port that was taken for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends `notice` to `to` now, and again until it is acknowledged or five sends got no answer. Never blocks: when
    /// too many are under way, the notice is dropped and counted.
    pub fn send(&self, to: SocketAddr, notice: Notice) {
        self.shared.under_way.send_modify(|n| *n += 1);
        if self.commands.try_send((to, notice)).is_err() {
            Counters::one(&self.shared.counters.dropped);
            self.shared.settled();
        }
    }

    /// Waits until every notice that was given to [`Self::send`] is acknowledged or given up: at most 0.8 s after the
    /// last. This is for a clean end. Dropping the handle without it only loses the retries. Cancel-safe.
    pub async fn settle(&self) {
        // `self` holds the sender, so it cannot be gone.
        let _ = self.shared.under_way.subscribe().wait_for(|&n| n == 0).await;
    }

    /// The next notice, and where it came from: well tagged, acknowledged, not seen before. Cancel-safe.
    pub async fn recv(&self) -> (SocketAddr, Notice) {
        match self.inbox.lock().await.recv().await {
            Some(received) => received,
            // The task ends only with this handle. If it panicked, no notice will come any more.
            None => std::future::pending().await,
        }
    }

    /// From now on accepts these keys, and sends with the first.
    pub fn set_keys(&self, keys: Vec<PoolKey>) {
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = Keys::derive(&keys);
    }

    /// How many notices each of up to 64 receivers never acknowledged. `None`: they are just being counted, and nobody
    /// waits for that.
    #[must_use]
    pub fn undelivered(&self) -> Option<BTreeMap<IpAddr, u64>> {
        self.shared.undelivered.try_lock().ok().map(|counts| counts.clone())
    }

    /// Counts since the start, by what became of a notice.
    #[must_use]
    pub fn stats(&self) -> NoticeStats {
        self.shared.counters.read()
    }
}

/// The own address that datagrams to `to` leave from. A connected socket knows it, and nothing is sent.
///
/// # Errors
/// As connect(2): there is no route.
pub fn towards(to: SocketAddr) -> std::io::Result<std::net::IpAddr> {
    let any: std::net::IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

/// Why there is no socket for notices. Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tag covers the address, so it cannot be the wildcard.
    #[error("notices need an address of this machine, not {0}")]
    Wildcard(SocketAddr),
    /// The kernel refused the address.
    #[error("cannot listen for notices on {addr} (udp): {source}")]
    Listen {
        /// As it was asked for.
        addr: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Wildcard(_) => ErrorKind::Unexpected,
            Self::Listen { source, .. } => ErrorKind::of_named(source),
        }
    }
}
