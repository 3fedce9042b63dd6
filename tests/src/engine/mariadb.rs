//! One MariaDB: Debian's `mariadb-server`.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::node::{self, Node};

pub fn version() -> anyhow::Result<String> {
    let output = Command::new(super::find("mariadbd")?).arg("--version").output().context("cannot run mariadbd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find(|word| word.contains("MariaDB")).map(str::to_owned).context("mariadbd says no version")
}

pub fn start(more: &dyn Fn(&Path) -> anyhow::Result<Vec<String>>) -> anyhow::Result<Node> {
    node::three_times(|| {
        let folder = node::folder("ringmon-mariadb-")?;
        let port = node::free_port()?;
        install(folder.path(), "root")?;
        std::fs::write(folder.path().join("init.sql"), super::account()).context("cannot write init.sql")?;
        let mut program = program(folder.path(), port, "root")?;
        program.push(format!("--init-file={}", folder.path().join("init.sql").display()).into());
        program.extend(more(folder.path())?.into_iter().map(OsString::from));
        Node::start(folder, port, program)
    })
}

/// Makes the system tables in `data`.
pub fn install(folder: &Path, user: &str) -> anyhow::Result<()> {
    own(folder, user)?;
    let datadir = format!("--datadir={}", folder.join("data").display());
    let mut command = Command::new(super::find("mariadb-install-db")?);
    command.args(["--no-defaults", &datadir, "--auth-root-authentication-method=normal", "--skip-test-db"]);
    // For machines whose own name does not resolve.
    command.args(["--skip-name-resolve", "--force", &format!("--user={user}")]);
    // Its temporary tables go into its own folder: servers that start at the same time delete each other's.
    node::prepare(command.env("TMPDIR", folder.join("tmp")), folder)
}

/// Gives the folder to the user that the server runs as.
pub fn own(folder: &Path, user: &str) -> anyhow::Result<()> {
    let status = Command::new("chown").args(["-R", user]).arg(folder).status().context("cannot run chown")?;
    ensure!(status.success(), "cannot give {} to user {user}: is mariadb-server installed?", folder.display());
    Ok(())
}

/// The server's program, and the arguments that all of them have.
pub fn program(folder: &Path, port: u16, user: &str) -> anyhow::Result<Vec<OsString>> {
    let mut program = vec![super::find("mariadbd")?.into_os_string(), "--no-defaults".into()];
    program.extend(common(folder, port, user));
    Ok(program)
}

/// Arguments that MariaDB and MySQL both understand.
pub fn common(folder: &Path, port: u16, user: &str) -> Vec<OsString> {
    let place = |name: &str, file: &str| format!("--{name}={}", folder.join(file).display());
    [
        place("datadir", "data"),
        place("socket", "sock"),
        place("pid-file", "pid"),
        place("tmpdir", "tmp"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--port={port}"),
        "--skip-name-resolve".to_owned(),
        format!("--user={user}"),
        // A COMMIT is in the kernel's hands: it survives a killed server. No power cut has to be survived here.
        "--innodb-flush-log-at-trx-commit=2".to_owned(),
        "--innodb-buffer-pool-size=64M".to_owned(),
        "--max-connections=1000".to_owned(),
    ]
    .map(OsString::from)
    .into()
}
