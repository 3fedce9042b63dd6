//! What is left of a process that holds passwords and keys, and who may look into it.

use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// A command that waits for a database that accepts and does not answer. It ends with this.
struct Running {
    child: Child,
    _database: TcpListener,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Returns once the command asks for the database: by then it has done everything that it does at its start.
    fn start(mut command: Command, environment: &[(&str, &str)]) -> Self {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RINGMON_")) {
            command.env_remove(name);
        }
        let database = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("mysql://ringmon@{}/d", database.local_addr().unwrap());
        command.args(["ring", "show", "--pool", "p", "--database-url", &url]).env("RINGMON_CONFIG", "/dev/null");
        let child =
            command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let running = Self { child, _database: database };
        running._database.accept().unwrap();
        running
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }

    fn read(&self, file: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path(file)).unwrap()).into_owned()
    }

    fn core_limit(&self) -> String {
        core_limit(&self.read("limits"))
    }
}

/// "0 0" are the soft and the hard limit.
fn core_limit(limits: &str) -> String {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("the kernel's line");
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ringmon"))
}

#[test]
fn no_core_is_dumped_unless_it_is_asked_for() {
    assert_eq!(Running::start(binary(), &[]).core_limit(), "0 0");
    assert_eq!(Running::start(binary(), &[("RINGMON_CORE_DUMPS", "0")]).core_limit(), "0 0");
    let ours = core_limit(&std::fs::read_to_string("/proc/self/limits").unwrap());
    assert_eq!(Running::start(binary(), &[("RINGMON_CORE_DUMPS", "1")]).core_limit(), ours);
}

/// What the kernel calls not dumpable belongs to root, whoever runs it (proc(5)).
#[test]
fn nobody_of_the_same_user_may_read_its_memory() {
    let owner = |environment: &[(&str, &str)]| {
        // Another user than root may not be able to reach the binary's path. So it runs from an open file.
        let file = std::fs::File::open(env!("CARGO_BIN_EXE_ringmon")).unwrap();
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if nix::unistd::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        let running = Running::start(command, environment);
        std::fs::metadata(running.path("mem")).unwrap().uid()
    };
    let user = if nix::unistd::geteuid().is_root() { 65534 } else { nix::unistd::geteuid().as_raw() };
    assert_eq!((owner(&[("RINGMON_CORE_DUMPS", "1")]), owner(&[])), (user, 0));
}
