//! Clients that keep asking, and the result of each request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::now_ns;
use crate::namespace::Namespace;

/// How many clients there are, and how often each asks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many.
    pub clients: usize,
    /// The time between two requests of a client. The next one waits for the answer to the last.
    pub every: Duration,
    /// A request without an answer after this time has failed.
    pub patience: Duration,
}

/// One request, with times in nanoseconds of the monotonic clock.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it was sent.
    pub sent_ns: u64,
    /// When it was answered, or given up.
    pub done_ns: u64,
    /// The name in the answer; or why there was none.
    pub answer: Result<String, String>,
}

/// The running clients. They ask until this is dropped.
#[derive(Debug)]
pub struct Clients {
    ending: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<Request>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts them in this namespace.
    #[must_use]
    pub fn start(namespace: &Namespace, to: SocketAddr, pace: Pace) -> Self {
        let (ending, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let threads = (0..pace.clients)
            .map(|number| {
                let (ending, requests, namespace) = (Arc::clone(&ending), Arc::clone(&requests), namespace.clone());
                // Spread over the interval, so that they do not all ask at the same moment.
                let first =
                    pace.every * u32::try_from(number).unwrap_or_default() / u32::try_from(pace.clients).unwrap_or(1);
                std::thread::spawn(move || {
                    std::thread::sleep(first);
                    let mut client = Client { namespace, to, patience: pace.patience, stream: None };
                    let mut next = Instant::now();
                    while !ending.load(Ordering::Relaxed) {
                        let sent_ns = now_ns();
                        let answer = client.ask();
                        let request = Request { sent_ns, done_ns: now_ns(), answer };
                        requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                        next = (next + pace.every).max(Instant::now());
                        std::thread::sleep(next - Instant::now().min(next));
                    }
                })
            })
            .collect();
        Self { ending, requests, threads }
    }

    /// The requests that have ended since the last call.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed that.
            let _ = thread.join();
        }
    }
}

struct Client {
    namespace: Namespace,
    to: SocketAddr,
    patience: Duration,
    stream: Option<TcpStream>,
}

impl Client {
    fn ask(&mut self) -> Result<String, String> {
        let answer = self.try_ask();
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn try_ask(&mut self) -> Result<String, String> {
        let said = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let stream = match &mut self.stream {
            Some(stream) => stream,
            slot => {
                let (to, patience) = (self.to, self.patience);
                let stream = self.namespace.run(move || TcpStream::connect_timeout(&to, patience));
                let stream = stream.map_err(|error| error.to_string())?.map_err(said("connecting"))?;
                stream.set_nodelay(true).map_err(said("connecting"))?;
                stream.set_read_timeout(Some(self.patience)).map_err(said("connecting"))?;
                slot.insert(stream)
            }
        };
        stream.write_all(b"GET / HTTP/1.1\r\nHost: pool\r\n\r\n").map_err(said("asking"))?;
        let (mut have, mut bytes) = (Vec::new(), [0; 4096]);
        loop {
            if let Some((status, body)) = whole(&have) {
                return if status == 200 { Ok(body) } else { Err(format!("status {status}")) };
            }
            let length = stream.read(&mut bytes).map_err(said("waiting"))?;
            if length == 0 {
                return Err("waiting: the connection was closed".to_owned());
            }
            have.extend_from_slice(&bytes[..length]);
        }
    }
}

/// Status and body of an answer, if all of it is there.
fn whole(bytes: &[u8]) -> Option<(u16, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    (body.len() >= length.unwrap_or(0usize)).then(|| (status, body.to_owned()))
}
