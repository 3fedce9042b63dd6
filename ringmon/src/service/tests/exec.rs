//! Programs, and what they leave behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::exec::run;

const SOON: Duration = Duration::from_secs(10);

fn script(dir: &Path, text: &str) -> Vec<String> {
    let path = dir.join("check.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    vec![path.display().to_string(), dir.display().to_string()]
}

/// Whether the process runs. A dead one that its new parent has not waited for yet does not run.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The process ids that the script wrote into its folder.
fn pids(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("pids")).unwrap_or_default();
    let whole = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    if text.ends_with("end\n") { whole[..whole.len() - 1].to_vec() } else { Vec::new() }
}

#[tokio::test]
async fn zero_passes_and_anything_else_fails_with_the_first_line() {
    for (text, result) in [
        ("exit 0", Ok(())),
        ("exit 3", Err("exit status: 3")),
        ("echo; echo 'queue is full'; echo more; exit 1", Err("exit status: 1: queue is full")),
        ("echo 'no such table' >&2; exit 2", Err("exit status: 2: no such table")),
        ("kill -9 $$", Err("signal: 9 (SIGKILL)")),
        ("head -c 10000000 /dev/zero; exit 0", Ok(())),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let words = script(dir.path(), text);
        let ended = tokio::time::timeout(SOON, run(&words)).await.expect("it ends");
        assert_eq!(ended, result.map_err(str::to_owned), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_started_fails() {
    let why = run(&["/nowhere/check".to_owned()]).await.unwrap_err();
    assert_eq!(why, "cannot start /nowhere/check: No such file or directory (os error 2)");
}

/// The shell, and a child that sleeps and holds the pipes.
const FORKS: &str = "sleep 1000 & echo $! > $1/pids; echo $$ >> $1/pids; echo end >> $1/pids";

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let words = script(dir.path(), &format!("{FORKS}; wait"));
    let task = tokio::spawn(async move { run(&words).await });
    until("it runs", || pids(dir.path()).len() == 2).await;
    let both = pids(dir.path());
    assert!(both.iter().all(|pid| runs(pid)), "{both:?}");
    task.abort();
    until("both are gone", || !both.iter().any(|pid| runs(pid))).await;
}

#[tokio::test]
async fn a_program_that_ends_leaves_no_children() {
    let dir = tempfile::tempdir().unwrap();
    let words = script(dir.path(), FORKS);
    let began = Instant::now();
    assert_eq!(tokio::time::timeout(SOON, run(&words)).await.expect("its end counts, not that of the pipe"), Ok(()));
    let both = pids(dir.path());
    assert_eq!(both.len(), 2, "{:?} after {:?}", both, began.elapsed());
    until("both are gone", || !both.iter().any(|pid| runs(pid))).await;
}
