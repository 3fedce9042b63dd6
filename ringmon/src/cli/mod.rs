//! What a person types, and how it is answered.
//!
//! Exit codes: 0 done and well; 1 an honest "not healthy" or "not there"; 2 usage; 65 damaged data (a recording); 69
//! unavailable (the database, or the local agent); 70 anything unexpected; 77 permission; 78 configuration. `exit` maps
//! every room's errors to them.

mod agent;
mod args;
mod config;
mod database;
mod drain;
mod dumps;
mod events;
mod exit;
mod explain;
mod first;
mod init;
mod leave;
mod local;
mod logging;
mod out;
mod pages;
mod pool;
mod replay;
mod ring;
mod route;
mod router;
mod sim;
mod span;
mod status;
mod tell;
mod version;
mod when;

use std::process::ExitCode;

use clap::Parser;

use crate::config::{Loaded, Sources};
use args::{Cli, Command, EventsArgs, PoolCommand, RingCommand, RouteCommand};
use exit::Verdict;

/// Everything that the binary does.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // In a container it would be the parent of whatever a check leaves behind.
    let (agent, router) = (matches!(cli.command, Command::Agent(_)), matches!(cli.command, Command::Router(_)));
    let signals: &[i32] = if agent { &first::OF_AGENT } else { &first::OF_ROUTER };
    if let Some(code) = (agent || router).then(|| first::as_first_process(signals)).flatten() {
        return code;
    }
    match run(cli) {
        Ok(verdict) => verdict.code(),
        Err(error) => exit::report(&error),
    }
}

/// Reads the layers, starts the log and runs the command.
fn run(cli: Cli) -> anyhow::Result<Verdict> {
    // Before anything secret is read. A simulation opens no database, and it resets the count of its own memory, which
    // it may not do afterwards.
    let dumps = if matches!(cli.command, Command::Sim(_)) { Ok(()) } else { dumps::forbid() };
    let sources = Sources::of_process(cli.config.clone(), cli.typed());
    let Loaded { typed, mut warnings } = crate::config::load(&sources)?;
    logging::start(&typed)?;
    warnings.extend(crate::config::warnings(&typed));
    warnings.extend(
        dumps.err().map(|error| format!("cannot forbid core dumps, which would hold passwords and keys: {error}")),
    );
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    match cli.command {
        Command::Init(args) if args.print_grants => init::print_grants(&typed),
        Command::Init(args) => init::run(&typed, args.quorum),
        Command::Agent(_) => agent::run(&typed, sources),
        Command::Reload(_) => local::reload(&typed),
        Command::Stop(args) => local::stop(&typed, &args),
        Command::Status(args) => status::run(&typed, args.json),
        Command::Ring(RingCommand::Show { svg, table }) => ring::show(&typed, svg, table.json),
        Command::Ring(RingCommand::Check(args)) => ring::check(&typed, args.json),
        Command::Ring(RingCommand::Repair { dry_run, table }) => ring::repair(&typed, dry_run, table.json),
        Command::Events(EventsArgs { keep: Some(keep), .. }) => events::keep(&typed, keep),
        Command::Events(args) => events::run(&typed, args.limit, args.follow, args.json),
        Command::Leave { names, .. } => leave::run(&typed, &names),
        Command::Drain(args) => drain::run(&typed, &args.name, true, args.wait),
        Command::Undrain { name, .. } => drain::run(&typed, &name, false, None),
        Command::Router(_) => router::run(&typed, sources),
        Command::Route(RouteCommand::List { plain, json, .. }) => route::list(&typed, plain, json),
        Command::Route(RouteCommand::Pick { count, json, .. }) => route::pick(&typed, count, json),
        Command::Route(RouteCommand::Watch { json, .. }) => route::watch(&typed, json),
        Command::Pool(PoolCommand::Show(args)) => pool::show(&typed, args.json),
        Command::Pool(PoolCommand::Set { settings, table }) => pool::set(&typed, &settings, table.json),
        Command::Pool(PoolCommand::Freeze { why, .. }) => pool::freeze(&typed, Some(why)),
        Command::Pool(PoolCommand::Thaw { .. }) => pool::freeze(&typed, None),
        Command::Pool(PoolCommand::Forget { names, .. }) => pool::forget(&typed, &names),
        Command::Pool(PoolCommand::List { json, .. }) => pool::list(&typed, json),
        Command::Pool(PoolCommand::Create { quorum, .. }) => pool::create(&typed, quorum),
        Command::Pool(PoolCommand::Delete { .. }) => pool::delete(&typed),
        Command::Pool(PoolCommand::RotateKey { within, .. }) => pool::rotate_key(&typed, within),
        Command::Sim(args) => sim::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Explain { word } => explain::run(word.as_deref()),
        Command::Config(command) => config::run(&typed, &command),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { dir } => pages::man(&dir),
    }
}
