//! Programs and threads that do nothing but take what detectors need. They end when they are dropped, and with this
//! process.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::crash::Moments;
use super::realtime::Threads;
use crate::cells::Cells;
use crate::namespace::Namespace;
use crate::process::{Launch, Process};

/// How many busy loops of ordinary priority a measurement under load has.
pub const HOGS: usize = 16;
/// The priority of real-time hogs: above an agent's threads.
pub const PRIORITY: u8 = 50;
/// A real-time hog runs this long at a time.
pub const SLICE: Duration = Duration::from_millis(6);
/// One slice begins on each processor in each of these times.
const TURN: Duration = Duration::from_millis(10);
/// How many hogs take turns on a processor.
const A_PROCESSOR: u32 = 2;
/// Threads of a timer storm sleep this long at a time.
pub const TIMER: Duration = Duration::from_micros(100);
/// How much a writer in a cell of memory writes, again and again, in MiB.
const WRITES: u64 = 32;
/// How long a writer may take for its first round.
const PATIENCE: Duration = Duration::from_secs(30);

/// Hogs, until this is dropped.
#[derive(Debug, Default)]
pub struct Hogs {
    processes: Vec<Process>,
    threads: Option<Threads>,
}

impl Hogs {
    /// Starts [`HOGS`] busy loops of ordinary priority. Their output, of which there is none, would go to `folder`.
    ///
    /// # Errors
    /// One of them did not start.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        (0..HOGS).map(|_| run(busy(folder))).collect::<anyhow::Result<_>>().map(Self::of)
    }

    /// Two threads a processor at [`PRIORITY`], which take turns: one of them runs for 6 ms of each 10 ms.
    ///
    /// # Errors
    /// The kernel gives no real-time priority.
    pub fn fifo() -> anyhow::Result<Self> {
        let begin = Instant::now();
        let threads = Threads::start(PRIORITY, A_PROCESSOR, move |(processor, place), ending| {
            let mut slice = 0;
            while !ending() {
                let at = slot(processor, slice * A_PROCESSOR + place);
                if begin.elapsed() > at + SLICE {
                    // It came too late for this one, and must not run in the other's turn.
                    slice += 1;
                    continue;
                }
                std::thread::sleep(at.saturating_sub(begin.elapsed()));
                while begin.elapsed() < at + SLICE {
                    std::hint::spin_loop();
                }
                slice += 1;
            }
        })?;
        Ok(Self { threads: Some(threads), ..Self::default() })
    }

    /// Two threads a processor at [`PRIORITY`] that sleep [`TIMER`] at a time.
    ///
    /// # Errors
    /// The kernel gives no real-time priority.
    pub fn timers() -> anyhow::Result<Self> {
        let threads = Threads::start(PRIORITY, A_PROCESSOR, |_, ending| {
            while !ending() {
                std::thread::sleep(TIMER);
            }
        })?;
        Ok(Self { threads: Some(threads), ..Self::default() })
    }

    /// A busy loop in each cell.
    ///
    /// # Errors
    /// One of them did not start.
    pub fn in_cells(cells: &Cells, folder: &Path) -> anyhow::Result<Self> {
        cells.names().map(|name| run(cells.enter(name, busy(folder)))).collect::<anyhow::Result<_>>().map(Self::of)
    }

    /// In each cell, a program that writes the same file again and again. It returns when each of them has the whole
    /// file in memory.
    ///
    /// # Errors
    /// One of them did not start, or has not that much memory.
    pub fn writers(cells: &Cells, folder: &Path) -> anyhow::Result<Self> {
        let before = cells.memory()?;
        let writer = |name: &String| {
            let file = folder.join(format!("written-{name}"));
            let words = format!(
                "ulimit -t 14400; while :; do dd if=/dev/zero of={} bs=64k count={} conv=notrunc status=none; done",
                file.display(),
                WRITES * 16
            );
            run(cells.enter(name, shell(&words, folder)))
        };
        let hogs = cells.names().map(writer).collect::<anyhow::Result<_>>().map(Self::of)?;
        let end = Instant::now() + PATIENCE;
        let full = || Ok(cells.memory()?.iter().zip(&before).all(|(now, then)| *now >= then + (WRITES << 20) * 9 / 10));
        while !anyhow::Result::<bool>::from(full())? {
            ensure!(Instant::now() < end, "the writers do not fill their files: is {} in memory?", folder.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(hogs)
    }

    fn of(processes: Vec<Process>) -> Self {
        Self { processes, threads: None }
    }

    /// Whether all of them still run.
    #[must_use]
    pub fn all_run(&self) -> bool {
        self.processes.iter().all(|hog| hog.ended().is_none()) && self.threads.as_ref().is_none_or(Threads::all_run)
    }

    /// The share of each processor that real-time hogs had so far.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.threads.as_ref().and_then(Threads::share)
    }
}

/// When this slice of all on its processor begins, after the beginning of all: at a random moment, so that it ends with
/// its turn at the latest. Slices at even times would meet all probes of an even interval, or none.
fn slot(processor: usize, slice: u32) -> Duration {
    let seed = (u64::try_from(processor).unwrap_or_default() << 32) | u64::from(slice);
    TURN * slice + Moments(seed).next(TURN - SLICE)
}

fn busy(folder: &Path) -> Launch {
    // Four hours at most, whatever becomes of this process.
    shell("ulimit -t 14400; while :; do :; done", folder)
}

fn shell(words: &str, folder: &Path) -> Launch {
    let args = ["-c", words].map(Into::into).into();
    Launch { program: "/bin/sh".into(), args, env: Vec::new(), log: folder.join("hogs.log") }
}

fn run(launch: Launch) -> anyhow::Result<Process> {
    Process::start(&Namespace::own()?, launch)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn hogs_take_turns_that_do_not_meet() {
        let slots: Vec<Duration> = (0..100).map(|slice| slot(1, slice)).collect();
        assert!(slots.windows(2).all(|two| two[1] >= two[0] + SLICE), "{slots:?}");
        let late = |(turn, at): (u32, &Duration)| *at - TURN * turn;
        let quarters: BTreeSet<u128> = (0..).zip(&slots).map(|one| late(one).as_millis()).collect();
        assert_eq!(quarters, (0..4).collect(), "they begin anywhere in their turn, and end in it");
        assert_ne!(slots, (0..100).map(|slice| slot(0, slice)).collect::<Vec<_>>());
        let share = SLICE.as_secs_f64() / TURN.as_secs_f64();
        assert!((share - 0.6).abs() < 1e-9, "{share}");
    }

    #[test]
    fn hogs_have_a_share_of_each_processor_and_no_more_than_theirs() {
        let hogs = Hogs::fifo().unwrap();
        std::thread::sleep(Duration::from_millis(600));
        assert!(hogs.all_run());
        let share = hogs.share().unwrap();
        // A machine that is short of processors gives less, but never nothing: they go before everything else.
        assert!((0.1..0.66).contains(&share), "{share}");
    }
}
