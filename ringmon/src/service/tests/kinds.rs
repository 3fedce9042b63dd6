//! `tcp` and `http`, against servers on the loopback.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::check::Kind;
use super::super::{http, tcp};
use super::check;

/// Answers every request with these bytes; the task returns the request.
async fn answering(answer: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        // In pieces, as networks do.
        for piece in answer.chunks(7) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
        }
        String::from_utf8(request).unwrap()
    });
    (at, asked)
}

async fn get(at: SocketAddr, further: &str) -> Result<(), String> {
    let Kind::Http(target) = check(&format!("http://{at}/healthz?x=1{further}")).kind else { panic!("no http") };
    tokio::time::timeout(Duration::from_secs(10), http::get(&target)).await.expect("an answer")
}

#[tokio::test]
async fn a_status_that_is_good_passes() {
    for (answer, further, result) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..], "", Ok(())),
        (b"HTTP/1.0 302 Found\r\n\r\n", "", Ok(())),
        (b"HTTP/1.1 302 Found\r\n\r\n", " status=200-299", Err("status 302")),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "", Err("status 500")),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", " status=503", Ok(())),
        (b"HTTP/1.1 404 Not Found\n\n", "", Err("status 404")),
        (b"220 mail.example ESMTP\r\n", "", Err("the answer is no HTTP")),
        (b"", "", Err("closed without an answer")),
        (b"HTTP/1.1 200", "", Err("the answer is no HTTP")),
        (&[b'x'; 4096], "", Err("the answer is no HTTP")),
    ] {
        let (at, asked) = answering(answer).await;
        assert_eq!(get(at, further).await, result.map_err(str::to_owned), "{:?}", String::from_utf8_lossy(answer));
        // A sender of bytes that nobody reads may find the connection reset.
        if answer.len() < 4096 {
            let asked = asked.await.unwrap();
            assert!(
                asked.starts_with("GET /healthz?x=1 HTTP/1.1\r\n") && asked.contains(&format!("\r\nHost: {at}\r\n"))
            );
        }
    }
}

#[tokio::test]
async fn who_listens_passes_and_who_does_not_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    assert!(tcp::connect(at).await.is_ok());
    drop(listener);
    let why = tcp::connect(at).await.unwrap_err();
    assert_eq!(why, "cannot connect: Connection refused (os error 111)");
    assert_eq!(get(at, "").await, Err(why));
}
