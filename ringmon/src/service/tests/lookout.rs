//! What is watched between two checks, with real processes that hold real sockets.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::diag::{self, Destroyed};
use super::super::lookout::Lookout;
use super::super::systemd::Bus;
use super::{check, systemd};
use crate::show::Watched;

const SOON: Duration = Duration::from_secs(10);

/// A process that holds a socket as its standard input. It accepts nothing: the kernel does until the queue is full.
pub(super) struct Holder(pub Child);

impl Holder {
    pub fn of(listener: &TcpListener) -> Self {
        let socket = OwnedFd::from(listener.try_clone().unwrap());
        Self(Command::new("sleep").arg("1000").stdin(Stdio::from(socket)).spawn().unwrap())
    }
}

impl Drop for Holder {
    /// As `kill -9`.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

pub(super) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

async fn event(lookout: &mut Lookout) {
    tokio::time::timeout(SOON, lookout.event()).await.expect("an event");
}

async fn at_port(at: SocketAddr) -> Lookout {
    let mut lookout = Lookout::of(&check(&format!("tcp:{at}")).kind);
    lookout.look(&mut Bus::default(), true).await;
    lookout
}

fn both() -> Watched {
    Watched { process: true, socket: true, why: None }
}

#[tokio::test]
async fn a_socket_that_is_handed_on_is_left_by_its_last_process_only() {
    let (listener, at) = listen();
    let old = Holder::of(&listener);
    let new = Holder::of(&listener);
    drop(listener);
    let mut lookout = at_port(at).await;
    assert_eq!(*lookout.watched(), both());
    drop(old);
    event(&mut lookout).await;
    assert!(!lookout.port_is_left());
    lookout.look(&mut Bus::default(), false).await;
    assert_eq!(*lookout.watched(), both(), "the new one is watched as well");
    drop(new);
    event(&mut lookout).await;
    assert!(lookout.port_is_left());
    lookout.look(&mut Bus::default(), false).await;
    let why = "nobody listens on it in this network namespace".to_owned();
    assert_eq!(*lookout.watched(), Watched { why: Some(why), ..Watched::default() });
    assert!(!lookout.port_is_left(), "nobody has listened since");
}

#[tokio::test]
async fn a_socket_that_its_parent_keeps_is_not_left() {
    // As with the activation of sockets: this process will give it to the next one.
    let (listener, at) = listen();
    let process = Holder::of(&listener);
    let mut lookout = at_port(at).await;
    drop(process);
    event(&mut lookout).await;
    assert!(!lookout.port_is_left());
    lookout.look(&mut Bus::default(), false).await;
    assert_eq!(*lookout.watched(), both(), "the parent is watched as well");
    drop(listener);
    event(&mut lookout).await;
    assert!(lookout.port_is_left());
}

#[tokio::test]
async fn a_service_that_only_closes_its_socket_is_heard() {
    let (listener, at) = listen();
    let mut lookout = at_port(at).await;
    drop(listener);
    event(&mut lookout).await;
    assert!(lookout.port_is_left());
}

#[tokio::test]
async fn only_sockets_that_listen_on_these_ports_are_heard_of() {
    let (listener, at) = listen();
    let (other, elsewhere) = listen();
    let ports: BTreeSet<u16> = (1..=62).chain([at.port()]).collect();
    let ours = Destroyed::of(&ports).unwrap();
    let theirs = Destroyed::of(&[elsewhere.port()].into()).unwrap();
    for _ in 0..3 {
        let client = TcpStream::connect(at).unwrap();
        drop((listener.accept().unwrap(), client));
    }
    drop(other);
    tokio::time::timeout(SOON, theirs.one()).await.expect("it heard of its own");
    assert!(tokio::time::timeout(Duration::from_millis(50), ours.one()).await.is_err(), "none of them listened here");
    drop(listener);
    tokio::time::timeout(SOON, ours.one()).await.expect("this one did");
    assert!(Destroyed::of(&(1..=65).collect()).is_err());
}

#[test]
fn listeners_are_those_of_the_port_and_of_an_address_that_reaches_them() {
    let (listener, at) = listen();
    let any = TcpListener::bind("[::]:0").unwrap();
    let of = |port: u16, to: &str| {
        let to = SocketAddr::new(to.parse().unwrap(), port);
        diag::listeners(port).unwrap().iter().filter(|listener| listener.takes(to)).count()
    };
    assert_eq!((of(at.port(), "127.0.0.1"), of(at.port(), "127.0.0.2"), of(at.port(), "::1")), (1, 0, 0));
    let port = any.local_addr().unwrap().port();
    assert_eq!((of(port, "127.0.0.1"), of(port, "::1"), of(port, "::ffff:127.0.0.1")), (1, 1, 1));
    let all = diag::listeners(0).unwrap();
    assert!([at.port(), port].iter().all(|port| all.iter().any(|listener| listener.at.port() == *port)));
    drop(listener);
    assert_eq!(of(at.port(), "127.0.0.1"), 0);
}

#[tokio::test]
async fn what_cannot_be_watched_says_why() {
    let port = listen().1.port();
    for (text, why) in [
        (format!("tcp:127.0.0.1:{port}"), "nobody listens on it in this network namespace"),
        ("http://192.0.2.99/".to_owned(), "192.0.2.99 is no address of this server"),
        ("exec:/bin/true".to_owned(), "it names no port and no unit"),
    ] {
        let mut lookout = Lookout::of(&check(&text).kind);
        lookout.look(&mut Bus::default(), true).await;
        assert_eq!(lookout.watched().to_string(), format!("no: {why}"), "{text}");
        assert!(!lookout.port_is_left() && !lookout.unit_is_gone());
    }
}

#[tokio::test]
async fn a_unit_is_gone_with_its_process_and_all_its_sockets() {
    let (listener, _) = listen();
    let process = Holder::of(&listener);
    let (mut bus, _systemd) = systemd::pair(process.0.id()).await;
    let mut lookout = Lookout::of(&check("systemd:good").kind);
    lookout.look(&mut bus, true).await;
    assert_eq!(*lookout.watched(), both());
    drop(process);
    event(&mut lookout).await;
    assert!(!lookout.unit_is_gone(), "the parent still listens: systemd may start another process");
    drop(listener);
    event(&mut lookout).await;
    assert!(lookout.unit_is_gone());
    lookout.look(&mut bus, true).await;
    assert_eq!(lookout.watched().to_string(), "no: its process has just ended");
}
