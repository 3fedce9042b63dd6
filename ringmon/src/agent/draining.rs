//! Between the signal and the end: out of the routes first, so that clients finish what they have begun.
//!
//! ```text
//!   signal --> Input::Drain, row says "draining", routers are told --> nobody is connected, or time is up --> Input::Stop
//! ```

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::core::{Snapshot, Time};
use crate::observe;

/// What a signal sets going.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Leave the ring, or only stop.
    pub leave: bool,
    /// The port at which clients are, and how long they have; `None`: nobody is waited for.
    pub drain: Option<(u16, Duration)>,
    /// Where it is looked who is connected.
    pub worker: Handle,
}

/// The wait, while it lasts.
#[derive(Debug)]
pub struct Draining {
    begun: Time,
    until: Time,
    limit: Duration,
    look_at: Time,
    /// `None`: not looked yet.
    connected: watch::Receiver<Option<usize>>,
}

impl Draining {
    /// How often it is looked who is connected.
    const EVERY: Duration = Duration::from_millis(100);
    /// Routers that no notice reached look every second.
    const ROUTERS: Duration = Duration::from_secs(1);
    /// A row that does not say so by then will not: the database has other worries.
    const WRITTEN_WITHIN: Duration = Duration::from_millis(1500);

    /// Begins to look. Off the loop: with many connections the kernel's list is long.
    pub fn begin(now: Time, port: u16, limit: Duration, worker: &Handle) -> Self {
        let (count, connected) = watch::channel(None);
        worker.spawn(async move {
            // Until nobody is interested any more.
            while !count.is_closed() {
                match tokio::task::spawn_blocking(move || observe::connected(port)).await {
                    Ok(connected) => count.send_replace(Some(connected)),
                    Err(_) => return,
                };
                tokio::time::sleep(Self::EVERY).await;
            }
        });
        Self { begun: now, until: now + limit, limit, look_at: now, connected }
    }

    /// When to ask [`Self::over`] next.
    pub const fn due(&self) -> Time {
        self.look_at
    }

    /// Whether there is nothing to wait for any more, and what to say of it.
    pub fn over(&mut self, now: Time, seen: &Snapshot) -> Option<String> {
        self.look_at = (now + Self::EVERY).min(self.until.max(now));
        let connected = *self.connected.borrow();
        if seen.phase != "member" {
            return Some("this server is on no ring, so nobody is sent here".to_owned());
        }
        if seen.database_away.is_some() {
            return Some("the database is away, so no router would hear of it".to_owned());
        }
        match seen.drained {
            None if now >= self.begun + Self::WRITTEN_WITHIN => {
                return Some("the database did not write it in time".to_owned());
            }
            Some(at) if now >= at + Self::ROUTERS && connected == Some(0) => {
                return Some("nobody is connected any more".to_owned());
            }
            None | Some(_) => {}
        }
        (now >= self.until).then(|| {
            let left = connected.map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
            format!("{left} connections are left after {:?}", self.limit)
        })
    }
}
