//! `cargo xtask package`: a Debian package and an rpm of the optimised binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::{build, progress};

/// What makes a package: cargo's subcommand and the crate's version.
struct Maker {
    name: &'static str,
    version: &'static str,
    args: &'static [&'static str],
    ending: &'static str,
}

const MAKERS: [Maker; 2] = [
    Maker { name: "cargo-deb", version: "3.8.0", args: &["--package", "ringmon", "--no-build"], ending: "deb" },
    Maker { name: "cargo-generate-rpm", version: "0.21.1", args: &["--package", "ringmon"], ending: "rpm" },
];

/// What to package.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Only this kind.
    #[arg(long, value_parser = ["deb", "rpm"])]
    only: Option<String>,
}

/// Builds the binary, what the packages hold besides it, and the packages, into `target/package`.
///
/// # Errors
/// A build failed, or a tool cannot be installed.
pub fn run(root: &Path, options: &Options, may_install: bool) -> anyhow::Result<()> {
    let makers: Vec<&Maker> =
        MAKERS.iter().filter(|maker| options.only.as_ref().is_none_or(|only| *only == maker.ending)).collect();
    let tools: Vec<PathBuf> =
        makers.iter().map(|maker| tool(root, maker, may_install)).collect::<anyhow::Result<_>>()?;
    let binary = build::ringmon(root, build::DIST)?;
    let folder = root.join("target/package");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    strip(&binary, &folder.join("ringmon"))?;
    pages(&binary, &folder)?;
    for (maker, tool) in makers.into_iter().zip(tools) {
        let package = folder.join(format!("ringmon.{}", maker.ending));
        let mut command = Command::new(tool);
        // Cargo calls its subcommands with their names.
        command.current_dir(root).arg(maker.name.trim_start_matches("cargo-")).args(maker.args);
        command.arg("--output").arg(&package).env_remove("CARGO_MANIFEST_DIR");
        let log = root.join(format!("target/logs/{}.log", maker.name));
        progress::quietly(&format!("making {}", package.display()), &mut command, &log)?;
        let size = std::fs::metadata(&package).context("the package is not there")?.len();
        progress::say(&format!("made {}, {:.1} MB", package.display(), size as f64 / 1e6));
    }
    Ok(())
}

/// The binary without what only debuggers read.
fn strip(binary: &Path, stripped: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("strip");
    command.arg("-o").arg(stripped).arg(binary);
    let status = command.status().context("cannot run strip, which comes with gcc (binutils)")?;
    ensure!(status.success(), "strip ended with {status}");
    let size = std::fs::metadata(stripped).context("the stripped binary is not there")?.len();
    progress::say(&format!("the binary has {:.1} MB", size as f64 / 1e6));
    Ok(())
}

/// Manual pages, completions and a configuration file, all made by the binary.
fn pages(binary: &Path, folder: &Path) -> anyhow::Result<()> {
    let said = |args: &[&str]| -> anyhow::Result<Vec<u8>> {
        let output = Command::new(binary).args(args).stderr(Stdio::inherit()).output().context("cannot run ringmon")?;
        ensure!(output.status.success(), "ringmon {} ended with {}", args.join(" "), output.status);
        Ok(output.stdout)
    };
    let man = folder.join("man");
    // Pages of commands that are no more.
    if man.exists() {
        std::fs::remove_dir_all(&man).with_context(|| format!("cannot remove {}", man.display()))?;
    }
    said(&["man", man.to_str().context("the folder has no name in UTF-8")?])?;
    for (file, args) in [
        ("ringmon.toml", ["config", "example"]),
        ("ringmon.bash", ["completions", "bash"]),
        ("_ringmon", ["completions", "zsh"]),
        ("ringmon.fish", ["completions", "fish"]),
    ] {
        let path = folder.join(file);
        std::fs::write(&path, said(&args)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The tool in the target folder. If it is missing there, it is compiled, which takes a minute or two.
fn tool(root: &Path, maker: &Maker, may_install: bool) -> anyhow::Result<PathBuf> {
    let path = root.join("target/tools/bin").join(maker.name);
    if path.exists() {
        return Ok(path);
    }
    let args = ["install", maker.name, "--version", maker.version, "--locked", "--root", "target/tools"];
    if !may_install {
        return Err(crate::refusal::Refusal::Unavailable(format!(
            "{} is missing, and --no-install forbids installing it: cargo {}",
            maker.name,
            args.join(" ")
        ))
        .into());
    }
    let mut command = build::cargo(root);
    command.args(args).env("CARGO_TARGET_DIR", root.join("target/tools/build"));
    let log = root.join(format!("target/logs/{}-install.log", maker.name));
    progress::quietly(&format!("compiling {} {} (a minute or two)", maker.name, maker.version), &mut command, &log)?;
    Ok(path)
}
