//! The front door: `cargo xtask setup | build | bpf | demo | test | prove | package | bench`.

mod bench;
mod bpf;
mod build;
mod demo;
mod host;
mod package;
mod progress;
mod prove;
mod refusal;
mod setup;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use refusal::Refusal;

/// Commands for newcomers: each says and installs what is missing, and then runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
struct Cli {
    /// Install nothing: list exactly what is missing and stop (exit code 69).
    #[arg(long, global = true)]
    no_install: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what building, the demo and the tests need.
    Setup,
    /// Build the BPF programs and the ringmon binary with them in it.
    Build {
        /// Optimised: makes target/release/ringmon.
        #[arg(long)]
        release: bool,
    },
    /// Build only the BPF programs.
    Bpf,
    /// Show a pool in network namespaces that is broken, and heals.
    Demo(demo::Options),
    /// Check format, lints, documentation and the core without std, and run all tests. Fails if anything is left
    /// behind.
    Test(test::Options),
    /// Search every interleaving of small worlds. Exit code 1: a promise is broken; 69: a search did not end.
    Prove(prove::Options),
    /// Make a Debian package and an rpm, in target/package.
    Package(package::Options),
    /// Measure, in network namespaces.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref::<Refusal>().map_or(1, Refusal::code))
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let root = root();
    let install = setup::Install { allowed: !cli.no_install };
    match &cli.command {
        Command::Setup => {
            setup::ensure(&root, &setup::TESTS, install)?;
            progress::say("everything is there");
        }
        Command::Build { release } => {
            setup::ensure(&root, &[setup::For::Build], install)?;
            let binary = build::ringmon(&root, if *release { "release" } else { "debug" })?;
            progress::say(&format!("built {}", binary.display()));
        }
        Command::Bpf => {
            setup::ensure(&root, &[setup::For::Build], install)?;
            progress::say(&format!("built {}", build::objects(&root)?.display()));
        }
        Command::Demo(options) => {
            host::check()?;
            setup::ensure(&root, &options.purposes(), install)?;
            return demo::run(&root, options);
        }
        Command::Test(options) => {
            host::check()?;
            setup::ensure(&root, &options.purposes(), install)?;
            return test::run(&root, options);
        }
        Command::Package(options) => {
            setup::ensure(&root, &[setup::For::Build], install)?;
            package::run(&root, options, install.allowed)?;
        }
        Command::Prove(options) => {
            setup::ensure(&root, &[setup::For::Build], install)?;
            return prove::run(&root, options);
        }
        Command::Bench(what) => {
            host::check()?;
            setup::ensure(&root, &what.purposes(), install)?;
            return bench::run(&root, what);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The workspace's folder, which is above this crate's.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
