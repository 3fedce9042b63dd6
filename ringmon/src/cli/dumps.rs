//! Core dumps: a process of ours holds the database's password and the pool's keys, and a dump of it would be a file with both.

use std::io;

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

/// Set to anything but nothing and 0, it allows dumps: for whoever looks for a fault, on a pool whose keys do not matter.
pub const ALLOWED: &str = "RINGMON_CORE_DUMPS";

/// No dumps of this process, unless they are allowed.
///
/// Two locks, since neither covers everything: the limit is not asked where the kernel pipes dumps into a program (core(5)), and the other is undone when a
/// process starts another program. The second also keeps other processes of the same user from reading this one's memory.
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
