//! Makes one HTTP request in a namespace.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

use crate::namespace::Namespace;

/// The whole answer, head and body.
///
/// # Errors
/// Nothing listens there, or no answer comes within ten seconds.
pub fn get(namespace: &Namespace, at: SocketAddr, path: &str) -> anyhow::Result<String> {
    let stream = namespace.run(move || TcpStream::connect(at))?;
    let mut stream = stream.with_context(|| format!("nobody listens for HTTP at {at}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).context("a socket without timeouts")?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .with_context(|| format!("{at} does not answer {path}"))?;
    Ok(answer)
}

/// Only the body of a good answer.
///
/// # Errors
/// As [`get`]; or the status is not 200.
pub fn body(namespace: &Namespace, at: SocketAddr, path: &str) -> anyhow::Result<String> {
    let answer = get(namespace, at, path)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no HTTP: {answer}"))?;
    anyhow::ensure!(head.lines().next().is_some_and(|line| line.contains(" 200 ")), "{path}: {head}\n{body}");
    // Each chunk (RFC 9112, 7.1) has its length before it, in a line of its own.
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Ok(body.to_owned());
    }
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((length, behind)) = rest.split_once("\r\n") {
        let length =
            usize::from_str_radix(length.trim(), 16).with_context(|| format!("no length of a chunk: {length}"))?;
        if length == 0 {
            break;
        }
        whole.push_str(behind.get(..length).context("a chunk that is cut short")?);
        rest = behind.get(length..).unwrap_or_default().trim_start_matches("\r\n");
    }
    Ok(whole)
}
