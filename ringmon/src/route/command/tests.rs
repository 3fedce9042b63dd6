use std::path::PathBuf;

use super::super::kit::{is_gone, lines, script, until};
use super::*;

fn run(line: &CommandLine) -> Run<'_> {
    Run { what: "hook", line, input: String::new(), set: Vec::new(), limit: Duration::from_secs(30) }
}

fn words(line: &str) -> Vec<String> {
    CommandLine::parse(line).unwrap().0
}

#[test]
fn a_line_is_split_as_a_shell_does_and_nothing_is_expanded() {
    assert_eq!(words("nginx -t -c {}"), ["nginx", "-t", "-c", "{}"]);
    assert_eq!(words(r#"sh -c 'echo "$1" *' "a b""#), ["sh", "-c", r#"echo "$1" *"#, "a b"]);
    for none in ["", "  ", "echo 'x"] {
        let said = CommandLine::parse(none).unwrap_err().to_string();
        assert!(said.starts_with(&format!("`{none}` is not a command line")), "{said}");
    }
    let with = CommandLine::parse("check {} --file={}").unwrap().with(&PathBuf::from("/a b"));
    assert_eq!(with.0, ["check", "/a b", "--file=/a b"]);
}

#[tokio::test]
async fn it_reads_its_input_and_sees_its_variables() {
    let folder = tempfile::tempdir().unwrap();
    let line = script(folder.path(), "cat > $D/out; echo \"$X\" >> $D/out");
    let set = vec![("X", "y z".to_owned())];
    Run { input: "hello\n".to_owned(), set, ..run(&line) }.finish().await.unwrap();
    assert_eq!(lines(&folder.path().join("out")), ["hello", "y z"]);
}

#[test]
fn it_does_not_see_our_own_options() {
    let own = ["PATH", "RINGMON_DATABASE_URL", "HOME"].map(|name| (name.into(), "x".into()));
    let left: Vec<OsString> = environment(own.into_iter()).map(|(name, _)| name).collect();
    assert_eq!(left, ["PATH", "HOME"]);
}

#[tokio::test]
async fn input_that_nobody_reads_is_no_failure() {
    let line = CommandLine::parse("true").unwrap();
    Run { input: "x".repeat(1_000_000), ..run(&line) }.finish().await.unwrap();
}

#[tokio::test]
async fn a_failure_tells_the_end_of_what_was_printed() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&script(folder.path(), "echo one; echo two >&2; exit 3")).finish().await.unwrap_err().to_string();
    assert_eq!(said, "the hook `sh` failed (exit status: 3): one | two");
    let many = script(folder.path(), "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; exit 1");
    let said = run(&many).finish().await.unwrap_err().to_string();
    assert!(said.len() < 3 * TAIL && said.ends_with("| 19999"), "{} bytes", said.len());
    let said = run(&CommandLine::parse("/no/such/program").unwrap()).finish().await.unwrap_err().to_string();
    assert!(said.starts_with("cannot run the hook `/no/such/program`: No such file"), "{said}");
}

/// Hangs, and so does its child. Both write down their process id.
const HANGS: &str = "sleep 1000 & echo $! >> $D/pids; echo $$ >> $D/pids; echo waiting; wait";

#[tokio::test]
async fn what_hangs_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let line = script(folder.path(), HANGS);
    let error = Run { limit: Duration::from_secs(2), ..run(&line) }.finish().await.unwrap_err();
    assert_eq!(error.to_string(), "the hook `sh` was killed after 2s: waiting");
    let pids = lines(&folder.path().join("pids"));
    assert_eq!(pids.len(), 2);
    until("gone", || pids.iter().all(|pid| is_gone(pid))).await;
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let line = script(folder.path(), HANGS);
    let task = tokio::spawn(async move { run(&line).finish().await });
    let pids = folder.path().join("pids");
    until("started", || lines(&pids).len() == 2).await;
    assert!(!lines(&pids).iter().any(|pid| is_gone(pid)));
    task.abort();
    until("gone", || lines(&pids).iter().all(|pid| is_gone(pid))).await;
}

#[tokio::test]
async fn a_daemon_that_it_starts_is_left_alone_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    run(&script(folder.path(), "sleep 1000 & echo $! > $D/pid")).finish().await.unwrap();
    let pid = lines(&folder.path().join("pid")).remove(0);
    assert!(!is_gone(&pid));
    nix::sys::signal::kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
}
