//! A door from the lab's hub to a database outside: it forwards connections to the hub's address.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

use crate::namespace::Namespace;
use crate::network::HUB;

/// Forwards until it is dropped. Open connections end with this process.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Forward {
    /// Listens on the hub's address inside `hub`, and connects to `host` from this process's own namespace.
    ///
    /// # Errors
    /// Nothing listens there, or the hub's address is taken.
    pub fn start(hub: &Namespace, host: &str, port: u16) -> anyhow::Result<Self> {
        let target = (host.to_owned(), port);
        TcpStream::connect(&target).with_context(|| format!("cannot reach the database at {host}:{port}"))?;
        let listener = hub.run(|| TcpListener::bind((HUB, 3306)))?.context("cannot listen on the lab's hub")?;
        let address = listener.local_addr().context("a listener without an address")?;
        listener.set_nonblocking(true).context("cannot listen on the lab's hub")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((inside, _)) => serve(inside, &target),
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Ok(Self { address, stop, listener: Some(thread) })
    }

    /// Where agents find it.
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
fn serve(inside: TcpStream, target: &(String, u16)) {
    let Ok(outside) = TcpStream::connect(target) else { return };
    let both = || Ok::<_, io::Error>((inside.try_clone()?, outside.try_clone()?));
    let _ = inside.set_nonblocking(false).and_then(|()| inside.set_nodelay(true)).and(outside.set_nodelay(true));
    let Ok((inside_copy, outside_copy)) = both() else { return };
    std::thread::spawn(move || pump(inside, outside_copy));
    std::thread::spawn(move || pump(outside, inside_copy));
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    // The end of a connection, whatever its cause, is passed on. There is nobody else to tell.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
