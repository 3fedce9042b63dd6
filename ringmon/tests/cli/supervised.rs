//! What a service manager is told (sd_notify(3)).

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::first::until;
use super::kit::{Lab, POOL};

#[test]
fn the_service_manager_hears_that_a_router_is_ready_how_it_does_and_that_it_turns() {
    let lab = Lab::ring(&["a", "b"]);
    let socket = lab.dir.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let folder = lab.dir.path().display().to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringmon"));
    command.args(["router", "--router-http", "off", "--state-dir", &folder, "--pool", POOL]);
    command.env("RINGMON_DATABASE_URL", lab.url().to_string()).env("RINGMON_CONFIG", "/dev/null");
    command.env("NOTIFY_SOCKET", &socket).stdout(Stdio::null()).stderr(Stdio::null());
    let mut router = command.spawn().unwrap();
    let heard = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).expect("it says something");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut said = Vec::new();
    while said.iter().filter(|text: &&String| text.contains("WATCHDOG=1")).count() < 3 {
        said.push(heard());
    }
    end(&router);
    let ended = router.wait().unwrap();
    assert!(ended.success(), "{ended:?} {:?}", ended.signal());
    assert_eq!(said.iter().filter(|text| text.contains("READY=1")).count(), 1, "{said:?}");
    assert!(said[0].contains("READY=1"), "{said:?}");
    assert!(said.iter().any(|text| text.contains("STATUS=2 of 2 servers of pool lab get clients")), "{said:?}");
}

fn end(child: &std::process::Child) {
    send(child, Signal::SIGTERM);
}

fn send(child: &std::process::Child, signal: Signal) {
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, signal).unwrap();
}

/// Ends what it started, also when the test fails.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_router_reads_its_configuration_again() {
    let lab = Lab::ring(&["a", "b"]);
    let (file, log) = (lab.dir.path().join("r.toml"), lab.dir.path().join("log"));
    let write = |more: &str| {
        let text = format!("pool = {POOL:?}\nrouter_http = \"off\"\nstate_dir = {:?}\n{more}\n", lab.dir.path());
        std::fs::write(&file, text).unwrap();
    };
    write("");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringmon"));
    command.args(["router", "--config"]).arg(&file).env("RINGMON_DATABASE_URL", lab.url().to_string());
    command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let mut router = Running(command.spawn().unwrap());
    let said = |words: &str| std::fs::read_to_string(&log).unwrap_or_default().contains(words);
    // Its handlers are there before it keeps its first list.
    let kept = lab.dir.path().join(format!("routes-{POOL}.json"));
    until("it runs", || kept.exists());
    for (more, words) in [
        ("log = \"debug\"", "the configuration was read again"),
        ("poll = \"2s\"", "obeyed after another start of the router: poll"),
        ("pol = \"2s\"", "and the old one stays: "),
    ] {
        write(more);
        send(&router.0, Signal::SIGHUP);
        until(words, || said(words));
    }
    end(&router.0);
    assert!(router.0.wait().unwrap().success());
}

/// Where stderr is the journal, a line goes there with its fields, and not as text. The journal is a socket of ours, in
/// a mount namespace.
#[test]
fn the_journal_gets_fields() {
    let folder = tempfile::tempdir().unwrap();
    let journal = UnixDatagram::bind(folder.path().join("socket")).unwrap();
    journal.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let stderr = tempfile::NamedTempFile::new().unwrap();
    let of_stderr = std::fs::metadata(stderr.path()).unwrap();
    let script = "mount -t tmpfs run /run && mkdir -p /run/systemd/journal && \
                  mount --bind \"$1\" /run/systemd/journal && exec \"$0\" config example";
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_ringmon")]).arg(folder.path());
    command.env("JOURNAL_STREAM", format!("{}:{}", of_stderr.dev(), of_stderr.ino()));
    command.env("RINGMON_CONFIG", "/dev/null").env("RINGMON_POOOL", "x");
    let status = command.stdout(Stdio::null()).stderr(stderr.reopen().unwrap()).status().unwrap();
    let text = std::fs::read_to_string(stderr.path()).unwrap();
    assert!(status.success() && text.is_empty(), "{status}: {text}");
    let mut buffer = [0; 4096];
    let mut heard = String::new();
    // The first one is empty: it asks whether somebody is there.
    while !heard.contains("MESSAGE") {
        let length = journal.recv(&mut buffer).expect("it says something");
        heard = String::from_utf8_lossy(&buffer[..length]).into_owned();
    }
    assert!(heard.contains("RINGMON_POOOL means nothing to ringmon; did you mean RINGMON_POOL?"), "{heard}");
    assert!(heard.contains("SYSLOG_IDENTIFIER"), "{heard}");
}
