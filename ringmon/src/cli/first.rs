//! As the first process of a container: the kernel gives it the children that others leave behind, and somebody must
//! wait for them (pid_namespaces(7)).
//!
//! The program runs again as a child of this one, which only waits for children and hands signals on. So nothing in the
//! program itself has to know of processes that it did not start.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

/// What a router obeys.
pub const OF_ROUTER: [i32; 3] = [SIGTERM, SIGINT, SIGHUP];
/// What an agent obeys.
pub const OF_AGENT: [i32; 5] = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2];

/// Hands these signals on. `None`: this is not the first process. Otherwise the program has run as a child, and this is
/// how it ended.
pub fn as_first_process(signals: &[i32]) -> Option<ExitCode> {
    (std::process::id() == 1).then(|| match run(signals) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("ringmon: as the first process it cannot start itself as a child: {error}");
            ExitCode::from(70)
        }
    })
}

fn run(handed_on: &[i32]) -> std::io::Result<u8> {
    let mut signals = Signals::new(handed_on.iter().chain(&[SIGCHLD]))?;
    // In a group of its own: what a terminal sends to a whole group would come twice.
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.args(std::env::args_os().skip(1)).process_group(0).spawn()?;
    let child = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    for signal in signals.forever() {
        if signal != SIGCHLD {
            // It may just have ended: then there is nobody to tell.
            if let Ok(signal) = Signal::try_from(signal) {
                let _ = kill(child, signal);
            }
            continue;
        }
        // Several that end at the same time are one signal.
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(who, code)) if who == child => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
                // As a shell says it.
                Ok(WaitStatus::Signaled(who, signal, _)) if who == child => return Ok(128 + signal as u8),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(_) | Err(_) => {}
            }
        }
    }
    Ok(70)
}
