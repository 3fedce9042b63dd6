//! What is measured: servers in a ring, each with a detector that watches its two neighbours.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use nix::sys::signal::Signal;

use super::ports::Ports;
use super::reports::Reports;
use super::slow::{Mind, Suspected};
use crate::cells::Cells;
use crate::clock::now_ns;
use crate::network::Network;
use crate::process::Process;

/// How many packets of a hundred are lost each way in a measurement under loss.
pub const LOSS_PERCENT: u8 = 20;

/// How often the detectors' reports are read. No measured time depends on it.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How often healthy servers were blamed in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reports that one is silent.
    pub suspicions: u64,
    /// Removals; `None` where no server is removed.
    pub removals: Option<u64>,
    /// Servers that clients were no longer sent to; `None` where nobody follows the routes.
    pub route_outs: Option<u64>,
}

/// A blow that was struck, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Struck {
    /// Just before it.
    pub at_ns: u64,
    /// Just after the part that others can see.
    pub done_ns: u64,
}

/// A pool that can be struck and listened to.
pub trait Pool {
    /// Servers in the order of the ring; each watches the one before it and the one after it.
    fn order(&self) -> &[String];

    /// The bridge and its faults.
    fn network(&mut self) -> &mut Network;

    /// The switches of the bridge's ports.
    fn ports(&self) -> &Ports;

    /// The number of this server's port.
    ///
    /// # Errors
    /// There is no such server.
    fn port(&self, name: &str) -> anyhow::Result<u8>;

    /// The detector of this server.
    ///
    /// # Errors
    /// There is no such server, or it has none.
    fn process(&self, name: &str) -> anyhow::Result<&Process>;

    /// Its processes.
    ///
    /// # Errors
    /// There is no such server, or it has none.
    fn pids(&self, name: &str) -> anyhow::Result<Vec<i32>> {
        Ok(vec![self.process(name)?.pid()])
    }

    /// Sends a signal to its processes.
    ///
    /// # Errors
    /// There is no such server, or it has none.
    fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        self.process(name)?.signal(signal)
    }

    /// A folder for what a measurement needs.
    fn folder(&self) -> &Path;

    /// Reads what the detectors wrote down since the last call.
    ///
    /// # Errors
    /// It cannot be read, or a detector has ended.
    fn listen(&mut self) -> anyhow::Result<()>;

    /// All reports so far.
    fn reports(&self) -> &Reports;

    /// The number of removals so far; `None` where no server is removed.
    ///
    /// # Errors
    /// The number cannot be read.
    fn removals(&self) -> anyhow::Result<Option<u64>>;

    /// How often clients were no longer sent to a server so far; `None` where nobody follows the routes.
    ///
    /// # Errors
    /// The number cannot be read.
    fn route_outs(&self) -> anyhow::Result<Option<u64>> {
        Ok(None)
    }

    /// The control groups of the detectors.
    fn cells(&self) -> &Cells;

    /// Starts all detectors again at once, after killing those that still run, and waits until every server hears its
    /// neighbours. Returns when the last of them was heard, in nanoseconds of the monotonic clock.
    ///
    /// # Errors
    /// They do not come back.
    fn renew(&mut self, limit: Duration) -> anyhow::Result<u64>;

    /// What the detector of this server thinks of its own host; `None` if it does not say.
    fn mind(&self, _name: &str) -> Option<Mind> {
        None
    }

    /// What `by` said when it first suspected `of` at `since_ns` or later; `None` if it does not say.
    fn suspected(&self, _by: &str, _of: &str, _since_ns: u64) -> Option<Suspected> {
        None
    }

    /// Waits until every server hears its neighbours.
    ///
    /// # Errors
    /// They do not within `limit`.
    fn settle(&mut self, limit: Duration) -> anyhow::Result<()>;

    /// What helps to explain why something did not happen.
    fn last_words(&self) -> String;

    /// The server before it and the one after it on the ring.
    fn neighbours(&self, name: &str) -> Vec<String> {
        let order = self.order();
        let Some(at) = order.iter().position(|other| other == name) else { return Vec::new() };
        vec![order[(at + order.len() - 1) % order.len()].clone(), order[(at + 1) % order.len()].clone()]
    }

    /// Whether it and its neighbours hear each other.
    fn is_heard(&self, name: &str) -> bool {
        let reports = self.reports();
        self.neighbours(name).iter().all(|other| reports.hears(other, name) && reports.hears(name, other))
    }

    /// Whether all servers hear their neighbours.
    fn all_hear(&self) -> bool {
        self.order().iter().all(|name| self.is_heard(name))
    }

    /// Crashes a server: nothing passes to or from it any more, its carrier stays up, and its detector is frozen.
    ///
    /// # Errors
    /// It may be half done.
    fn fall(&mut self, name: &str) -> anyhow::Result<Struck> {
        let port = self.port(name)?;
        let at_ns = now_ns();
        self.ports().pass(port, false)?;
        let done_ns = now_ns();
        self.signal(name, Signal::SIGSTOP)?;
        Ok(Struck { at_ns, done_ns })
    }

    /// Brings it back.
    ///
    /// # Errors
    /// It may be half done.
    fn rise(&mut self, name: &str) -> anyhow::Result<()> {
        let port = self.port(name)?;
        self.ports().pass(port, true)?;
        self.signal(name, Signal::SIGCONT)
    }

    /// Makes the network lose packets between servers, or stops that.
    ///
    /// # Errors
    /// nftables refused.
    fn lose(&mut self, yes: bool) -> anyhow::Result<()> {
        self.network().change(|faults| faults.one_way_loss = if yes { LOSS_PERCENT } else { 0 })
    }
}

/// Listens again and again until there is an answer; `Ok(None)` if none came in time.
///
/// # Errors
/// Listening failed.
pub fn wait<T>(
    pool: &mut dyn Pool,
    limit: Duration,
    mut ask: impl FnMut(&mut dyn Pool) -> Option<T>,
) -> anyhow::Result<Option<T>> {
    let end = Instant::now() + limit;
    loop {
        pool.listen()?;
        if let Some(answer) = ask(pool) {
            return Ok(Some(answer));
        }
        if Instant::now() > end {
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The same, but an answer must come.
///
/// # Errors
/// No answer came; the error has the last reports.
pub fn must<T>(
    pool: &mut dyn Pool,
    what: &str,
    limit: Duration,
    ask: impl FnMut(&mut dyn Pool) -> Option<T>,
) -> anyhow::Result<T> {
    match wait(pool, limit, ask)? {
        Some(answer) => Ok(answer),
        None => bail!("waited {limit:?} in vain until {what}\n{}", pool.last_words()),
    }
}

/// Milliseconds between two moments of the monotonic clock, rounded to a microsecond.
#[must_use]
pub fn ms(from_ns: u64, to_ns: u64) -> f64 {
    Duration::from_nanos(to_ns.saturating_sub(from_ns)).as_secs_f64() * 1e3
}
