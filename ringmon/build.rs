//! Embeds the BPF programs, if `cargo xtask bpf` has built them. Without them everything still compiles, and opening
//! the datapath says what to do: work on user space needs no bpf-linker. It also finds out from which commit this is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Names the object, if it is not at its usual place.
const VARIABLE: &str = "RINGMON_BPF_OBJECT";
/// Its usual place.
const FOLDER: &str = "../target/bpf";
/// Names the commit, where the sources are no git checkout (a package's build).
const COMMIT: &str = "RINGMON_COMMIT";

fn main() -> io::Result<()> {
    println!("cargo::rustc-env={COMMIT}={}", commit());
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let usual = Path::new(FOLDER).join("ringmon.bpf.o");
    let object = env::var_os(VARIABLE).map_or(usual, PathBuf::from);
    let bytes = match fs::read(&object) {
        Ok(bytes) => {
            println!("cargo::rerun-if-changed={}", object.display());
            bytes
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // For a missing file cargo would run this script every time. A folder shows when a file appears in it.
            fs::create_dir_all(FOLDER)?;
            println!("cargo::rerun-if-changed={FOLDER}");
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    fs::write(out.join("ringmon.bpf.o"), bytes)
}

/// The commit that is checked out, in 12 digits; or "unknown".
fn commit() -> String {
    println!("cargo::rerun-if-env-changed={COMMIT}");
    if let Ok(said) = env::var(COMMIT) {
        return said;
    }
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    // HEAD names a branch, whose commit is in a file of its own, or packed with others. Git writes a line for each.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    commit
}
