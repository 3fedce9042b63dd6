use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch as channel;

use super::super::{Error, Origin, listen, serve};
use super::exposition::read;
use super::{board, watch};
use crate::show::Board;
use ringmon_core::{Snapshot, Time};

/// A server on loopback that ends with the test's runtime, and the sender of its boards.
async fn server(first: Arc<Board>) -> (SocketAddr, channel::Sender<Arc<Board>>) {
    let (sender, boards) = channel::channel(first);
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, boards, super::origin()));
    (addr, sender)
}

/// Status line, headers and body of a GET.
async fn get(addr: SocketAddr, path: &str) -> (String, String, String) {
    get_with(addr, path, "").await
}

async fn get_with(addr: SocketAddr, path: &str, fields: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{fields}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (status.to_owned(), headers.to_lowercase(), body.to_owned())
}

fn in_phase(phase: &'static str) -> Arc<Board> {
    Arc::new(Board { engine: Snapshot { phase, ..Snapshot::default() }, ..Board::default() })
}

#[tokio::test]
async fn metrics_come_from_the_newest_board_in_the_form_that_is_asked_for() {
    const OPEN: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let (addr, boards) = server(board(vec![watch(0, "b", "alive")])).await;
    let (status, headers, body) = get(addr, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("content-type: text/plain; version=0.0.4"), "{headers}");
    assert!(body.contains("# TYPE ringmon_votes_total counter\n") && !body.contains("# EOF"), "{body}");
    let (status, headers, body) = get_with(addr, "/metrics", OPEN).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("content-type: application/openmetrics-text; version=1.0.0"), "{headers}");
    assert_eq!(read(&body).unwrap().value("ringmon_votes_total", &[]), Some(4.0));
    boards.send(in_phase("joining")).unwrap();
    let (_, _, body) = get_with(addr, "/metrics", OPEN).await;
    assert_eq!(read(&body).unwrap().value("ringmon_votes_total", &[]), Some(0.0));
}

#[tokio::test]
async fn ready_means_member_and_healthy_means_alive() {
    let (addr, boards) = server(in_phase("joining")).await;
    let (status, _, body) = get(addr, "/readyz").await;
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 503 Service Unavailable", "not on the ring: joining\n"));
    assert_eq!(get(addr, "/healthz").await.0, "HTTP/1.1 200 OK");
    boards.send(in_phase("member")).unwrap();
    assert_eq!(get(addr, "/readyz").await.0, "HTTP/1.1 200 OK");
    boards.send(in_phase("removed")).unwrap();
    assert_eq!(get(addr, "/readyz").await.0, "HTTP/1.1 503 Service Unavailable");
}

#[tokio::test]
async fn a_loop_that_hangs_is_not_healthy() {
    // The clock of these tests says 11 s.
    let at = |seconds: u64| {
        let engine = Snapshot { at: Time::from_ns(seconds * 1_000_000_000), ..Snapshot::default() };
        Arc::new(Board { engine, ..Board::default() })
    };
    let (addr, boards) = server(at(10)).await;
    assert_eq!(get(addr, "/healthz").await.0, "HTTP/1.1 200 OK");
    boards.send(at(0)).unwrap();
    assert_eq!(get(addr, "/healthz").await.0, "HTTP/1.1 200 OK", "nothing was published yet");
    let late = Origin { clock: || Time::from_ns(41_000_000_000), ..super::origin() };
    let (sender, boards) = channel::channel(at(10));
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, boards, late));
    let (status, _, body) = get(addr, "/healthz").await;
    assert_eq!(
        (status.as_str(), body.as_str()),
        ("HTTP/1.1 503 Service Unavailable", "its loop has not turned for 31 s\n")
    );
    drop(sender);
}

#[tokio::test]
async fn the_board_is_served_as_json() {
    let (addr, _boards) = server(board(vec![watch(0, "b", "alive")])).await;
    let (status, headers, body) = get(addr, "/status").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("content-type: application/json"), "{headers}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["engine"]["watches"][0]["name"], "b");
    assert_eq!(json["engine"]["held"]["too_young"], 3);
}

#[tokio::test]
async fn other_paths_are_refused() {
    let (addr, _boards) = server(in_phase("member")).await;
    assert_eq!(get(addr, "/secrets").await.0, "HTTP/1.1 404 Not Found");
    assert_eq!(get(addr, "/").await.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let (addr, _boards) = server(in_phase("member")).await;
    let error = listen(addr).await.unwrap_err();
    assert!(matches!(&error, Error::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse));
    assert!(error.to_string().starts_with(&format!("cannot listen for HTTP on {addr}: ")), "{error}");
}
