//! Core dumps. Our processes hold the database's password and the pool's keys, and a dump would be a file with both.

use std::io;

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

/// Set to anything but nothing and 0, it allows dumps: for finding a fault, on a pool whose keys do not matter.
pub const ALLOWED: &str = "RINGMON_CORE_DUMPS";

/// Forbids dumps of this process, unless they are allowed.
///
/// There are two locks, because neither covers everything. The kernel ignores the limit where it pipes dumps into a
/// program (core(5)). The other one is undone when a process starts another program. The second one also keeps other
/// processes of the same user from reading this one's memory.
///
/// # Errors
/// The kernel's.
pub fn forbid() -> io::Result<()> {
    if std::env::var_os(ALLOWED).is_some_and(|word| !word.is_empty() && word != "0") {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    set_dumpable(false)?;
    Ok(())
}
