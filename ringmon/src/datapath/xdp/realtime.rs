//! Real-time priority for the calling thread.

use std::io;

use nix::libc;

/// Above all that is not real-time, below the kernel's own threads (sched(7)).
const PRIORITY: libc::c_int = 40;
/// Nanoseconds by which the kernel may delay the wake-ups of a thread without real-time priority; 50,000 by default.
const SLACK: libc::c_ulong = 1;

/// Asks for SCHED_FIFO; where it is refused, says so once and asks for exact timers instead.
pub fn ask() {
    // SAFETY: all zeroes is a sched_param on every libc.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = PRIORITY;
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the parameters live.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } == 0 {
        return;
    }
    let error = io::Error::last_os_error();
    tracing::info!("the sender runs without real-time priority ({error}): probes may leave late on a busy machine");
    // SAFETY: takes a number. It cannot fail, and if it did, probes would leave 50 us later.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK) };
}
