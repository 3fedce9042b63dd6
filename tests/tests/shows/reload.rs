//! An agent reads its configuration again, and stops as it is told to.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringmon_tests::clock::now_ns;
use ringmon_tests::lab::Lab;
use ringmon_tests::server::State;

use crate::agent_check::{PORT, says};
use crate::{Result, patient_pool};

/// Runs `ringmon` beside the agent of this server. Returns its exit code and what it said.
fn beside(lab: &Lab, name: &str, words: &[&str]) -> Result<(i32, String)> {
    let mut command = Command::new(lab.binary());
    command.args(words).env("RINGMON_CONFIG", "/dev/null");
    let output = lab.server(name)?.namespace.run(move || command.output())?;
    let output = output.with_context(|| format!("cannot run ringmon {}", words.join(" ")))?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((output.status.code().unwrap_or(-1), said))
}

/// Writes the file, and has the agent of `s4` read it.
fn reload(lab: &Lab, file: &Path, text: &str) -> Result<(i32, String)> {
    std::fs::write(file, text).context("cannot write the configuration")?;
    beside(lab, "s4", &["reload"])
}

#[test]
fn a_configuration_is_read_again_while_the_agent_runs() -> Result {
    let mut lab = patient_pool(3)?;
    let file = lab.folder().join("s4.toml");
    std::fs::write(&file, "check = \"exec:/bin/true\"\ncheck_interval = \"1s\"\n").context("no configuration")?;
    lab.add("s4")?;
    lab.start("s4", &["--config", &file.display().to_string(), "--agent-check", &PORT.to_string()])?;
    lab.until_whole()?;
    lab.event("its service works", 0, |event| event.is("service", "s4") && event.detail["health"] == "passing")?;

    let (code, said) =
        reload(&lab, &file, "check = \"exec:/bin/false\"\ncheck_interval = \"1s\"\nweight = 50\ndscp = 0\n")?;
    ensure!(code == 0 && said == "obeyed from now on: check, weight\nafter another start: dscp\n", "{code} {said}");
    let reweighed = |lab: &mut Lab| Ok(lab.ring()?.row("s4").filter(|row| row.weight == 50).map(drop));
    lab.until("its row has the new weight", Duration::from_secs(20), reweighed)?;
    let line = says(&lab, "s4")?;
    ensure!(line.contains(" 50%"), "a HAProxy without a router is told too: {line}");
    let failing =
        lab.event("the new check fails", 0, |event| event.is("service", "s4") && event.detail["health"] == "failing")?;
    ensure!(failing.detail["check"] == "exec:/bin/false", "{failing:?}");

    // A file that is no good changes nothing, also not the parts of it that are.
    let (code, said) = reload(&lab, &file, "check = \"exec:/bin/true\"\nchek_interval = \"1s\"\n")?;
    ensure!(code == 78 && said.contains("did you mean \"check_interval\"?"), "{code} {said}");
    ensure!(said.contains("the old one stays"), "{said}");
    let (_, board) = beside(&lab, "s4", &["status", "--json"])?;
    ensure!(board.contains("exec:/bin/false"), "{board}");

    let begin = now_ns();
    let (code, said) = reload(&lab, &file, "drain = \"7s\"\n")?;
    let all = "obeyed from now on: drain, check, check_interval, weight\n";
    ensure!(code == 0 && said == all, "without the line, the default holds again: {code} {said}");
    // Nothing is known of a service that is not checked.
    lab.event("it is not known", begin, |event| event.is("service", "s4") && event.detail["health"] == "unknown")?;
    Ok(())
}

#[test]
fn an_agent_stays_or_leaves_as_each_stop_says() -> Result {
    let mut lab = patient_pool(3)?;
    let begin = now_ns();
    let (code, said) = beside(&lab, "s3", &["stop", "--stay"])?;
    ensure!(code == 0 && said == "the agent has ended\n", "{code} {said}");
    ensure!(lab.ring()?.names().contains("s3"), "its row stays");
    lab.start("s3", &[])?;
    let back = lab.event("it is back", begin, |event| event.is("joined", "s3"))?;
    ensure!(back.detail["kept_place"] == true, "{back:?}");
    lab.until_whole()?;
    let (code, said) = beside(&lab, "s3", &["stop", "--leave"])?;
    ensure!(code == 0, "{code} {said}");
    lab.mark("s3", State::Left);
    ensure!(!lab.until_whole()?.names().contains("s3"), "it has left");
    let (code, said) = beside(&lab, "s3", &["stop"])?;
    ensure!(code == 69 && said.contains("no agent answers"), "{code} {said}");
    Ok(())
}
