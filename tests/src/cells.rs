//! Control groups (cgroups(7)) around the processes of servers, with a limit that can be put on and taken off.
//!
//! Nothing is mounted. Where the controller is one of version 1, the groups are below the group of this process;
//! else they are at the top of version 2, if the controller is on there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::process::Launch;
use crate::undo::Undo;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 10 ms of processor time in 100 ms.
    Quota,
    /// A tenth less memory than is in use when the limit is put on.
    Memory,
}

/// A group for each server, until the last clone is dropped. By default there is none.
#[derive(Clone, Debug, Default)]
pub struct Cells(BTreeMap<String, Arc<Cell>>);

#[derive(Debug)]
struct Cell {
    tree: Tree,
    folder: PathBuf,
    _end: Undo,
}

/// The files of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    CpuV1,
    CpuV2,
    MemoryV1,
    MemoryV2,
}

/// How the names of groups begin. The number of the process follows.
const PREFIX: &str = "ringmon-lab-";
const TOP: &str = "/sys/fs/cgroup";
/// Writing back what a group has changed, or ending its last process, may take the kernel a while.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cells {
    /// Groups without a limit yet, one for each of these servers.
    ///
    /// # Errors
    /// This machine has no such controller, or this process is not root.
    pub fn new(kind: Kind, names: &[String]) -> anyhow::Result<Self> {
        let (tree, parent) = Tree::find(kind)?;
        let cell = |name: &String| Ok((name.clone(), Arc::new(Cell::new(tree, &parent, name)?)));
        names.iter().map(cell).collect::<anyhow::Result<_>>().map(Self)
    }

    /// The same program, but it runs in the group of this server, if there is one. It enters before it starts, so
    /// that all its threads are inside.
    #[must_use]
    pub fn enter(&self, name: &str, launch: Launch) -> Launch {
        let Some(cell) = self.0.get(name) else { return launch };
        let mut args = ["-c", "echo $$ > \"$0\" && exec \"$@\""].map(Into::into).to_vec();
        args.extend([cell.folder.join("cgroup.procs").into(), launch.program.into()]);
        args.extend(launch.args);
        Launch { program: "/bin/sh".into(), args, ..launch }
    }

    /// Puts the limit on each group.
    ///
    /// # Errors
    /// The kernel refused, or does not get below a limit of memory.
    pub fn limit(&self) -> anyhow::Result<()> {
        self.0.values().try_for_each(|cell| cell.limit())
    }

    /// Takes the limits off.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn free(&self) -> anyhow::Result<()> {
        self.0.values().try_for_each(|cell| cell.free())
    }

    /// Which file limits the groups; nothing if there are none.
    #[must_use]
    pub fn words(&self) -> Option<&'static str> {
        self.0.values().next().map(|cell| cell.tree.words())
    }

    /// How many bytes each group uses, where memory is counted.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn memory(&self) -> anyhow::Result<Vec<u64>> {
        self.0.values().map(|cell| cell.memory()).collect()
    }

    /// The servers with a group.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

/// All groups of labs, also of other processes.
#[must_use]
pub fn all() -> BTreeSet<String> {
    let parents = [Kind::Quota, Kind::Memory].into_iter().filter_map(|kind| Tree::find(kind).ok());
    let entries = parents.filter_map(|(_, parent)| std::fs::read_dir(parent).ok()).flatten().flatten();
    let ours = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(PREFIX);
    entries.filter(ours).map(|entry| entry.path().display().to_string()).collect()
}

impl Tree {
    fn find(kind: Kind) -> anyhow::Result<(Self, PathBuf)> {
        let (controller, file, old, new) = match kind {
            Kind::Quota => ("cpu", "cpu.cfs_quota_us", Self::CpuV1, Self::CpuV2),
            Kind::Memory => ("memory", "memory.limit_in_bytes", Self::MemoryV1, Self::MemoryV2),
        };
        let top = Path::new(TOP).join(controller);
        if top.join(file).exists() {
            let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let own = own_group(&own, controller).map(|group| top.join(group.trim_start_matches('/')));
            // In a container the group may be named as it is called outside.
            return Ok((old, own.filter(|folder| folder.join(file).exists()).unwrap_or(top)));
        }
        let on = std::fs::read_to_string(Path::new(TOP).join("cgroup.subtree_control")).unwrap_or_default();
        if !on.split_whitespace().any(|word| word == controller) {
            bail!("there is no {}/{file}, and {TOP}/cgroup.subtree_control has no {controller}", top.display());
        }
        Ok((new, TOP.into()))
    }

