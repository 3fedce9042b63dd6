//! The task that serves the socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::codec::{LENGTH, Packet, decode, encode, plain};
use super::outbox::{Due, Outbox};
use super::seen::Seen;
use super::stats::Counters;
use super::tag::{Keys, Route};
use ringmon_core::Notice;

/// The pause after an error of the kernel, so that a lasting error does not make a busy loop.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) keys: RwLock<Keys>,
    pub(super) counters: Counters,
    /// Notices that are neither acknowledged nor given up yet.
    pub(super) under_way: watch::Sender<usize>,
    /// How many notices each receiver never acknowledged.
    pub(super) undelivered: Mutex<BTreeMap<IpAddr, u64>>,
}

impl Shared {
    /// As many receivers are told apart as have ever been buddies of a server, and not every address of a network.
    const PEERS: usize = 64;

    /// This receiver has not acknowledged a notice.
    fn gave_up(&self, to: IpAddr) {
        let mut undelivered = self.undelivered.lock().unwrap_or_else(PoisonError::into_inner);
        if undelivered.len() >= Self::PEERS && !undelivered.contains_key(&to) {
            let least = undelivered.iter().min_by_key(|(_, count)| **count).map(|(peer, _)| *peer);
            least.and_then(|peer| undelivered.remove(&peer));
        }
        *undelivered.entry(to).or_default() += 1;
    }

    /// One notice fewer is under way.
    pub(super) fn settled(&self) {
        self.under_way.send_modify(|n| *n = n.saturating_sub(1));
    }

    /// A panic of another thread that held the lock cannot have damaged the keys.
    pub(super) fn keys(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) struct Task {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Receiver<(SocketAddr, Notice)>,
    pub(super) inbox: mpsc::Sender<(SocketAddr, Notice)>,
    pub(super) outbox: Outbox,
    pub(super) seen: Seen,
    pub(super) next_nonce: u64,
}

impl Task {
    /// Serves until the handle is dropped.
    pub(super) async fn run(mut self) {
        // One byte more than a datagram may have, to notice longer ones.
        let mut buffer = [0; LENGTH + 1];
        loop {
            let due = self.outbox.next_due();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some((to, notice)) => self.take_on(to, notice),
                    None => return,
                },
                received = self.socket.recv_from(&mut buffer) => match received {
                    Ok((length, from)) => self.handle(&buffer[..length], plain(from)).await,
                    Err(error) => {
                        tracing::debug!("cannot receive notices: {error}");
                        Counters::one(&self.shared.counters.receive_errors);
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
            }
            self.send_due().await;
        }
    }

    fn take_on(&mut self, to: SocketAddr, notice: Notice) {
        let nonce = self.next_nonce;
        self.next_nonce = nonce.wrapping_add(1);
        let counters = &self.shared.counters;
        let taken = self.outbox.push(Instant::now(), nonce, plain(to), notice);
        Counters::one(if taken { &counters.sent } else { &counters.dropped });
        if !taken {
            self.shared.settled();
        }
    }

    async fn send_due(&mut self) {
        while let Some(due) = self.outbox.pop_due(Instant::now()) {
            match due {
                Due::GaveUp(to) => {
                    Counters::one(&self.shared.counters.given_up);
                    self.shared.gave_up(to.ip());
                    self.shared.settled();
                }
                Due::Send { to, nonce, notice, again } => {
                    if again {
                        Counters::one(&self.shared.counters.resent);
                    }
                    // Without a key nothing is sent this time; there may be one at the next.
                    if let Some(key_id) = self.shared.keys().current() {
                        self.transmit(to, &Packet { key_id, nonce, notice: Some(notice) }).await;
                    }
                }
            }
        }
    }

    async fn transmit(&self, to: SocketAddr, packet: &Packet) {
        let Some(datagram) = encode(packet, &self.shared.keys(), Route::new(self.local, to)) else { return };
        if let Err(error) = self.socket.send_to(&datagram, to).await {
            tracing::debug!("cannot send a notice to {to}: {error}");
            Counters::one(&self.shared.counters.send_errors);
        }
    }

    async fn handle(&mut self, datagram: &[u8], from: SocketAddr) {
        let counters = &self.shared.counters;
        match decode(datagram, &self.shared.keys(), Route::new(from, self.local)) {
            Err(why) => counters.refused(why),
            Ok(Packet { nonce, notice: None, .. }) => {
                let ours = self.outbox.acknowledged(from, nonce);
                Counters::one(if ours { &counters.acknowledged } else { &counters.stray_acknowledgements });
                if ours {
                    self.shared.settled();
                }
            }
            Ok(Packet { key_id, nonce, notice: Some(notice) }) => {
                if self.seen.contains(from, nonce) {
                    Counters::one(&counters.duplicates);
                } else if self.inbox.try_send((from, notice)).is_ok() {
                    self.seen.insert(from, nonce);
                    Counters::one(&counters.received);
                } else {
                    Counters::one(&counters.overflowed);
                    return;
                }
                self.transmit(from, &Packet { key_id, nonce, notice: None }).await;
            }
        }
    }
}
