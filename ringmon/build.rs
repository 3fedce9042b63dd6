//! Embeds the BPF programs, if `cargo xtask bpf` has built them. Without them everything still compiles, and opening
//! the datapath says what to do: work on user space needs no bpf-linker.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Names the object, if it is not at its usual place.
const VARIABLE: &str = "RINGMON_BPF_OBJECT";
/// Its usual place.
const FOLDER: &str = "../target/bpf";

fn main() -> io::Result<()> {
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