    const fn words(self) -> &'static str {
        match self {
            Self::CpuV1 => "cgroup v1, cpu.cfs_quota_us",
            Self::CpuV2 => "cgroup v2, cpu.max",
            Self::MemoryV1 => "cgroup v1, memory.limit_in_bytes",
            Self::MemoryV2 => "cgroup v2, memory.high",
        }
    }
}

/// The group of a process with this `/proc/PID/cgroup`, in a hierarchy of version 1.
fn own_group<'a>(text: &'a str, controller: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|one| one == controller).then_some(group)
    })
}

impl Cell {
    fn new(tree: Tree, parent: &Path, name: &str) -> anyhow::Result<Self> {
        // The number tells a census whose it is.
        let folder = parent.join(format!("{PREFIX}{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let end = Undo::later({
            let folder = folder.clone();
            move || {
                if let Err(error) = remove(&folder) {
                    eprintln!("cannot remove {}: {error}", folder.display());
                }
            }
        });
        Ok(Self { tree, folder, _end: end })
    }

    fn write(&self, file: &str, value: &str) -> anyhow::Result<()> {
        let path = self.folder.join(file);
        std::fs::write(&path, value).with_context(|| format!("cannot write {value} to {}", path.display()))
    }

    fn limit(&self) -> anyhow::Result<()> {
        match self.tree {
            Tree::CpuV1 => {
                self.write("cpu.cfs_period_us", "100000").and_then(|()| self.write("cpu.cfs_quota_us", "10000"))
            }
            Tree::CpuV2 => self.write("cpu.max", "10000 100000"),
            Tree::MemoryV1 | Tree::MemoryV2 => {
                let value = (self.memory()? / 10 * 9).to_string();
                let file = if self.tree == Tree::MemoryV1 { "memory.limit_in_bytes" } else { "memory.high" };
                let end = Instant::now() + PATIENCE;
                // Busy: the kernel did not get below it at once.
                while let Err(error) = self.write(file, &value) {
                    if Instant::now() > end {
                        return Err(error);
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                Ok(())
            }
        }
    }

    fn free(&self) -> anyhow::Result<()> {
        match self.tree {
            Tree::CpuV1 => self.write("cpu.cfs_quota_us", "-1"),
            Tree::CpuV2 => self.write("cpu.max", "max 100000"),
            Tree::MemoryV1 => self.write("memory.limit_in_bytes", "-1"),
            Tree::MemoryV2 => self.write("memory.high", "max"),
        }
    }

    fn memory(&self) -> anyhow::Result<u64> {
        let file = match self.tree {
            Tree::CpuV1 | Tree::CpuV2 => return Ok(0),
            Tree::MemoryV1 => self.folder.join("memory.usage_in_bytes"),
            Tree::MemoryV2 => self.folder.join("memory.current"),
        };
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text.trim().parse().with_context(|| format!("{} has no number", file.display()))
    }
}

/// Its processes have ended, but the kernel may still be busy with the last one.
fn remove(folder: &Path) -> std::io::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::Namespace;
    use crate::process::Process;

    #[test]
    fn the_own_group_is_found_among_all_hierarchies() {
        let text = "4:memory:/a/b\n2:cpuacct,cpu:/c\n1:name=systemd:/\n0::/d\n";
        assert_eq!(own_group(text, "cpu"), Some("/c"));
        assert_eq!(own_group(text, "memory"), Some("/a/b"));
        assert_eq!(own_group(text, "pids"), None);
    }

    #[test]
    fn a_program_that_starts_in_a_cell_is_in_it_and_the_cell_goes_when_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::new(Kind::Quota, &["a".to_owned()]).unwrap();
        let group = cells.0["a"].folder.clone();
        let (program, log) = ("/bin/sleep".into(), folder.path().join("log"));
        let launch = cells.enter("a", Launch { program, args: vec!["60".into()], env: Vec::new(), log });
        let process = Process::start(&Namespace::own().unwrap(), launch.clone()).unwrap();
        let end = Instant::now() + PATIENCE;
        let inside = || std::fs::read_to_string(group.join("cgroup.procs")).unwrap().trim().to_owned();
        while inside() != process.pid().to_string() {
            assert!(Instant::now() < end, "{:?} is not in {}", process, group.display());
        }
        assert!(all().contains(&group.display().to_string()));
        cells.limit().unwrap();
        cells.free().unwrap();
        drop(process);
        drop(cells);
        assert!(!group.exists());
        assert_eq!(Cells::default().enter("a", launch.clone()).args, launch.args, "without a cell nothing is changed");
    }
}
