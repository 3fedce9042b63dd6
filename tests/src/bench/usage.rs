//! What a quiet pool costs, from the scheduler's own records: proc_pid_schedstat(5), proc_stat(5), proc_pid_status(5).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// The unit of /proc/stat, USER_HZ: 100 a second on every architecture that agents run on.
const TICK_MS: f64 = 10.0;

/// For one server: the mean of all.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// How long it was measured.
    pub seconds: f64,
    /// Processor time, by thread name.
    pub threads_ms_per_s: BTreeMap<String, f64>,
    /// Soft interrupts, less those without a pool.
    pub softirq_ms_per_s: f64,
    /// All time in which the machine was not idle, less the same without a pool.
    pub busy_ms_per_s: f64,
    /// Resident memory: the largest of all servers.
    pub rss_mib: f64,
}

impl Usage {
    /// Processor time of all threads.
    #[must_use]
    pub fn cpu_ms_per_s(&self) -> f64 {
        self.threads_ms_per_s.values().sum()
    }
}

/// What the whole machine did, in milliseconds a second of all processors together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    /// Time in soft interrupts.
    pub softirq_ms_per_s: f64,
    /// Time in which it was not idle.
    pub busy_ms_per_s: f64,
}

/// Watches the machine for this long.
///
/// # Errors
/// /proc/stat cannot be read.
pub fn machine(span: Duration) -> anyhow::Result<Machine> {
    let (before, begin) = (Stat::read()?, Instant::now());
    std::thread::sleep(span);
    Ok(Stat::read()?.since(before, begin.elapsed()))
}

/// Watches these processes of each server for this long. `without` is what the machine does without them.
///
/// # Errors
/// One of them has ended, or /proc cannot be read.
pub fn quiet(pids: &[Vec<i32>], span: Duration, without: Machine) -> anyhow::Result<Usage> {
    ensure!(!pids.is_empty(), "there is no server whose costs could be measured");
    let threads = || pids.iter().flatten().map(|pid| of_threads(*pid)).collect::<anyhow::Result<Vec<_>>>();
    let (before, stat, begin) = (threads()?, Stat::read()?, Instant::now());
    std::thread::sleep(span);
    let (after, machine, took) = (threads()?, Stat::read()?.since(stat, begin.elapsed()), begin.elapsed());
    let servers = f64::from(u32::try_from(pids.len()).context("too many servers")?);
    let mut usage = Usage {
        seconds: took.as_secs_f64(),
        softirq_ms_per_s: (machine.softirq_ms_per_s - without.softirq_ms_per_s) / servers,
        busy_ms_per_s: (machine.busy_ms_per_s - without.busy_ms_per_s) / servers,
        ..Usage::default()
    };
    for (before, after) in before.iter().zip(&after) {
        for (thread, (name, ns)) in after {
            let ran = ns.saturating_sub(before.get(thread).map_or(0, |(_, ns)| *ns));
            let ms = Duration::from_nanos(ran).as_secs_f64() * 1e3;
            *usage.threads_ms_per_s.entry(name.clone()).or_default() += ms / took.as_secs_f64() / servers;
        }
    }
    for pids in pids {
        let rss = pids.iter().map(|pid| rss_mib(*pid)).collect::<anyhow::Result<Vec<_>>>()?;
        usage.rss_mib = usage.rss_mib.max(rss.iter().sum());
    }
    Ok(usage)
}

/// For each thread, its name and its nanoseconds on a processor.
fn of_threads(pid: i32) -> anyhow::Result<BTreeMap<String, (String, u64)>> {
    let folder = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&folder).with_context(|| format!("process {pid} has ended"))?;
    let mut threads = BTreeMap::new();
    for task in tasks.flatten() {
        // A thread that ends meanwhile takes its name and its time with it.
        if let Some(of) = of_thread(&task.path()) {
            threads.insert(task.file_name().to_string_lossy().into_owned(), of);
        }
    }
    ensure!(!threads.is_empty(), "process {pid} has no threads in {folder}");
    Ok(threads)
}

fn of_thread(task: &Path) -> Option<(String, u64)> {
    let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
    let stat = fs::read_to_string(task.join("schedstat")).ok()?;
    Some((name, stat.split(' ').next()?.parse().ok()?))
}

