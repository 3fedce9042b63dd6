//! Passes if HTTP answers with a good status.
//!
//! A request and its status line are all that it needs (RFC 9112, sections 3 and 4), and both have a limit. A library's
//! client would read heads and bodies for as long as the service sends them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub at: SocketAddr,
    /// As it was typed, for the `Host` field.
    pub host: String,
    pub path: String,
    /// The lowest and the highest good status.
    pub status: (u16, u16),
}

/// The longest status line, in bytes.
const LINE: usize = 512;

pub(super) async fn get(target: &Target) -> Result<(), String> {
    let Target { at, host, path, status: (low, high) } = target;
    let mut stream = super::tcp::connect(*at).await?;
    let agent = concat!("ringmon/", env!("CARGO_PKG_VERSION"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| format!("cannot send the request: {error}"))?;
    let (mut line, mut len) = ([0; LINE], 0);
    while !line[..len].contains(&b'\n') {
        let read = stream.read(&mut line[len..]).await.map_err(|error| format!("no answer: {error}"))?;
        if read == 0 {
            return Err(if len == 0 { "closed without an answer" } else { "the answer is no HTTP" }.to_owned());
        }
        len += read;
    }
    tokio::spawn(hear_out(stream));
    match status(&line[..len]) {
        Some(status) if (*low..=*high).contains(&status) => Ok(()),
        Some(status) => Err(format!("status {status}")),
        None => Err("the answer is no HTTP".to_owned()),
    }
}

/// The number in `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5).filter(|digits| rest.get(1) == Some(&b' ') && digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A client that closes with something unread resets the connection, and many servers log that as an error, every two
/// seconds. So what is short is read to its end. A server that does not close although it was asked to is not waited
/// for: a connection that stays looks like a client's.
async fn hear_out(mut stream: TcpStream) {
    const SHORT: usize = 64 << 10;
    const SILENCE: Duration = Duration::from_millis(100);
    let rest = async {
        let (mut piece, mut len) = ([0; 1024], 0);
        while len < SHORT {
            match tokio::time::timeout(SILENCE, stream.read(&mut piece)).await {
                Ok(Ok(read)) if read > 0 => len += read,
                Ok(_) | Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_status_lines_have_a_status() {
        for (line, status) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\r\n", Some(503)),
            ("HTTP/1.1 +20 OK\r\n", None),
            ("HTTP/1.1 20\r\n", None),
            ("HTTP/2 200\r\n", None),
            ("SSH-2.0-x\r\n", None),
            ("\n", None),
        ] {
            assert_eq!(super::status(line.as_bytes()), status, "{line:?}");
        }
    }
}
