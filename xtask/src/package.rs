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
    /// For this processor, by Debian's name [default: this machine's]
    #[arg(long, value_parser = ["amd64", "arm64"])]
    arch: Option<String>,
}

/// A processor, by the names that its tools have for it.
struct Arch {
    debian: &'static str,
    rust: &'static str,
    rpm: &'static str,
    gnu: &'static str,
}

const ARCHS: [Arch; 2] = [
    Arch { debian: "amd64", rust: "x86_64-unknown-linux-gnu", rpm: "x86_64", gnu: "x86_64-linux-gnu" },
    Arch { debian: "arm64", rust: "aarch64-unknown-linux-gnu", rpm: "aarch64", gnu: "aarch64-linux-gnu" },
];

impl Arch {
    /// What was asked for, if it is not this machine's own.
    fn foreign(asked: Option<&str>) -> Option<&'static Self> {
        ARCHS.iter().find(|arch| asked == Some(arch.debian) && arch.rpm != std::env::consts::ARCH)
    }

    /// Says what is missing for a build. Compilers for other processors are the machine's business.
    fn check(&self, root: &Path) -> anyhow::Result<()> {
        let Self { rust, gnu, debian, .. } = self;
        let mut rustc = Command::new("rustc");
        let lib = rustc.current_dir(root).args(["--print", "target-libdir", "--target", rust]).output();
        let has_std = lib.is_ok_and(|lib| Path::new(String::from_utf8_lossy(&lib.stdout).trim()).is_dir());
        let has_gcc = Command::new(format!("{gnu}-gcc")).arg("--version").output().is_ok();
        if has_std && has_gcc {
            return Ok(());
        }
        let package = gnu.replace('_', "-");
        Err(crate::refusal::Refusal::Unavailable(format!(
            "a build for {debian} needs its compiler: rustup target add {rust}; \
             apt-get install gcc-{package} libc6-dev-{debian}-cross"
        ))
        .into())
    }
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
    let foreign = Arch::foreign(options.arch.as_deref());
    let folder = root.join("target/package");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (binary, speaker) = match foreign {
        Some(arch) => {
            arch.check(root)?;
            let binary = build::ringmon_for(root, build::DIST, arch.rust, &format!("{}-gcc", arch.gnu))?;
            // Its pages are made by one that runs here.
            (binary, build::ringmon(root, build::DEMO_PROFILE)?)
        }
        None => {
            let binary = build::ringmon(root, build::DIST)?;
            (binary.clone(), binary)
        }
    };
    let strip_tool = foreign.map_or_else(|| "strip".to_owned(), |arch| format!("{}-strip", arch.gnu));
    strip(&strip_tool, &binary, &folder.join("ringmon"))?;
    pages(&speaker, &folder)?;
    for (maker, tool) in makers.into_iter().zip(tools) {
        let which = foreign.map_or_else(String::new, |arch| format!("-{}", arch.debian));
        let package = folder.join(format!("ringmon{which}.{}", maker.ending));
        let mut command = Command::new(tool);
        // Cargo calls its subcommands with their names.
        command.current_dir(root).arg(maker.name.trim_start_matches("cargo-")).args(maker.args);
        match (foreign, maker.ending) {
            (Some(arch), "deb") => drop(command.args(["--target", arch.rust])),
            (Some(arch), _) => drop(command.args(["--arch", arch.rpm])),
            (None, _) => {}
        }
        command.arg("--output").arg(&package).env_remove("CARGO_MANIFEST_DIR");
        let log = root.join(format!("target/logs/{}.log", maker.name));
        progress::quietly(&format!("making {}", package.display()), &mut command, &log)?;
        let size = std::fs::metadata(&package).context("the package is not there")?.len();
        progress::say(&format!("made {}, {:.1} MB", package.display(), size as f64 / 1e6));
    }
    Ok(())
}

/// The binary without what only debuggers read.
fn strip(tool: &str, binary: &Path, stripped: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(tool);
    command.arg("-o").arg(stripped).arg(binary);
    let status = command.status().with_context(|| format!("cannot run {tool}, which comes with gcc (binutils)"))?;
    ensure!(status.success(), "{tool} ended with {status}");
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
