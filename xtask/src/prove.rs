//! Every interleaving of small worlds, as far as an hour goes.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{build, progress};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// How long each world is searched at most.
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// Only this world. `ringmon sim search --world list` names them.
    #[arg(long, value_name = "NAME")]
    world: Option<String>,
}

/// Builds an optimised ringmon and lets it search; says how that ended.
///
/// # Errors
/// The build failed, or the search could not start or was killed.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let binary = build::ringmon(root, "release")?;
    let mut search = Command::new(&binary);
    search.args(["sim", "search", "--minutes", &options.minutes.to_string()]);
    search.args(options.world.iter().flat_map(|world| ["--world", world.as_str()]));
    progress::say("searching");
    let status = search.status().with_context(|| format!("cannot start {}", binary.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).context("the search was killed")?;
    progress::say(match code {
        0 => "proved: every state of every world was seen, and all promises hold",
        1 => "NOT proved: something was found, see above",
        69 => "NOT proved: nothing was found, but not every search ended",
        _ => "the search failed, see above",
    });
    Ok(ExitCode::from(code))
}
