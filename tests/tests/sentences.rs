//! What is said when something cannot work: one line that a person can act on, and an exit code for scripts.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use ringmon_tests::database::Choice;
use ringmon_tests::lab::{Lab, Options, Said};
use ringmon_tests::passing::Passing;
use ringmon_tests::process::{Launch, Process};

type Result<T = ()> = anyhow::Result<T>;

/// A lab with one server, which has no agent yet.
fn lab(database: Choice) -> Result<Lab> {
    let mut lab = Lab::new(Options { database, ..Options::built("debug") })?;
    lab.add("s1")?;
    Ok(lab)
}

/// Runs a program on the server; it must end by itself. `settings` override those of the lab.
fn run(lab: &Lab, program: PathBuf, args: &[&str], settings: &[(&str, &str)]) -> Result<Said> {
    let server = lab.server("s1")?;
    let mut env = lab.environment();
    env.extend(settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    env.push(("RINGMON_STATE_DIR".into(), server.folder.clone().into()));
    let args = args.iter().map(Into::into).collect();
    let launch = Launch { program, args, env, log: server.folder.join("agent.log") };
    let process = Process::start(&server.namespace, launch)?;
    let code = process.wait(Duration::from_secs(20))?.code().unwrap_or(-1);
    Ok(Said { code, out: String::new(), err: std::fs::read_to_string(process.log())? })
}

/// Runs `ringmon` on the server.
fn ringmon(lab: &Lab, args: &[&str], settings: &[(&str, &str)]) -> Result<Said> {
    run(lab, lab.binary().to_path_buf(), args, settings)
}

const AGENT: [&str; 7] = ["agent", "--name", "s1", "--interface", "eth0", "--address", "10.77.0.1"];

/// It says one line on stderr with all of these words, and ends with this code. The line is printed for people.
fn says(said: &Said, code: i32, words: &[&str]) -> Result {
    let lines: Vec<&str> = said.err.lines().filter(|line| line.starts_with("ringmon: ")).collect();
    println!("exit code {}: {}", said.code, lines.join("\n"));
    ensure!(said.code == code, "exit code {}, not {code}: {}", said.code, said.err);
    ensure!(lines.len() == 1, "one sentence: {}", said.err);
    for word in words {
        ensure!(said.err.contains(word), "{word}: {}", said.err);
    }
    Ok(())
}

#[test]
fn wrong_database_password() -> Result {
    let lab = lab(Choice::MariaDb)?;
    let said = ringmon(&lab, &AGENT, &[("RINGMON_DATABASE_PASSWORD", "not-it")])?;
    ensure!(!said.err.contains("not-it"), "a password is never printed: {}", said.err);
    says(&said, 77, &["password"])
}

#[test]
fn unknown_interface() -> Result {
    let args = ["agent", "--name", "s1", "--interface", "eth7", "--wait-address", "0"];
    let said = ringmon(&lab(Choice::Sqlite)?, &args, &[])?;
    says(&said, 69, &["eth7"])
}

#[test]
fn unknown_key_in_the_file() -> Result {
    let lab = lab(Choice::Sqlite)?;
    let file = lab.server("s1")?.folder.join("ringmon.toml");
    std::fs::write(&file, "pool = \"lab\"\nintreface = \"eth0\"\n")?;
    let file = file.to_str().context("a path")?;
    says(&ringmon(&lab, &["agent", "--config", file], &[])?, 78, &["intreface", "line 2", "interface"])
}

#[test]
fn busy_xdp_slot() -> Result {
    let lab = lab(Choice::Sqlite)?;
    let object = Options::built("debug").pass.context("an object")?;
    let passing = Passing::load(&object)?;
    passing.attach(&lab.server("s1")?.namespace, "eth0")?;
    let said = ringmon(&lab, &AGENT, &[("RINGMON_DATAPATH", "xdp-native")])?;
    says(&said, 69, &["eth0", "XDP", "pass, program ", "--datapath tc"])?;
    drop(passing);
    Ok(())
}

#[test]
fn no_privileges() -> Result {
    let lab = lab(Choice::Sqlite)?;
    // Root by name, but without any capability, as in many containers.
    let binary = lab.binary().to_str().context("a path")?.to_owned();
    let args = [&["--bounding-set=-all", "--inh-caps=-all", "--", &binary], AGENT.as_slice()].concat();
    says(&run(&lab, PathBuf::from("/usr/bin/setpriv"), &args, &[])?, 77, &["root"])
}

#[test]
fn no_schema() -> Result {
    let lab = lab(Choice::Sqlite)?;
    let empty = lab.server("s1")?.folder.join("empty.db");
    std::fs::write(&empty, "")?;
    let url = format!("sqlite://{}", empty.display());
    says(
        &ringmon(&lab, &AGENT, &[("RINGMON_DATABASE_URL", &url)])?,
        78,
        &["no ringmon schema", "this ringmon knows version ", "ringmon init"],
    )
}

#[test]
fn schema_of_another_version() -> Result {
    let lab = lab(Choice::Sqlite)?;
    lab.database.sql("INSERT INTO seaql_migrations VALUES ('m0099_next', 0)")?;
    says(&ringmon(&lab, &AGENT, &[])?, 78, &["schema version 99", "knows only version ", "upgrade ringmon"])
}

#[test]
fn unknown_pool() -> Result {
    says(&ringmon(&lab(Choice::Sqlite)?, &["ring", "show", "--pool", "nosuch"], &[])?, 78, &["nosuch"])
}
