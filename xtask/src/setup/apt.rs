//! Installs Debian packages without starting the services that come with them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use ringmon_tests::undo::Undo;

use super::tools::LLVM_PACKAGE;
use crate::progress;
use crate::refusal::Refusal;

/// Lists older than this may name versions that the mirrors have deleted.
const LISTS_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Installs these packages; does nothing if there are none.
///
/// # Errors
/// [`Refusal`] without apt-get, without root, or when a package cannot be had. Other errors when apt-get fails.
pub fn install(root: &Path, packages: &[&str]) -> anyhow::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    if super::find("apt-get").is_none() {
        return Err(Refusal::Unavailable(format!(
            "this machine has no apt-get: install {} yourself and run this again",
            packages.join(", ")
        ))
        .into());
    }
    if !ringmon_tests::kernel::is_root() {
        return Err(Refusal::NotPermitted(format!(
            "installing {} needs root: run it again with sudo, or as root",
            packages.join(", ")
        ))
        .into());
    }
    let mut fresh = false;
    if lists_are_old() || !not_to_be_had(packages).is_empty() {
        update(root);
        fresh = true;
    }
    let lacking = not_to_be_had(packages);
    if !lacking.is_empty() {
        return Err(cannot_be_had(&lacking).into());
    }
    let _services = keep_services_down()?;
    let result = get_install(root, packages);
    if result.is_err() && !fresh {
        update(root);
        return get_install(root, packages);
    }
    result
}

fn get_install(root: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let mut command = apt_get();
    command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    let what = format!("apt-get install {}", packages.join(" "));
    progress::quietly(&what, &mut command, &root.join("target/logs/apt-install.log"))
}

/// A source that does not answer must not stop us: if it was needed, the installation says so.
pub fn update(root: &Path) {
    let result = progress::quietly("apt-get update", apt_get().arg("update"), &root.join("target/logs/apt-update.log"));
    if let Err(error) = result {
        progress::say(&format!("going on with the package lists that are here: {error:#}"));
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=120"]);
    command
}

fn lists_are_old() -> bool {
    let newest = fs::read_dir("/var/lib/apt/lists")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .max();
    newest.is_none_or(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LISTS_MAX_AGE))
}

/// Which of these packages no source offers.
fn not_to_be_had<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let has_candidate = |name: &str| {
        let output = Command::new("apt-cache").env("LC_ALL", "C").args(["policy", name]).output();
        output.is_ok_and(|output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().any(|line| line.trim().starts_with("Candidate:") && !line.contains("(none)"))
        })
    };
    packages.iter().copied().filter(|name| !has_candidate(name)).collect()
}

fn cannot_be_had(lacking: &[&str]) -> Refusal {
    let mut text = format!("no package source of this machine offers {}", lacking.join(", "));
    if lacking.contains(&LLVM_PACKAGE) {
        text.push_str(
            ": Debian 12 has it in bookworm-security, https://apt.llvm.org has it for others; \
             or put a bpf-linker that was built for LLVM 22 (cargo binstall bpf-linker) at target/tools/bin/bpf-linker",
        );
    }
    Refusal::Unavailable(text)
}

/// Forbids packages to start their services (policy-rc.d of Debian's invoke-rc.d) until the guard is dropped.
fn keep_services_down() -> anyhow::Result<Undo> {
    let policy = PathBuf::from("/usr/sbin/policy-rc.d");
    let saved = PathBuf::from("/usr/sbin/policy-rc.d.ringmon-saved");
    if policy.exists() && !saved.exists() {
        fs::rename(&policy, &saved).context("cannot set aside /usr/sbin/policy-rc.d")?;
    }
    let guard = Undo::later({
        let policy = policy.clone();
        move || {
            let put_back = if saved.exists() { fs::rename(&saved, &policy) } else { fs::remove_file(&policy) };
            if let Err(error) = put_back {
                eprintln!("cannot put {} back as it was: {error}", policy.display());
            }
        }
    });
    fs::write(&policy, "#!/bin/sh\n# Put here while ringmon's setup installs packages.\nexit 101\n")
        .and_then(|()| fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)))
        .context("cannot write /usr/sbin/policy-rc.d")?;
    Ok(guard)
}
