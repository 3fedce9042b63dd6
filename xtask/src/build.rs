//! The BPF objects, then the binary with them in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{bpf, progress, setup};

/// The demo's profile. An optimised build would be the larger part of the wait for the first run.
pub const DEMO_PROFILE: &str = "debug";

/// Cargo, as every step calls it. ringmon's build script finds the object at its usual place, so a plain `cargo build`
/// does not build it again.
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    for (name, _) in std::env::vars_os() {
        // What cargo told this program about itself. Some build scripts (ring's) ask to run again when it changes.
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Builds the BPF objects, and returns the path of the agent's.
///
/// # Errors
/// The build failed.
pub fn objects(root: &Path) -> anyhow::Result<PathBuf> {
    progress::say("building the BPF programs");
    bpf::build(root, &setup::linker(root))
}

/// What packages ship: small, and slow to build.
pub const DIST: &str = "dist";

/// Builds everything in this profile (`debug`, `release` or [`DIST`]), and returns the path of the binary.
///
/// # Errors
/// A build failed.
pub fn ringmon(root: &Path, profile: &str) -> anyhow::Result<PathBuf> {
    objects(root)?;
    progress::aloud(&format!("building ringmon ({profile})"), &mut binary(root, profile))?;
    Ok(root.join("target").join(profile).join("ringmon"))
}

/// The same for another machine's processor. The BPF object in it is the same.
///
/// # Errors
/// A build failed.
pub fn ringmon_for(root: &Path, profile: &str, target: &str, linker: &str) -> anyhow::Result<PathBuf> {
    objects(root)?;
    let mut command = binary(root, profile);
    let variable = format!("CARGO_TARGET_{}_LINKER", target.to_ascii_uppercase().replace('-', "_"));
    command.args(["--target", target]).env(variable, linker);
    progress::aloud(&format!("building ringmon ({profile}) for {target}"), &mut command)?;
    Ok(root.join("target").join(target).join(profile).join("ringmon"))
}

fn binary(root: &Path, profile: &str) -> Command {
    // Cargo's name of that profile is not that of its folder.
    let name = if profile == "debug" { "dev" } else { profile };
    let mut command = cargo(root);
    command.args(["build", "--package", "ringmon", "--profile", name]);
    command
}

/// Builds the binary and all tests, in the way that the tests run them.
///
/// # Errors
/// A build failed.
pub fn all_for_tests(root: &Path) -> anyhow::Result<()> {
    objects(root)?;
    progress::aloud("building everything for the tests", cargo(root).args(["build", "--workspace", "--bins"]))?;
    progress::aloud("building the tests", cargo(root).args(["test", "--workspace", "--no-run"]))
}
