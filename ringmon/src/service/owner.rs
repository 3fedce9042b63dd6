//! Processes: who holds a socket, and the kernel's word when one has ended (pidfd_open(2)).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;

/// Processes whose end is waited for. Dropping it forgets them.
#[derive(Debug, Default)]
pub(super) struct Owners {
    ends: JoinSet<u32>,
    pids: BTreeSet<u32>,
}

impl Owners {
    /// A service with more worker processes than this is watched by some of them.
    const MOST: usize = 64;

    /// Waits for these too, if `still` is true of them once they cannot be taken for others any more.
    pub fn add(&mut self, pids: impl IntoIterator<Item = u32>, still: impl Fn(u32) -> bool) {
        for pid in pids {
            if self.pids.len() >= Self::MOST || self.pids.contains(&pid) {
                continue;
            }
            if let Some(process) = open(pid).ok().filter(|_| still(pid)) {
                self.pids.insert(pid);
                self.ends.spawn(async move {
                    // An error is an end as well: it leads to a look, and to no conclusion.
                    let _ = process.readable().await;
                    pid
                });
            }
        }
    }

    pub fn none(&self) -> bool {
        self.pids.is_empty()
    }

    pub fn any(&self) -> Option<u32> {
        self.pids.first().copied()
    }

    /// Waits until one of them has ended. Cancel-safe.
    pub async fn end(&mut self) {
        match self.ends.join_next().await {
            Some(Ok(pid)) => drop(self.pids.remove(&pid)),
            Some(Err(_)) => *self = Self::default(),
            None => std::future::pending().await,
        }
    }

    /// Forgets those that have ended.
    pub fn bury(&mut self) {
        while let Some(Ok(pid)) = self.ends.try_join_next() {
            self.pids.remove(&pid);
        }
    }
}

/// A file that can be read once the process has ended, with all of its threads.
fn open(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    // SAFETY: this is the file descriptor's only owner, and never changes it.
    let process = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
    process.map_err(io::Error::from)
}

/// Who holds one of these sockets, and whether there are processes whose files may not be seen (ptrace(2), under
/// `PTRACE_MODE_READ_FSCREDS`). It looks at every process of the machine: some milliseconds.
pub(super) fn holders(inodes: &BTreeSet<u32>) -> (BTreeSet<u32>, bool) {
    let (mut pids, mut hidden) = (BTreeSet::new(), false);
    for name in fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name()) {
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        match sockets(pid) {
            Ok(own) => drop(own.is_disjoint(inodes) || !pids.insert(pid)),
            Err(error) => hidden |= error.kind() == io::ErrorKind::PermissionDenied,
        }
    }
    (pids, hidden)
}

/// Inodes of the sockets that a process holds (proc_pid_fd(5)).
///
/// # Errors
/// It has ended; or its files may not be seen.
pub(super) fn sockets(pid: u32) -> io::Result<BTreeSet<u32>> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let inode = |link: std::path::PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    Ok(files.filter_map(|file| inode(fs::read_link(file.path()).ok()?)).collect())
}
