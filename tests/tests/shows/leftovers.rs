//! Nothing is left behind, however a lab ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringmon_tests::census::{Census, RUN};
use ringmon_tests::fault::Fault;
use ringmon_tests::kernel::version;
use ringmon_tests::turn::Turn;

use crate::{Result, pool};

/// Set for the copy of this test program that is ended from outside.
const VICTIM: &str = "LAB_TO_BE_ENDED";
const UP: &str = "the lab is up";

fn no_leftovers(run: &str, before: &Census) -> Result {
    let left = Census::leftovers(run, before)?;
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

#[test]
fn a_lab_that_ends_in_the_middle_of_a_fault_leaves_nothing() -> Result {
    let before = Census::take()?;
    let pids = {
        let mut lab = pool(3)?;
        lab.strike(Fault::Crash, &["s1".to_owned()])?;
        lab.strike(Fault::AgentStop, &["s2".to_owned()])?;
        let pids: Result<Vec<i32>> = lab.servers().map(|server| Ok(server.agent()?.pid())).collect();
        pids?
    };
    for pid in pids {
        ensure!(kill(Pid::from_raw(pid), None).is_err(), "process {pid} is still there");
    }
    // Labs of other tests hold programs in this process too. While they run, those look like leftovers.
    let _turn = Turn::wait();
    no_leftovers("nobody", &before)
}

/// The number of the file that holds the process's link of this type.
fn link(pid: i32, kind: &str) -> Result<i32> {
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let path = entry?.path();
        if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&format!("link_type:\t{kind}\n"))) {
            return Ok(path.file_name().and_then(|name| name.to_str()).context("a number")?.parse()?);
        }
    }
    anyhow::bail!("process {pid} has no link of type {kind}")
}

/// The kernel closes the files of a killed process from the highest number down, and waits for milliseconds at each
/// link. The earlier the XDP link goes, the earlier a buddy hears that the agent is gone.
#[test]
fn a_killed_agent_stops_answering_before_all_else() -> Result {
    if version().is_some_and(|version| version < (6, 6)) {
        eprintln!("not tried: before Linux 6.6 there is only one link, so nothing is to be waited for");
        return Ok(());
    }
    let lab = pool(3)?;
    for server in lab.servers() {
        let pid = server.agent()?.pid();
        let (xdp, tcx) = (link(pid, "xdp")?, link(pid, "tcx")?);
        ensure!(xdp > tcx, "the XDP link is file {xdp}, the egress link is file {tcx}");
    }
    Ok(())
}

/// This is no test of its own: [`a_lab_that_is_ended_by`] starts it as another process.
fn be_the_victim() -> Result {
    let mut lab = pool(3)?;
    println!("{UP}");
    lab.hold(Duration::from_secs(120))
}

fn a_lab_that_is_ended_by(signal: Signal, test: &str) -> Result {
    if std::env::var_os(VICTIM).is_some() {
        return be_the_victim();
    }
    // No other lab of this process may start meanwhile. The victim is another process, with turns of its own.
    let _turn = Turn::wait();
    let before = Census::take()?;
    // A folder of its own, because other tests make folders at the same time.
    let home = tempfile::tempdir()?;
    let run = format!("{}-{test}", std::process::id());
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", &format!("leftovers::{test}"), "--nocapture"])
        .env(VICTIM, "1")
        .env(RUN, &run)
        .env("TMPDIR", home.path())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = BufReader::new(child.stdout.take().context("a pipe")?);
    // If the rest of the pipe were dropped, the child would end before the signal comes.
    let mut lines = out.lines();
    let up = lines.by_ref().map_while(std::result::Result::ok).any(|line| line.contains(UP));
    kill(Pid::from_raw(i32::try_from(child.id())?), signal)?;
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ensure!(up, "the other lab did not come up");
    no_leftovers(&run, &before)?;
    // A killed process cannot remove its folder, which contains only files.
    let stayed: Vec<_> = std::fs::read_dir(home.path())?.flatten().map(|entry| entry.path()).collect();
    ensure!(signal == Signal::SIGKILL || stayed.is_empty(), "a folder stayed: {stayed:?}");
    Ok(())
}

#[test]
fn a_lab_that_is_interrupted_leaves_nothing() -> Result {
    a_lab_that_is_ended_by(Signal::SIGINT, "a_lab_that_is_interrupted_leaves_nothing")
}

#[test]
fn a_lab_that_is_killed_leaves_no_process_namespace_or_program() -> Result {
    a_lab_that_is_ended_by(Signal::SIGKILL, "a_lab_that_is_killed_leaves_no_process_namespace_or_program")
}
