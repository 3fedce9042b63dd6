//! A door from the lab's hub to a database: it forwards connections to the hub's address, at once or after a delay.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::namespace::Namespace;
use crate::network::HUB;

/// Where the database is.
#[derive(Clone, Debug)]
pub struct Target {
    /// The namespace from which it is reached; `None`: this process's own.
    pub from: Option<Namespace>,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Target {
    fn connect(&self) -> io::Result<TcpStream> {
        let place = (self.host.clone(), self.port);
        match &self.from {
            None => TcpStream::connect(place),
            Some(namespace) => namespace.run(move || TcpStream::connect(place)).map_err(io::Error::other)?,
        }
    }
}

/// Forwards until it is dropped. Open connections end with this process.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Forward {
    /// Listens on this port of the hub's address inside `hub`. A round trip through it takes `round_trip` longer, and
    /// so does its beginning.
    ///
    /// # Errors
    /// Nothing listens at the target, or the port is taken.
    pub fn start(hub: &Namespace, port: u16, target: Target, round_trip: Duration) -> anyhow::Result<Self> {
        target.connect().with_context(|| format!("cannot reach the database at {}:{}", target.host, target.port))?;
        let listener = hub.run(move || TcpListener::bind((HUB, port)))?.context("cannot listen on the lab's hub")?;
        let address = listener.local_addr().context("a listener without an address")?;
        listener.set_nonblocking(true).context("cannot listen on the lab's hub")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((inside, _)) => {
                        let target = target.clone();
                        std::thread::spawn(move || serve(inside, &target, round_trip));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Ok(Self { address, stop, listener: Some(thread) })
    }

    /// Where agents find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.listener.take() {
            // It panicked, and has printed that.
            let _ = thread.join();
        }
    }
}

/// Copies both directions of one connection. The end of either side ends the other.
fn serve(inside: TcpStream, target: &Target, round_trip: Duration) {
    std::thread::sleep(round_trip);
    let Ok(outside) = target.connect() else { return };
    let both = || Ok::<_, io::Error>((inside.try_clone()?, outside.try_clone()?));
    let _ = inside.set_nonblocking(false).and_then(|()| inside.set_nodelay(true)).and(outside.set_nodelay(true));
    let Ok((inside_copy, outside_copy)) = both() else { return };
    std::thread::spawn(move || pump(inside, outside_copy, round_trip / 2));
    pump(outside, inside_copy, round_trip / 2);
}

fn pump(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    // The end of a connection, whatever its cause, is passed on. There is nobody else to tell.
    if delay.is_zero() {
        let _ = io::copy(&mut from, &mut to);
    } else {
        let _ = pump_later(from, &mut to, delay);
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// What comes goes on after the delay, however much comes meanwhile.
fn pump_later(mut from: TcpStream, to: &mut TcpStream, delay: Duration) -> io::Result<()> {
    let (came, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if came.send((Instant::now() + delay, bytes[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    for (at, bytes) in due {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        to.write_all(&bytes)?;
    }
    Ok(())
}
