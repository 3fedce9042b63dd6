//! How late this machine wakes a thread: what no detector on it can be faster than.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::realtime;
use super::samples::Samples;

/// The priority of an agent's sender.
const PRIORITY: u8 = 40;
const SLEEP: Duration = Duration::from_millis(20);
/// What counts as late, in milliseconds.
const LATE_MS: f64 = 1.0;

/// How late a thread at the priority of an agent's sender woke that slept 20 ms at a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wakeups {
    /// How often it slept.
    pub wakeups: usize,
    /// How many of a hundred were more than a millisecond late.
    pub wakeups_late_percent: f64,
    /// The 99th percentile; none with fewer than 100.
    pub wakeup_p99_ms: Option<f64>,
    /// The latest.
    pub wakeup_max_ms: Option<f64>,
}

impl Wakeups {
    /// `None`: it never woke.
    fn of(late_ms: &[f64]) -> Option<Self> {
        let mut samples = Samples::default();
        late_ms.iter().for_each(|ms| samples.push(*ms));
        let late = u32::try_from(late_ms.iter().filter(|ms| **ms > LATE_MS).count()).ok()?;
        let all = u32::try_from(late_ms.len()).ok().filter(|all| *all > 0)?;
        let thousandths = |number: f64| (number * 1e3).round() / 1e3;
        Some(Self {
            wakeups: late_ms.len(),
            wakeups_late_percent: thousandths(f64::from(late) * 100.0 / f64::from(all)),
            wakeup_p99_ms: samples.p99().map(thousandths),
            wakeup_max_ms: samples.max().map(thousandths),
        })
    }
}

impl std::fmt::Display for Wakeups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.2}"));
        let Self { wakeups, wakeups_late_percent: late, .. } = self;
        let [p99, max] = [self.wakeup_p99_ms, self.wakeup_max_ms].map(ms);
        write!(f, "{late:.1} % of {wakeups} wake-ups late by > 1 ms, p99 {p99}, max {max} ms")
    }
}

/// Sleeps and looks at the clock, until it is asked.
#[derive(Debug)]
pub struct Sleeper {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<f64>>>,
}

impl Sleeper {
    /// Starts it.
    ///
    /// # Errors
    /// The kernel gives no real-time priority.
    pub fn start() -> anyhow::Result<Self> {
        let ending = Arc::new(AtomicBool::new(false));
        let (flag, (ready, started)) = (Arc::clone(&ending), mpsc::channel());
        let thread = std::thread::spawn(move || {
            let begun = realtime::ask(PRIORITY);
            let go = begun.is_ok();
            // The other end waits for it.
            let _ = ready.send(begun);
            let mut late = Vec::new();
            while go && !flag.load(Ordering::Relaxed) {
                let begin = Instant::now();
                std::thread::sleep(SLEEP);
                late.push(begin.elapsed().saturating_sub(SLEEP).as_secs_f64() * 1e3);
            }
            late
        });
        let sleeper = Self { ending, thread: Some(thread) };
        started.recv().context("a thread ended at its start")??;
        Ok(sleeper)
    }

    /// How late it woke until now.
    #[must_use]
    pub fn ask(mut self) -> Option<Wakeups> {
        self.ending.store(true, Ordering::Relaxed);
        Wakeups::of(&self.thread.take()?.join().ok()?)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_by_more_than_a_millisecond_is_counted() {
        let late: Vec<f64> = (0..200).map(|n| if n < 3 { 4.0 } else { 0.1 }).collect();
        let wakeups = Wakeups::of(&late).unwrap();
        assert_eq!(wakeups.to_string(), "1.5 % of 200 wake-ups late by > 1 ms, p99 4.00, max 4.00 ms");
        assert_eq!(Wakeups::of(&[]), None);
    }

    #[test]
    fn a_sleeper_sleeps_and_is_never_early() {
        let sleeper = Sleeper::start().unwrap();
        std::thread::sleep(SLEEP * 5);
        let wakeups = sleeper.ask().unwrap();
        assert!(wakeups.wakeups > 0 && wakeups.wakeup_max_ms.is_some_and(|ms| ms >= 0.0), "{wakeups:?}");
    }
}
