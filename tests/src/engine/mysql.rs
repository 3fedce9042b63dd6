//! One MySQL from Oracle, unpacked beside the system with the libraries that it was built for. Their dynamic linker
//! starts it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::node::{self, Node};

/// `cargo xtask test --engines mysql` unpacks it there.
fn root() -> PathBuf {
    super::tools().join("mysql")
}

/// The unpacked server, started by the unpacked linker.
fn server() -> anyhow::Result<Vec<OsString>> {
    let root = root();
    let linker = root.join("usr/lib64/ld-linux-x86-64.so.2");
    let program = root.join("usr/sbin/mysqld");
    if !linker.exists() || !program.exists() {
        bail!("MySQL is not in {}: run `cargo xtask test --engines mysql`, which puts it there", root.display());
    }
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    Ok(vec![linker.into(), "--library-path".into(), libraries.into(), program.into(), "--no-defaults".into()])
}

pub fn version() -> anyhow::Result<String> {
    let server = server()?;
    let output = Command::new(&server[0]).args(&server[1..]).arg("--version").output().context("cannot run mysqld")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().skip_while(|word| *word != "Ver").nth(1);
    version.map(str::to_owned).with_context(|| format!("mysqld says no version: {text}"))
}

pub fn start(more: &[String]) -> anyhow::Result<Node> {
    node::three_times(|| {
        let folder = node::folder("ringmon-mysql-")?;
        let port = node::free_port()?;
        let mut program = server()?;
        program.extend(places(&root()));
        let mut install = Command::new(&program[0]);
        let datadir = format!("--datadir={}", folder.path().join("data").display());
        install.args(&program[1..]).args([&datadir, "--user=root", "--initialize-insecure"]);
        node::prepare(&mut install, folder.path())?;
        std::fs::write(folder.path().join("init.sql"), super::account()).context("cannot write init.sql")?;
        program.extend(super::mariadb::common(folder.path(), port, "root"));
        program.push(format!("--init-file={}", folder.path().join("init.sql").display()).into());
        program.extend(["--mysqlx=OFF", "--skip-log-bin"].map(OsString::from));
        program.extend(more.iter().map(OsString::from));
        Node::start(folder, port, program)
    })
}

/// Its own files, which it would otherwise look for in the system.
fn places(root: &Path) -> Vec<OsString> {
    let place = |name: &str, place: &str| format!("--{name}={}", root.join(place).display());
    [
        place("basedir", "usr"),
        place("lc-messages-dir", "usr/share/mysql"),
        place("character-sets-dir", "usr/share/mysql/charsets"),
        place("plugin-dir", "usr/lib/mysql/plugin"),
        // Its default is a folder that does not exist, and then it does not start.
        "--secure-file-priv=NULL".to_owned(),
    ]
    .map(OsString::from)
    .into()
}
