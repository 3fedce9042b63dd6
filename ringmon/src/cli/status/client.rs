//! As much of an HTTP client as one GET on this machine needs (RFC 9112), without a crate for it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::super::exit::Error;

/// In bytes. A longer answer is not an agent's.
const LARGEST: u64 = 8 << 20;
/// A living agent answers within this time.
const PATIENCE: Duration = Duration::from_secs(3);

/// The body of the answer to `GET path`, if the answer is 200.
///
/// # Errors
/// [`Error::Unavailable`]: nothing answers, or not as an agent does.
pub fn get(addr: SocketAddr, path: &str) -> Result<Vec<u8>, Error> {
    let answer = exchange(addr, path).map_err(|error| {
        Error::Unavailable(format!("no agent answers on {addr} ({error}); is `ringmon agent` running on this server?"))
    })?;
    body(&answer).ok_or_else(|| Error::Unavailable(format!("what answers on {addr} is no ringmon agent")))
}

/// HTTP/1.0: one request for each connection, the answer ends with the connection, and there are no chunks.
fn exchange(addr: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {addr}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer)?;
    Ok(answer)
}

/// What follows the head of a 200.
fn body(answer: &[u8]) -> Option<Vec<u8>> {
    let head_end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let status = answer.split(|&byte| byte == b' ').nth(1)?;
    (answer.starts_with(b"HTTP/1.") && status == b"200").then(|| answer[head_end + 4..].to_vec())
}
