//! What belongs to other runs on this machine, which come and go at any time.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Leftover, entries, is_marked, pids};

/// The living processes of another run or of no run, and the BPF programs that they hold.
#[derive(Debug, Default)]
pub(super) struct Others {
    processes: BTreeSet<u32>,
    programs: BTreeSet<u32>,
}

impl Others {
    /// All processes but this one and those with the mark of `run`.
    pub(super) fn of(run: &str) -> Self {
        let processes: BTreeSet<u32> =
            pids().filter(|&pid| pid != std::process::id() && !is_marked(pid, run)).collect();
        let programs = processes.iter().flat_map(|&pid| held(pid)).collect();
        Self { processes, programs }
    }

    #[cfg(test)]
    pub(super) fn holding(programs: BTreeSet<u32>) -> Self {
        Self { programs, ..Self::default() }
    }

    /// Whether a leftover belongs to one of them: a program if one of them holds it; a process never; anything else if
    /// its name contains the number of one of them.
    pub(super) fn own(&self, one: &Leftover) -> bool {
        match one.kind {
            "process" => false,
            "BPF program" => {
                one.name.split(' ').next().and_then(|id| id.parse().ok()).is_some_and(|id| self.programs.contains(&id))
            }
            _ => numbers(&one.name).any(|number| number > 1 && self.processes.contains(&number)),
        }
    }
}

/// The programs that this process has a descriptor of, directly or through a link.
fn held(pid: u32) -> Vec<u32> {
    let folder = Path::new("/proc").join(pid.to_string());
    let is_bpf = |name: &String| {
        let target = std::fs::read_link(folder.join("fd").join(name)).unwrap_or_default();
        target.to_string_lossy().contains("bpf")
    };
    let descriptors = entries(folder.join("fd")).into_iter().filter(is_bpf);
    let texts = descriptors.filter_map(|name| std::fs::read_to_string(folder.join("fdinfo").join(name)).ok());
    texts.filter_map(|text| program_of(&text)).collect()
}

/// The program's number, if a descriptor with this `fdinfo` belongs to a program or a link (proc_pid_fdinfo(5)).
pub(super) fn program_of(fdinfo: &str) -> Option<u32> {
    fdinfo.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
}

fn numbers(name: &str) -> impl Iterator<Item = u32> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}
