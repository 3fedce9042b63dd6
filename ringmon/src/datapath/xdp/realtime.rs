//! Real-time priority for the calling thread.

use std::io;

use nix::libc;

/// Which thread asks. Both run before everything that is not real-time, and after the kernel's own threads (sched(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends probes at their time: microseconds of work each.
    Sender,
    /// Judges the results of the probes; gives way to the sender.
    Loop,
}

impl Role {
    const fn priority(self) -> libc::c_int {
        match self {
            Self::Sender => 40,
            Self::Loop => 30,
        }
    }

    const fn without(self) -> &'static str {
        match self {
            Self::Sender => "the sender runs without real-time priority: probes may leave late on a busy machine",
            Self::Loop => "the event loop runs without real-time priority: decisions may come late on a busy machine",
        }
    }
}

/// Nanoseconds by which the kernel may delay the wake-ups of a thread without real-time priority; the default is
/// 50,000.
const SLACK: libc::c_ulong = 1;

/// Asks for SCHED_FIFO. If that is refused, it logs this once and asks for exact timers instead.
pub fn ask(role: Role) {
    // SAFETY: all zeroes is a sched_param on every libc.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = role.priority();
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the parameters live.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } == 0 {
        return;
    }
    let error = io::Error::last_os_error();
    tracing::info!("{}; it needs the capability CAP_SYS_NICE ({error})", role.without());
    // SAFETY: takes a number. It cannot fail, and if it did, wake-ups would be 50 us later.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK) };
}
