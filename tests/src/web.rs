//! A web server in a server's namespace that answers with its name. Clients ask it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

use crate::clock::now_ns;
use crate::namespace::Namespace;
use crate::undo::Undo;

/// The port of all of them.
pub const PORT: u16 = 8080;

/// A web server, until this is dropped. It is a few threads of this process, whose sockets are in the namespace.
#[derive(Debug)]
pub struct Web {
    shared: Arc<Shared>,
    namespace: Namespace,
    _end: Undo,
}

#[derive(Debug)]
struct Shared {
    name: String,
    /// Answers 503 to everything.
    failing: AtomicBool,
    ending: AtomicBool,
    connections: AtomicU64,
    requests: AtomicU64,
    last_ns: AtomicU64,
    /// Open connections, by number.
    open: Mutex<BTreeMap<u64, TcpStream>>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn listener(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Web {
    /// Listens in this namespace, on all its addresses.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start(name: &str, namespace: &Namespace) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            failing: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            open: Mutex::default(),
            listener: Mutex::default(),
        });
        listen(&shared, namespace)?;
        let ending = Arc::clone(&shared);
        let end = Undo::later(move || ending.ending.store(true, Ordering::Relaxed));
        Ok(Self { shared, namespace: namespace.clone(), _end: end })
    }

    /// From now on answers 503 to everything, or stops doing so.
    pub fn fail(&self, failing: bool) {
        self.shared.failing.store(failing, Ordering::Relaxed);
    }

    /// Ends as a web server does that is stopped: takes no more connections, and closes the open ones.
    pub fn stop(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        // Its port is free once the thread has ended. A thread that panicked has printed that.
        drop(self.shared.listener().take().map(JoinHandle::join));
        for (_, stream) in std::mem::take(&mut *self.shared.open()) {
            // A connection that ended by itself needs no closing.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again after [`Self::stop`].
    ///
    /// # Errors
    /// The port is not free within five seconds.
    pub fn start_again(&self) -> anyhow::Result<()> {
        self.shared.ending.store(false, Ordering::Relaxed);
        listen(&self.shared, &self.namespace)
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// When the last request came.
    #[must_use]
    pub fn last_ns(&self) -> u64 {
        self.shared.last_ns.load(Ordering::Relaxed)
    }
}

fn listen(shared: &Arc<Shared>, namespace: &Namespace) -> anyhow::Result<()> {
    let end = std::time::Instant::now() + Duration::from_secs(5);
    let listener = loop {
        let bound = namespace.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
        match bound {
            Ok(listener) => break listener,
            Err(error) if std::time::Instant::now() > end => {
                return Err(error).context("the web server's port is taken");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    listener.set_nonblocking(true).context("a listener without timeouts")?;
    let (shared, slot) = (Arc::clone(shared), shared);
    let thread = std::thread::spawn(move || {
        while !shared.ending.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => serve(&shared, stream),
                // No connection just now. In namespaces nothing else can go wrong.
                Err(_) => std::thread::sleep(Duration::from_micros(300)),
            }
        }
    });
    *slot.listener() = Some(thread);
    Ok(())
}

fn serve(shared: &Arc<Shared>, stream: TcpStream) {
    let Ok(kept) = stream.try_clone() else { return };
    let number = shared.connections.fetch_add(1, Ordering::Relaxed);
    shared.open().insert(number, kept);
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        // A client that breaks off its connection is no concern of this thread.
        let _ = answer(&shared, stream);
        shared.open().remove(&number);
    });
}

/// Answers one request after the other. All of them are GET, without a body, and none is sent before the last is
/// answered.
fn answer(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (mut have, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        have.extend_from_slice(&bytes[..length]);
        if !have.ends_with(b"\r\n\r\n") {
            continue;
        }
        have.clear();
        shared.requests.fetch_add(1, Ordering::Relaxed);
        shared.last_ns.store(now_ns(), Ordering::Relaxed);
        let status = if shared.failing.load(Ordering::Relaxed) { "503 Service Unavailable" } else { "200 OK" };
        let name = &shared.name;
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nX-Server: {name}\r\n\r\n{name}", name.len());
        stream.write_all(text.as_bytes())?;
    }
}
