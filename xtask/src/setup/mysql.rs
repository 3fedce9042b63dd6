//! Oracle's MySQL. No stable Debian has it, so it comes from the unstable suite with every library that it needs,
//! unpacked beside the system.
//!
//! apt does the work with its own configuration, lists and cache, and believes that nothing is installed. So it
//! verifies signatures and finds dependencies, and the system's packages stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::progress;
use crate::refusal::Refusal;

const PACKAGE: &str = "mysql-server-core";
const SUITE: &str = "sid";

/// The tests look for it there.
fn root_of(root: &Path) -> PathBuf {
    root.join("target/tools/mysql")
}

/// Whether it is there and starts.
pub fn is_there(root: &Path) -> bool {
    root_of(root).join("usr/sbin/mysqld").exists() && ringmon_tests::engine::Engine::MySql.version().is_ok()
}

/// For people.
pub fn remedy() -> String {
    format!(
        "Oracle's MySQL: {PACKAGE} of Debian {SUITE}, \
         unpacked into target/tools/mysql by `cargo xtask test --engines mysql`"
    )
}

/// Downloads and unpacks it: 60 MB.
///
/// # Errors
/// [`Refusal::Unavailable`] where Debian's unstable suite cannot be read. Other errors when a step failed.
pub fn install(root: &Path) -> anyhow::Result<()> {
    let work = root.join("target/tools/mysql-apt");
    let log = |name: &str| root.join(format!("target/logs/mysql-{name}.log"));
    let config = configure(root, &work)?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", &config).env("DEBIAN_FRONTEND", "noninteractive").args(args);
        command
    };
    let unavailable = |error: anyhow::Error| {
        Refusal::Unavailable(format!("{PACKAGE} of Debian {SUITE} cannot be had from this machine's mirror: {error:#}"))
    };
    progress::quietly("reading Debian's unstable package lists", &mut apt(&["update"]), &log("lists"))
        .map_err(unavailable)?;
    let mut download = apt(&["install", "--yes", "--download-only", PACKAGE]);
    progress::quietly("downloading Oracle's MySQL (60 MB)", &mut download, &log("download")).map_err(unavailable)?;
    let fresh = root.join("target/tools/mysql-new");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
    for package in fs::read_dir(work.join("cache/archives")).context("apt left no packages")? {
        let package = package.context("apt's packages cannot be read")?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(&package).arg(&fresh);
            progress::quietly(&format!("unpacking {}", name(&package)), &mut unpack, &log("unpack"))?;
        }
    }
    let place = root_of(root);
    let _ = fs::remove_dir_all(&place);
    fs::rename(&fresh, &place).with_context(|| format!("cannot move MySQL to {}", place.display()))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    let version = ringmon_tests::engine::Engine::MySql.version().context("MySQL was unpacked and does not start")?;
    progress::say(&format!("MySQL {version} is in {}", place.display()));
    Ok(())
}

fn name(package: &Path) -> String {
    package.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// apt's folders in `work`, and the configuration that names them.
fn configure(root: &Path, work: &Path) -> anyhow::Result<PathBuf> {
    let mirror = mirror(root)?;
    for folder in ["lists/partial", "cache/archives/partial"] {
        let folder = work.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let write = |name: &str, text: String| {
        let path = work.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display())).map(|()| path)
    };
    let sources = write(
        "sources.list",
        format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} {SUITE} main\n"),
    )?;
    let status = write("status", String::new())?;
    let lines = [
        ("Dir::Etc::SourceList", sources.display().to_string()),
        ("Dir::Etc::SourceParts", "-".to_owned()),
        ("Dir::State::Lists", work.join("lists").display().to_string()),
        ("Dir::State::status", status.display().to_string()),
        ("Dir::Cache", work.join("cache").display().to_string()),
        ("APT::Install-Recommends", "false".to_owned()),
        ("APT::Sandbox::User", "root".to_owned()),
        ("Acquire::Languages", "none".to_owned()),
    ];
    write("apt.conf", lines.iter().map(|(name, value)| format!("{name} \"{value}\";\n")).collect())
}

/// The Debian mirror that this machine uses.
fn mirror(root: &Path) -> anyhow::Result<String> {
    let ask = || {
        let args = ["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"];
        let output = Command::new("apt-get").args(args).output().context("this machine has no apt-get")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        anyhow::Ok(text.lines().find_map(|line| line.strip_prefix("Debian|Debian|")).map(str::to_owned))
    };
    if let Some(mirror) = ask()? {
        return Ok(mirror);
    }
    // apt learns its mirrors' origins from their lists.
    super::apt::update(root);
    let why = "no package source of this machine is Debian's, and Oracle's MySQL is taken from its unstable suite";
    Ok(ask()?.ok_or_else(|| Refusal::Unavailable(why.to_owned()))?)
}
