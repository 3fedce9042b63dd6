//! Real sockets on loopback. A fake end that drops datagrams makes the loss: a proxy in between would have another
//! address, and the tag would show that.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::super::codec::{LENGTH, Packet, decode, encode};
use super::super::tag::{Keys, Route};
use super::super::{Error, NoticeStats, Notices};
use super::{key, voted};

const ANY: &str = "127.0.0.1:0";

/// It never gives up: an acknowledgement may take as long as a busy machine needs.
fn notices() -> Notices {
    Notices::forgetting_after(Duration::from_secs(3600), ANY.parse().unwrap(), vec![key(1, 7)]).unwrap()
}

/// It gives up as agents do.
fn impatient() -> Notices {
    Notices::bind(ANY.parse().unwrap(), vec![key(1, 7)]).unwrap()
}

/// Fails loudly instead of hanging; the time is long enough for any busy machine.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("nothing happened for 20 s")
}

async fn until(notices: &Notices, condition: impl Fn(&NoticeStats) -> bool) -> NoticeStats {
    soon(async {
        loop {
            let stats = notices.stats();
            if condition(&stats) {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
}

/// The other end, which the test plays itself.
struct Fake {
    socket: UdpSocket,
    keys: Keys,
}

impl Fake {
    async fn new() -> Self {
        Self { socket: UdpSocket::bind(ANY).await.unwrap(), keys: Keys::derive(&[key(1, 7)]) }
    }

    fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    async fn send(&self, to: SocketAddr, packet: &Packet) {
        let datagram = encode(packet, &self.keys, Route::new(self.addr(), to)).unwrap();
        self.socket.send_to(&datagram, to).await.unwrap();
    }

    async fn recv(&self) -> (SocketAddr, Packet) {
        let mut buffer = [0; LENGTH];
        let (length, from) = soon(self.socket.recv_from(&mut buffer)).await.unwrap();
        (from, decode(&buffer[..length], &self.keys, Route::new(from, self.addr())).unwrap())
    }
}

#[tokio::test]
async fn a_notice_arrives_and_is_acknowledged() {
    let (a, b) = (notices(), notices());
    a.send(b.local_addr(), voted(5));
    assert_eq!(soon(b.recv()).await.1, voted(5));
    let stats = until(&a, |stats| stats.acknowledged == 1).await;
    assert_eq!((stats.sent, stats.given_up), (1, 0));
}

#[tokio::test]
async fn lost_notices_are_sent_again_until_acknowledged() {
    let (a, b) = (notices(), Fake::new().await);
    a.send(b.addr(), voted(5));
    let (_, first) = b.recv().await;
    let (_, second) = b.recv().await;
    let (from, third) = b.recv().await;
    assert_eq!((&first, &second), (&third, &third), "the same nonce each time");
    b.send(from, &Packet { notice: None, ..third }).await;
    let stats = until(&a, |stats| stats.acknowledged == 1).await;
    assert!(stats.resent >= 2 && stats.given_up == 0, "{stats:?}");
}

#[tokio::test]
async fn a_notice_to_nobody_is_given_up() {
    let (a, silent) = (impatient(), Fake::new().await);
    a.send(silent.addr(), voted(5));
    let stats = until(&a, |stats| stats.given_up == 1).await;
    assert_eq!((stats.resent, stats.acknowledged), (4, 0));
}

#[tokio::test]
async fn a_repeated_notice_is_acknowledged_again_and_handed_on_once() {
    let (a, b) = (Fake::new().await, notices());
    let packet = Packet { key_id: 1, nonce: 9, notice: Some(voted(5)) };
    for _ in 0..3 {
        a.send(b.local_addr(), &packet).await;
        let (_, answer) = a.recv().await;
        assert_eq!(answer, Packet { notice: None, ..packet.clone() });
    }
    a.send(b.local_addr(), &Packet { nonce: 10, notice: Some(voted(6)), ..packet }).await;
    assert_eq!(soon(b.recv()).await.1, voted(5));
    assert_eq!(soon(b.recv()).await.1, voted(6), "and not the first once more");
    assert_eq!(b.stats().duplicates, 2);
}

#[tokio::test]
async fn strangers_and_forgers_get_no_answer() {
    let (forger, b) = (Fake::new().await, notices());
    let wrong = Fake { socket: UdpSocket::bind(ANY).await.unwrap(), keys: Keys::derive(&[key(1, 99), key(2, 7)]) };
    wrong.send(b.local_addr(), &Packet { key_id: 1, nonce: 1, notice: Some(voted(5)) }).await;
    wrong.send(b.local_addr(), &Packet { key_id: 2, nonce: 2, notice: Some(voted(5)) }).await;
    forger.socket.send_to(b"hello", b.local_addr()).await.unwrap();
    forger.socket.send_to(&[0; LENGTH * 2], b.local_addr()).await.unwrap();
    let stats = until(&b, |s| s.bad_tag + s.unknown_key + s.foreign == 4).await;
    assert_eq!((stats.bad_tag, stats.unknown_key, stats.foreign, stats.received), (1, 1, 2, 0));
    let mut buffer = [0; LENGTH];
    assert!(wrong.socket.try_recv(&mut buffer).is_err() && forger.socket.try_recv(&mut buffer).is_err());
}

#[tokio::test]
async fn a_rotation_of_keys_loses_nothing() {
    let (a, b) = (notices(), notices());
    b.set_keys(vec![key(2, 8), key(1, 7)]);
    a.send(b.local_addr(), voted(5));
    assert_eq!(soon(b.recv()).await.1, voted(5));
    until(&a, |stats| stats.acknowledged == 1).await;
    a.set_keys(vec![key(2, 8), key(1, 7)]);
    b.send(a.local_addr(), voted(6));
    assert_eq!(soon(a.recv()).await.1, voted(6));
    until(&b, |stats| stats.acknowledged == 1).await;
}

#[tokio::test]
async fn a_cancelled_recv_loses_nothing() {
    let (a, b) = (notices(), notices());
    for _ in 0..5 {
        let _ = tokio::time::timeout(Duration::ZERO, b.recv()).await;
    }
    a.send(b.local_addr(), voted(5));
    assert_eq!(soon(b.recv()).await.1, voted(5));
}

#[tokio::test]
async fn nobody_fetching_leaves_notices_unacknowledged() {
    let (a, b) = (Fake::new().await, notices());
    let mut nonce = 0;
    soon(async {
        while b.stats().overflowed == 0 {
            nonce += 1;
            a.send(b.local_addr(), &Packet { key_id: 1, nonce, notice: Some(voted(5)) }).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(b.stats().received >= 256);
}

#[tokio::test]
async fn the_wildcard_and_a_taken_port_are_refused_by_name() {
    let wildcard = Notices::bind("0.0.0.0:7464".parse().unwrap(), Vec::new()).unwrap_err();
    assert_eq!(wildcard.to_string(), "notices need an address of this machine, not 0.0.0.0:7464");
    let a = notices();
    let taken = Notices::bind(a.local_addr(), Vec::new()).unwrap_err();
    assert!(matches!(&taken, Error::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse));
    assert!(taken.to_string().starts_with(&format!("cannot listen for notices on {} (udp): ", a.local_addr())));
}

#[tokio::test]
async fn settling_waits_for_the_acknowledgement() {
    let (a, b) = (notices(), Fake::new().await);
    soon(a.settle()).await;
    a.send(b.addr(), voted(5));
    let (from, packet) = b.recv().await;
    let early = tokio::time::timeout(Duration::ZERO, a.settle()).await;
    assert!(early.is_err(), "nobody has acknowledged it yet");
    b.send(from, &Packet { notice: None, ..packet }).await;
    soon(a.settle()).await;
    assert_eq!(a.stats().acknowledged, 1);
}

#[tokio::test]
async fn settling_waits_no_longer_than_until_the_giving_up() {
    let (a, silent) = (impatient(), Fake::new().await);
    a.send(silent.addr(), voted(5));
    soon(a.settle()).await;
    assert_eq!(a.stats().given_up, 1);
}

#[tokio::test]
async fn a_notice_given_just_before_the_end_is_still_sent() {
    let (a, b) = (notices(), notices());
    a.send(b.local_addr(), voted(5));
    drop(a);
    assert_eq!(soon(b.recv()).await.1, voted(5));
}

#[tokio::test]
async fn dropping_the_handle_frees_the_port() {
    let a = notices();
    let addr = a.local_addr();
    drop(a);
    soon(async {
        while Notices::bind(addr, Vec::new()).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
