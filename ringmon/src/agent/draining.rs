//! Between the signal and the end: the server leaves the routes first, so that clients can finish what they have begun.
//!
//! ```text
//!   signal --> Input::Drain, row says "draining", routers are told --> nobody connected, or time is up --> Input::Stop
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock;
use crate::config::OnStop;
use crate::observe::{self, Askers};
use ringmon_core::{Snapshot, Time};

/// What a signal starts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether to leave the ring, or only to stop, if the signal does not say so.
    pub on_stop: OnStop,
    /// The port for clients, if it is known.
    pub port: Option<u16>,
    /// How long clients have before the server leaves; `None`: do not wait for them.
    pub limit: Option<Duration>,
    /// Counts the connections.
    pub worker: Handle,
    /// The HAProxys that ask for agent-checks.
    pub askers: Askers,
    /// The weight that they are told.
    pub weight: Arc<AtomicU16>,
}

/// The wait, while it lasts.
#[derive(Debug)]
pub struct Draining {
    begun: Time,
    until: Time,
    limit: Duration,
    look_at: Time,
    /// `None`: it has not looked yet.
    seen: watch::Receiver<Option<Seen>>,
}

/// What the wait looks at.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Connections to the route port.
    connected: usize,
    /// Every HAProxy that asks knows what was true at this moment; `None`: none asks.
    heard: Option<Time>,
}

impl Draining {
    /// How often it looks who is connected.
    const EVERY: Duration = Duration::from_millis(100);
    /// Routers that no notice reached look every second.
    const ROUTERS: Duration = Duration::from_secs(1);
    /// By default a HAProxy asks every two seconds, for each of its backends separately.
    const ASKERS: Duration = Duration::from_millis(2500);
    /// A row that does not say so by then will not: the database has other problems.
    const WRITTEN_WITHIN: Duration = Duration::from_millis(1500);

    /// Starts to look. It does so off the loop, because with many connections the kernel's list is long.
    pub fn begin(now: Time, (port, limit): (u16, Duration), plan: &Plan) -> Self {
        let (show, seen) = watch::channel(None);
        let askers = plan.askers.clone();
        plan.worker.spawn(async move {
            // Until nobody is interested any more.
            while !show.is_closed() {
                let Ok(connected) = tokio::task::spawn_blocking(move || observe::connected(port)).await else { return };
                show.send_replace(Some(Seen { connected, heard: askers.all_know(clock::now()) }));
                tokio::time::sleep(Self::EVERY).await;
            }
        });
        Self { begun: now, until: now + limit, limit, look_at: now, seen }
    }

    /// When to call [`Self::over`] next.
    pub const fn due(&self) -> Time {
        self.look_at
    }

    /// If there is nothing left to wait for: what to log about it.
    pub fn over(&mut self, now: Time, seen: &Snapshot) -> Option<String> {
        self.look_at = (now + Self::EVERY).min(self.until.max(now));
        let meanwhile = *self.seen.borrow();
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
            Some(at) if meanwhile.is_some_and(|meanwhile| meanwhile.is_over(now, at)) => {
                return Some("nobody is connected any more".to_owned());
            }
            None | Some(_) => {}
        }
        (now >= self.until).then(|| {
            let left = meanwhile.map_or_else(|| "an unknown number of".to_owned(), |seen| seen.connected.to_string());
            format!("{left} clients are still connected after {:?}", self.limit)
        })
    }
}

impl Seen {
    /// Every router and HAProxy can know that this server drains since `at`, and no client is connected.
    fn is_over(self, now: Time, at: Time) -> bool {
        let wait = if self.heard.is_some() { Draining::ASKERS } else { Draining::ROUTERS };
        self.connected == 0 && now >= at + wait && self.heard.is_none_or(|heard| heard > at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_asks_has_to_hear_of_it_and_nobody_may_be_connected() {
        let at = Time::from_ns(60_000_000_000);
        let ms = Duration::from_millis;
        let over = |connected, heard: Option<Time>, after| Seen { connected, heard }.is_over(at + ms(after), at);
        assert!(!over(0, None, 999) && over(0, None, 1000), "nobody asks: routers look every second");
        assert!(
            !over(0, Some(at + ms(100)), 2499) && over(0, Some(at + ms(100)), 2500),
            "a HAProxy may have several backends"
        );
        assert!(!over(0, Some(at), 20_000) && !over(0, Some(at - ms(1)), 20_000), "one was told something older");
        assert!(!over(1, None, 20_000) && !over(1, Some(at + ms(100)), 20_000), "somebody is connected");
    }
}
