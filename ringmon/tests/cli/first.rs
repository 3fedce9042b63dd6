//! As the first process of a container.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kit::{Lab, POOL};

fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends what it started, also when the test fails.
struct Container(Child);

impl Drop for Container {
    fn drop(&mut self) {
        for first in children(self.0.id()) {
            let _ = kill(Pid::from_raw(i32::try_from(first).unwrap_or(i32::MAX)), Signal::SIGKILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A hook leaves a child behind, which the kernel gives to the first process. Somebody must wait for it.
#[test]
fn the_first_process_of_a_container_waits_for_what_others_left_and_hands_signals_on() {
    let lab = Lab::ring(&["a", "b"]);
    let (hook, done) = (lab.dir.path().join("hook"), lab.dir.path().join("done"));
    let script = format!("#!/bin/sh\nsetsid sh -c 'sleep 0.1; echo > {}' >/dev/null 2>&1 &\nexit 0\n", done.display());
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", env!("CARGO_BIN_EXE_ringmon"), "router", "--pool", POOL]);
    command.args(["--router-http", "off", "--state-dir"]).arg(lab.dir.path()).arg("--hook").arg(&hook);
    command.env("RINGMON_DATABASE_URL", lab.url().to_string()).env("RINGMON_CONFIG", "/dev/null");
    let mut container = Container(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("the hook's child has run", || done.exists());
    let first = *children(container.0.id()).first().expect("unshare has forked");
    until("only the router is left", || children(first).len() == 1);
    kill(Pid::from_raw(i32::try_from(first).unwrap()), Signal::SIGTERM).unwrap();
    let ended = container.0.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "the router was told, and has ended well");
}
