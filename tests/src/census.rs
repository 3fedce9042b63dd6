//! Counts what a run could leave behind: namespaces, mounts, interfaces, BPF programs, control groups, processes.

mod others;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use others::Others;

/// What there was at one moment. [`Census::left_since`] compares two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    namespaces: BTreeSet<String>,
    mounts: BTreeSet<String>,
    interfaces: BTreeSet<String>,
    programs: BTreeSet<String>,
    groups: BTreeSet<String>,
    processes: BTreeSet<String>,
}

/// Something that was not there before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// `namespace`, `mount`, `interface`, `BPF program`, `control group` or `process`.
    pub kind: &'static str,
    /// Its name or number.
    pub name: String,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl Census {
    /// Counts what is there now. It counts no processes, because only those of a run can be leftovers.
    ///
    /// # Errors
    /// The kernel does not list its BPF programs (that needs root).
    pub fn take() -> anyhow::Result<Self> {
        Ok(Self {
            namespaces: namespaces(),
            mounts: lines("/proc/self/mountinfo"),
            interfaces: entries("/sys/class/net"),
            programs: programs()?,
            groups: crate::cells::all(),
            processes: BTreeSet::new(),
        })
    }

    /// What is here now and was not in `before`, and the processes with the mark [`RUN`]`=run`, once the kernel had
    /// time to finish. Other runs on this machine are not blamed: what one of their processes holds or has named after
    /// itself does not count, and neither does what came or went while this looked.
    ///
    /// # Errors
    /// As [`Census::take`].
    pub fn leftovers(run: &str, before: &Self) -> anyhow::Result<Vec<Leftover>> {
        let end = Instant::now() + PATIENCE;
        let mut always: Option<BTreeSet<Leftover>> = None;
        loop {
            let now = Self { processes: processes(run), ..Self::take()? };
            let mut left: BTreeSet<Leftover> = now.left_since(before).into_iter().collect();
            if let Some(seen) = &always {
                left.retain(|one| seen.contains(one));
            }
            if !left.is_empty() {
                let others = Others::of(run);
                left.retain(|one| !others.own(one));
            }
            if left.is_empty() || Instant::now() > end {
                return Ok(left.into_iter().collect());
            }
            always = Some(left);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What is here and was not in `before`.
    #[must_use]
    pub fn left_since(&self, before: &Self) -> Vec<Leftover> {
        let pairs = [
            ("namespace", &self.namespaces, &before.namespaces),
            ("mount", &self.mounts, &before.mounts),
            ("interface", &self.interfaces, &before.interfaces),
            ("BPF program", &self.programs, &before.programs),
            ("control group", &self.groups, &before.groups),
            ("process", &self.processes, &before.processes),
        ];
        pairs
            .into_iter()
            .flat_map(|(kind, now, then)| now.difference(then).map(move |name| Leftover { kind, name: name.clone() }))
            .collect()
    }
}

/// The kernel takes down the devices of a killed namespace in the background, and frees their programs only after that.
/// This usually takes less than 0.1 s, but behind other work it takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The variable that marks every process of a run. Everything that the process starts inherits it.
pub const RUN: &str = "RM_LAB_RUN";

/// Named network namespaces. Those without a name end with the processes and descriptors that hold them.
fn namespaces() -> BTreeSet<String> {
    entries("/run/netns").iter().map(|name| format!("/run/netns/{name}")).collect()
}

fn programs() -> anyhow::Result<BTreeSet<String>> {
    // BPF_PROG_TYPE_SCHED_CLS and BPF_PROG_TYPE_XDP of linux/bpf.h.
    const OURS: [u32; 2] = [3, 6];
    let mut all = BTreeSet::new();
    for program in aya::programs::loaded_programs() {
        match program {
            // Other kinds come and go by themselves: systemd loads its own for every service.
            Ok(info) if !OURS.contains(&(info.program_type() as u32)) => continue,
            Ok(info) => all.insert(format!("{} {}", info.id(), info.name_as_str().unwrap_or("unnamed"))),
            // It ended between the listing of its number and the question for its name.
            Err(aya::programs::ProgramError::SyscallError(error))
                if error.io_error.kind() == std::io::ErrorKind::NotFound =>
            {
                continue;
            }
            Err(error) => return Err(anyhow::anyhow!("BPF programs cannot be listed: {error:?}")),
        };
    }
    Ok(all)
}

/// Processes with the mark of this run, by number and name.
fn processes(run: &str) -> BTreeSet<String> {
    pids()
        .filter(|&pid| pid != std::process::id() && is_marked(pid, run))
        .filter_map(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            Some(format!("{pid} {}", name.trim()))
        })
        .collect()
}

/// Whether this process has the mark of this run. A process that has ended has none.
fn is_marked(pid: u32, run: &str) -> bool {
    let mark = format!("{RUN}={run}");
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes())
}

fn pids() -> impl Iterator<Item = u32> {
    entries("/proc").into_iter().filter_map(|name| name.parse().ok())
}

fn entries(folder: impl AsRef<Path>) -> BTreeSet<String> {
    let Ok(read) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    read.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Mounts, by place and source. The rest of such a line changes by itself.
fn lines(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(|line| {
            let place = line.split(' ').nth(4).unwrap_or(line);
            let kind = line.split(" - ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("?");
            format!("{kind} on {place}")
        })
        .collect()
}

#[cfg(test)]
mod tests;
