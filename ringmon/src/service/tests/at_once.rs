//! Checks that come before their time, because something that they ask is gone. The interval is an hour: nothing here
//! can come from it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::super::{Need, Options, Service, Steps};
use super::check;
use super::lookout::{Holder, listen};
use super::running::{SOON, clock, next};
use ringmon_core::row::Health;

fn options(text: &str) -> Options {
    let twice = NonZeroU32::new(2).unwrap();
    Options {
        checks: vec![check(text)],
        interval: Duration::from_hours(1),
        timeout: Duration::from_secs(1),
        steps: Steps { rise: twice, fall: twice },
        need: Need::All,
    }
}

/// A service that passes its check, once what it listens on is watched.
async fn passing(text: &str) -> Service {
    let mut service = Service::start(options(text), &Handle::current(), clock);
    assert_eq!(next(&mut service).await, Health::Passing);
    let watched = async {
        while !service.shown()[0].watched.socket {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, watched).await.expect("it is watched");
    service
}

/// Waits for a check that was made after this. The kernel has queued it for whoever listens.
async fn checked(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let came = async {
        while listener.accept().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, came).await.expect("a check");
}

#[tokio::test]
async fn a_process_that_is_killed_fails_at_once() {
    let (listener, at) = listen();
    let process = Holder::of(&listener);
    drop(listener);
    let mut service = passing(&format!("tcp:{at}")).await;
    drop(process);
    assert_eq!(next(&mut service).await, Health::Failing, "one result is enough");
    let why = "cannot connect: Connection refused (os error 111)";
    assert_eq!(service.failing(), Some((format!("tcp:{at}"), why.to_owned())));
    service.stop().await;
}

#[tokio::test]
async fn while_somebody_listens_an_event_only_runs_the_check() {
    let (listener, at) = listen();
    let worker = Holder::of(&listener);
    let mut service = passing(&format!("tcp:{at}")).await;
    checked(&listener).await;
    // A worker, or a process whose parent keeps the socket for the next one.
    drop(worker);
    checked(&listener).await;
    drop(listener);
    assert_eq!(next(&mut service).await, Health::Failing, "the first change since it passed");
    service.stop().await;
}

#[tokio::test]
async fn one_of_several_sockets_on_a_port_may_go() {
    let of = |port| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        socket.listen(16).unwrap();
        TcpListener::from(socket)
    };
    let first = of(0);
    let at = first.local_addr().unwrap();
    let process = Holder::of(&first);
    drop(first);
    let mut service = passing(&format!("tcp:{at}")).await;
    // As a new version that starts beside the old one.
    let second = of(at.port());
    drop(process);
    checked(&second).await;
    drop(second);
    assert_eq!(next(&mut service).await, Health::Failing, "the first change since it passed");
    service.stop().await;
}

#[tokio::test]
async fn a_program_that_is_replaced_in_place_goes_on() {
    let (listener, at) = listen();
    let mut command = Command::new("sh");
    command.args(["-c", "read go; exec sleep 1000"]).stdin(Stdio::piped());
    let mut process = Holder(command.stdout(Stdio::from(OwnedFd::from(listener))).spawn().unwrap());
    drop(command);
    let mut service = passing(&format!("tcp:{at}")).await;
    process.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let replaced = async {
        while std::fs::read_to_string(format!("/proc/{}/comm", process.0.id())).unwrap() != "sleep\n" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, replaced).await.expect("another program");
    let said = tokio::time::timeout(Duration::from_millis(50), service.changed()).await;
    assert!(said.is_err(), "{said:?}");
    drop(process);
    assert_eq!(next(&mut service).await, Health::Failing);
    service.stop().await;
}

#[tokio::test]
async fn several_workers_that_end_are_one_failure() {
    let (listener, at) = listen();
    let workers = [Holder::of(&listener), Holder::of(&listener), Holder::of(&listener)];
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let (answer, mut answered) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let status = if *answer.borrow() == 0 { 200 } else { 500 };
            stream.write_all(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes()).await.unwrap();
            answer.send_modify(|count| *count += 1);
        }
    });
    let mut service = passing(&format!("http://{at}/")).await;
    answered.mark_unchanged();
    for worker in workers {
        drop(worker);
        tokio::time::timeout(SOON, answered.changed()).await.expect("a check").unwrap();
    }
    let said = tokio::time::timeout(Duration::from_millis(50), service.changed()).await;
    assert!(said.is_err(), "{said:?}");
    service.stop().await;
}
