//! Parts of the toolchain: rustup's components, and the linker of BPF objects.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::progress;
use crate::refusal::Refusal;

/// Built for the LLVM of the pinned rustc. Another version links objects that the kernel refuses, or none at all.
pub const LINKER_VERSION: &str = "0.13.0";
/// Where Debian puts that LLVM.
pub const LLVM: &str = "/usr/lib/llvm-22";
/// The package with it.
pub const LLVM_PACKAGE: &str = "llvm-22-dev";

/// Where the linker is after [`super::ensure`].
pub fn linker(root: &Path) -> PathBuf {
    root.join("target/tools/bin/bpf-linker")
}

/// Whether it is there, in the right version, and finds its libraries.
pub fn has_linker(root: &Path) -> bool {
    Command::new(linker(root)).arg("--version").output().is_ok_and(|output| {
        output.status.success()
            && String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == LINKER_VERSION)
    })
}

const LINKER_ARGS: [&str; 8] = [
    "install",
    "bpf-linker",
    "--version",
    LINKER_VERSION,
    "--no-default-features",
    "--features",
    "llvm-22",
    "--locked",
];

/// What [`install_linker`] runs, for people.
pub fn linker_command() -> String {
    format!("LLVM_PREFIX={LLVM} cargo {} --root target/tools", LINKER_ARGS.join(" "))
}

/// Compiles the linker into the target folder, which takes about a minute.
///
/// # Errors
/// It does not compile, or needs a C++ library that is missing.
pub fn install_linker(root: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(root)
        .args(LINKER_ARGS)
        .args(["--force", "--root", "target/tools"])
        .env("LLVM_PREFIX", LLVM)
        // A target folder of its own: others lock or clean the workspace's.
        .env("CARGO_TARGET_DIR", root.join("target/tools/build"));
    progress::quietly(
        &format!("compiling bpf-linker {LINKER_VERSION} (a minute or two)"),
        &mut command,
        &root.join("target/logs/bpf-linker.log"),
    )?;
    if !has_linker(root) {
        return Err(Refusal::Unavailable(format!(
            "{} was compiled but does not start: run it by hand to see why",
            linker(root).display()
        ))
        .into());
    }
    Ok(())
}

/// Whether the pinned toolchain has this component.
///
/// # Errors
/// [`Refusal::Unavailable`] without rustup.
pub fn has_component(root: &Path, name: &str) -> anyhow::Result<bool> {
    // With rustup, a component of the pinned toolchain is a folder or a file in its sysroot, whatever rustup's lists
    // say.
    let output = rustc(root).args(["--print", "sysroot"]).output().context("cannot run rustc")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let place = match name {
        "rust-src" => "lib/rustlib/src/rust/library/core/Cargo.toml",
        "rustfmt" => "bin/cargo-fmt",
        "clippy" => "bin/cargo-clippy",
        _ => "bin/rustc",
    };
    Ok(sysroot.join(place).exists())
}

fn rustc(root: &Path) -> Command {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(root);
    rustc
}

/// # Errors
/// [`Refusal::Unavailable`] without rustup. Other errors when rustup fails.
pub fn add_component(root: &Path, name: &str) -> anyhow::Result<()> {
    if super::find("rustup").is_none() {
        return Err(Refusal::Unavailable(format!(
            "{name} is not part of this rust toolchain, and there is no rustup to add it: install rustup"
        ))
        .into());
    }
    let log = root.join("target/logs/rustup.log");
    let rustup = |verb: &str| {
        let mut command = Command::new("rustup");
        command.current_dir(root).args(["component", verb, name]);
        command
    };
    progress::quietly(&format!("adding {name} to the toolchain"), &mut rustup("add"), &log)?;
    if !has_component(root, name)? {
        // rustup believes that it is there, but somebody deleted the files.
        progress::quietly(&format!("taking off what is left of {name}"), &mut rustup("remove"), &log)?;
        progress::quietly(&format!("adding {name} again"), &mut rustup("add"), &log)?;
    }
    Ok(())
}
