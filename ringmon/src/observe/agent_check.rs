//! HAProxy's agent-check: whoever connects gets one line with what this server says about itself (HAProxy's
//! configuration manual, 5.2 `agent-check`).
//!
//! ```text
//!   ready up 100%\n                            a member of its ring whose service does not fail; its weight
//!   drain up 100%\n                            the same, and its row says that it drains
//!   ready down 100% #http check fails\n        its service fails
//!   maint\n                                    on no ring
//!   up\n, down #http check fails\n             its place is not known: HAProxy keeps its "ready", "drain" or "maint"
//! ```
//!
//! What arrives is not parsed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::Error;
use crate::show::Board;
use ringmon_core::Time;
use ringmon_core::row::Health;

/// A board is published several times a second. An older one comes from a loop that hangs.
const FRESH: Duration = Duration::from_secs(5);
/// A client has this long to take the answer.
const WITHIN: Duration = Duration::from_secs(1);
/// How many clients are answered at a time; the others wait in the listener's queue.
const AT_A_TIME: usize = 32;
/// `agent-send` text is read up to this length and dropped. What is left unread at the end would reset the connection,
/// answer included.
const DROPPED: u64 = 4096;
/// When a listener cannot accept (for example without free descriptors), it tries again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// What this server says of itself now, with the newline.
#[must_use]
pub fn answer(board: &Board, weight: u16, now: Time) -> String {
    let seen = &board.engine;
    let (health, why) = match seen.health {
        Health::Failing => ("down", format!(" #{}", failing(board))),
        Health::Passing | Health::Unknown => ("up", String::new()),
    };
    let known = now.since(seen.at) < FRESH;
    match seen.phase {
        "member" if known && seen.draining => format!("drain {health} {weight}%{why}\n"),
        "member" if known => format!("ready {health} {weight}%{why}\n"),
        "removed" | "leaving" | "stopped" if known => "maint\n".to_owned(),
        "joining" if known && seen.database_away.is_none() => "maint\n".to_owned(),
        // The server may have kept its place on the ring. An agent that lost sight of it must not take a working server
        // from its clients.
        _ => format!("{health}{why}\n"),
    }
}

/// Only the kind of the check: anybody who reaches the port can read this, and must not learn an address, a program or
/// its output.
fn failing(board: &Board) -> String {
    let failing = board.checks.iter().find(|view| view.passing == Some(false));
    let kind = failing.and_then(|view| view.check.split(':').next());
    kind.map_or_else(|| "the service fails".to_owned(), |kind| format!("{kind} check fails"))
}

/// Who has asked, and from which moment the last answer to each is. (An answer comes from the newest board, which may
/// be older than what has just been written.)
#[derive(Clone, Debug, Default)]
pub struct Askers(Arc<Mutex<BTreeMap<IpAddr, Time>>>);

impl Askers {
    /// How many are remembered; the ones that have been silent longest make room.
    const MOST: usize = 64;
    /// A client that has not asked for this long is not expected to ask again.
    const EXPECTED: Duration = Duration::from_secs(30);

    fn told(&self, who: IpAddr, of: Time) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(who, of);
        if known.len() > Self::MOST {
            let oldest = known.iter().min_by_key(|(_, at)| **at).map(|(who, _)| *who);
            known.retain(|who, _| Some(*who) != oldest);
        }
    }

    /// Every client that is expected to ask knows what was true at this moment; `None`: none is expected.
    #[must_use]
    pub fn all_know(&self, now: Time) -> Option<Time> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().copied().filter(|at| now.since(*at) < Self::EXPECTED).min()
    }
}

/// What it takes to answer.
#[derive(Clone, Debug)]
pub struct AgentCheck {
    /// The answers come from the newest board.
    pub board: watch::Receiver<Arc<Board>>,
    /// The share of clients, in per cent of the weight in HAProxy's configuration. A reload may change it.
    pub weight: Arc<AtomicU16>,
    /// The clock of the board's times.
    pub clock: fn() -> Time,
    /// Filled as clients take their answers.
    pub askers: Askers,
}

impl AgentCheck {
    /// Listens on `addr`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::ListenAgentCheck`]: nothing listens.
    pub async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
        TcpListener::bind(addr).await.map_err(|source| Error::ListenAgentCheck { addr, source })
    }

    /// Answers all clients, until the future is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(AT_A_TIME));
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let board = Arc::clone(&self.board.borrow());
                    let (line, of) =
                        (answer(&board, self.weight.load(Ordering::Relaxed), (self.clock)()), board.engine.at);
                    let askers = self.askers.clone();
                    tokio::spawn(async move {
                        // A client knows an answer only if it took it.
                        if let Ok(Ok(())) = tokio::time::timeout(WITHIN, say(stream, &line)).await {
                            askers.told(peer.ip(), of);
                        }
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!("an agent-check could not be answered: {error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Sends the line, and waits until the client has closed; HAProxy does that with a reset.
async fn say(mut stream: TcpStream, line: &str) -> std::io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await?;
    match tokio::io::copy(&mut (&mut stream).take(DROPPED), &mut tokio::io::sink()).await {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