/// Milliseconds that a process has been on a processor since it started, including threads that ended since then
/// (proc_pid_stat(5)).
///
/// # Errors
/// The process has ended.
pub fn cpu_ms(pid: i32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} has ended"))?;
    parse_cpu(&stat).with_context(|| format!("process {pid} has no times"))
}

/// utime and stime: the 12th and 13th after the name, which may contain spaces.
fn parse_cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map_while(|ticks| ticks.parse::<u32>().ok());
    Some((f64::from(times.next()?) + f64::from(times.next()?)) * TICK_MS)
}

/// Resident memory of a process, in MiB.
///
/// # Errors
/// The process has ended.
pub fn rss_mib(pid: i32) -> anyhow::Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} has ended"))?;
    let kib = parse_rss(&status).with_context(|| format!("process {pid} has no VmRSS"))?;
    Ok(f64::from(kib) / 1024.0)
}

fn parse_rss(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
}

/// The line `cpu` of /proc/stat, and how many processors it sums up. Its times add up to wall time, so what is not idle
/// is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    idle: u32,
    softirq: u32,
    processors: u32,
}

impl Stat {
    fn read() -> anyhow::Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Self::parse(&text).context("/proc/stat has no line of all processors")
    }

    fn parse(text: &str) -> Option<Self> {
        let all: Vec<u32> = text
            .lines()
            .find(|line| line.starts_with("cpu "))?
            .split_whitespace()
            .skip(1)
            .flat_map(str::parse)
            .collect();
        let is_one =
            |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let processors = u32::try_from(text.lines().filter(is_one).count()).ok()?;
        // user nice system idle iowait irq softirq ...
        Some(Self { idle: all.get(3)? + all.get(4)?, softirq: *all.get(6)?, processors })
    }

    /// The kernel counts idle time exactly and samples the rest. So busy time is what idle time leaves.
    fn since(self, before: Self, took: Duration) -> Machine {
        let seconds = took.as_secs_f64();
        let a_second = |ticks: u32| f64::from(ticks) * TICK_MS / seconds;
        Machine {
            softirq_ms_per_s: a_second(self.softirq.saturating_sub(before.softirq)),
            busy_ms_per_s: f64::from(self.processors) * 1e3 - a_second(self.idle.saturating_sub(before.idle)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_idle_is_busy() {
        let before = Stat::parse("cpu  100 0 50 1000 10 0 5 0 0 0\ncpu0 1 1\ncpu1 1 1\nintr 7\n").unwrap();
        assert_eq!(before, Stat { idle: 1010, softirq: 5, processors: 2 });
        let after = Stat { idle: 1010 + 180, softirq: 7, ..before };
        let machine = after.since(before, Duration::from_secs(1));
        assert_eq!(machine, Machine { softirq_ms_per_s: 20.0, busy_ms_per_s: 200.0 });
    }

    #[test]
    fn resident_memory_is_read_from_a_status() {
        assert_eq!(parse_rss("Name:\tx\nVmRSS:\t    7788 kB\n"), Some(7788));
        assert_eq!(parse_rss("Name:\tx\n"), None);
    }

    #[test]
    fn the_time_of_a_process_is_behind_its_name() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(parse_cpu(stat), Some(2000.0));
        assert_eq!(parse_cpu("42 (a) S 1"), None);
    }

    #[test]
    fn this_very_process_uses_what_it_burns() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let burn = std::thread::Builder::new().name("burner".to_owned()).spawn(|| {
            let end = Instant::now() + Duration::from_secs(2);
            while Instant::now() < end {}
        });
        let usage = quiet(&[vec![pid]], Duration::from_millis(500), Machine::default()).unwrap();
        burn.unwrap().join().unwrap();
        let burnt = usage.threads_ms_per_s.get("burner").copied().unwrap_or_default();
        // On a busy machine it gets less than a whole processor, but it gets some, and never more.
        assert!((1.0..=1100.0).contains(&burnt), "{usage:?}");
        assert!(usage.rss_mib > 1.0, "{usage:?}");
    }
}
