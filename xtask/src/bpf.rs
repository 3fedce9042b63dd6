//! Builds the BPF programs, for another target and with another linker, but with the same pinned toolchain.
//!
//! `core` is compiled along with them (`-Z build-std`), because there is no prebuilt one for the target.
//! `RUSTC_BOOTSTRAP` lets the stable compiler do that, for these crates only.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The name of each built binary, and of the object made from it: the agent's programs, and `XDP_PASS` for the far ends
/// of veth pairs.
const OBJECTS: [(&str, &str); 2] = [("ringmon-bpf", "ringmon.bpf.o"), ("pass", "pass.bpf.o")];
/// The first ISA with the atomic instructions that the window and the counters need (Linux 5.12).
const CPU: &str = "v3";

/// Builds `ringmon.bpf.o` and `pass.bpf.o` into `root/target/bpf` with this bpf-linker, which must fit the compiler's
/// LLVM. Returns the path of the first one, which `ringmon/build.rs` embeds.
///
/// An object that came out as before keeps its file and its time, so that nothing is built again because of it.
///
/// # Errors
/// The compiler wrote the reason to stderr. The objects of an earlier build are still there.
pub fn build(root: &Path, linker: &Path) -> Result<PathBuf> {
    let linker = linker.canonicalize().with_context(|| format!("no bpf-linker at {}", linker.display()))?;
    let status = cargo(root, "build", &linker).arg("--quiet").status().context("cannot run cargo")?;
    ensure!(status.success(), "the BPF programs do not build (cargo ended with {status})");
    let folder = root.join("target/bpf");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (binary, object) in OBJECTS {
        let from = scratch(root).join("bpfel-unknown-none/release").join(binary);
        replace(&from, &folder.join(object))?;
    }
    Ok(folder.join(OBJECTS[0].1))
}

/// Clippy for the BPF programs, which the workspace's own clippy does not see.
pub fn clippy(root: &Path, linker: &Path) -> Command {
    // The same path as in the build: with other flags everything would be compiled again.
    let linker = linker.canonicalize().unwrap_or_else(|_| linker.to_owned());
    let mut clippy = cargo(root, "clippy", &linker);
    clippy.args(["--", "-D", "warnings"]);
    clippy
}

/// Not in the folder of the objects, because ringmon/build.rs watches that one.
fn scratch(root: &Path) -> PathBuf {
    root.join("target/bpf-build")
}

fn cargo(root: &Path, verb: &str, linker: &Path) -> Command {
    let flags = [
        format!("-Clinker={}", linker.display()),
        format!("-Ctarget-cpu={CPU}"),
        // Timers in maps need BTF, and BTF is made from debug information.
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // Packets are not aligned: without this every word of a packet is read byte by byte.
        "-Clink-arg=--cpu-features=+allows-misaligned-mem-access".to_owned(),
    ];
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root.join("ringmon-ebpf"));
    cargo.args([verb, "--locked", "--release", "-Z", "build-std=core", "--target", "bpfel-unknown-none"]);
    cargo.arg("--target-dir").arg(scratch(root));
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    // What cargo told this process about its own build is not true for that build.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_build(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    cargo
}

fn is_of_a_build(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || matches!(name, "CARGO_MANIFEST_DIR" | "CARGO_TARGET_DIR" | "RUSTFLAGS")
}

/// Puts a copy in place in one step, if it differs.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let new = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let part = to.with_extension("part");
    std::fs::write(&part, new).with_context(|| format!("cannot write {}", part.display()))?;
    std::fs::rename(&part, to).with_context(|| format!("cannot write {}", to.display()))
}
