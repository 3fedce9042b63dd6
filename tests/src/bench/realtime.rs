//! Threads of this process at real-time priority (sched(7)). chrt(1) gives it to them, so there is no unsafe code here.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};

/// No thread lives longer, whatever becomes of the one that waits for it. No single measurement takes as long.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// Gives the calling thread this priority, `SCHED_FIFO`.
///
/// # Errors
/// The kernel refused.
pub fn ask(priority: u8) -> anyhow::Result<()> {
    let (priority, thread) = (priority.to_string(), gettid().to_string());
    let output = Command::new("chrt").args(["--fifo", "--pid", &priority, &thread]).output();
    let output = output.context("cannot run chrt")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "no real-time priority: {}", said.trim());
    Ok(())
}

/// Threads on all processors, until this is dropped.
#[derive(Debug)]
pub struct Threads {
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    ids: Vec<Pid>,
    processors: usize,
    since: Instant,
}

impl Threads {
    /// Starts so many threads on each processor. Each runs `work` with its processor and its place there until `ending`
    /// says that it is enough.
    ///
    /// # Errors
    /// The kernel gives no real-time priority.
    pub fn start(
        priority: u8,
        a_processor: u32,
        work: impl Fn((usize, u32), &dyn Fn() -> bool) + Clone + Send + 'static,
    ) -> anyhow::Result<Self> {
        let processors = std::thread::available_parallelism().context("nobody knows how many processors there are")?;
        let ending = Arc::new(AtomicBool::new(false));
        let since = Instant::now();
        let mut threads = Self { ending, threads: Vec::new(), ids: Vec::new(), processors: processors.get(), since };
        let places = (0..processors.get()).flat_map(|processor| (0..a_processor).map(move |place| (processor, place)));
        for (processor, place) in places {
            let (work, flag) = (work.clone(), Arc::clone(&threads.ending));
            let (ready, started) = mpsc::channel();
            threads.threads.push(std::thread::spawn(move || {
                let begun = begin(processor, priority);
                let go = begun.is_ok();
                // The other end waits for it.
                let _ = ready.send(begun);
                let end = Instant::now() + LONGEST;
                if go {
                    work((processor, place), &|| flag.load(Ordering::Relaxed) || Instant::now() > end);
                }
            }));
            threads.ids.push(started.recv().context("a thread ended at its start")??);
        }
        threads.since = Instant::now();
        Ok(threads)
    }

    /// Whether none of them has ended.
    #[must_use]
    pub fn all_run(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// The share of all processors that they had together.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let ran: Option<Vec<Duration>> = self.ids.iter().map(|id| ran(*id)).collect();
        let processors = u32::try_from(self.processors).ok()?;
        Some(ran?.iter().sum::<Duration>().as_secs_f64() / self.since.elapsed().as_secs_f64() / f64::from(processors))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has printed that.
            let _ = thread.join();
        }
    }
}

fn begin(processor: usize, priority: u8) -> anyhow::Result<Pid> {
    let mut only = CpuSet::new();
    only.set(processor).context("too many processors")?;
    sched_setaffinity(Pid::from_raw(0), &only).context("cannot keep a thread on its processor")?;
    ask(priority)?;
    Ok(gettid())
}

/// How long a thread of this process has been on a processor: proc_pid_schedstat(5).
fn ran(thread: Pid) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}
