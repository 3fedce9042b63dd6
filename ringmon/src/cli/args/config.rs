//! `config ...`

use clap::Subcommand;
use ringmon_core::words;

use super::flags::{AgentFlags, word};
use crate::config::Typed;

const CHECK_EXAMPLES: &str = "\
Examples:
  runuser -u ringmon -- ringmon config check                   the file of the package, as the services see it
  ringmon config check --for router --config pool.toml         another file, for a router

Exit codes: 0 it can start, 69 the interface or the address is not there (yet), 78 something has to be corrected";

/// `config ...`
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether an agent or a router could start with it; exit code 78 if not
    ///
    /// Every value is read, and every file that it names is looked at as the user who asks: the password, certificates,
    /// folders, the template, the programs of checks and hooks. The database is not asked. A file that sets what only a
    /// router reads is judged as a router's, and one for both as both.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Judge it for this program [default: what its keys are for]
        #[arg(long = "for", value_name = "PROGRAM", value_parser = word::<Program>())]
        program: Option<Program>,
        #[command(flatten)]
        flags: Box<AgentFlags>,
    },
    /// Print it; passwords are hidden
    Show {
        /// And who said each value
        #[arg(long)]
        origin: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Box<AgentFlags>,
    },
    /// Print a file to fill in: every key, what it means, and its default
    Example,
}

/// What reads a configuration and goes on running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `ringmon agent`
    Agent,
    /// `ringmon router`
    Router,
}

words!(Program: Agent = "agent", Router = "router");

impl ConfigCommand {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        match self {
            Self::Check { flags, .. } | Self::Show { flags, .. } => flags.put(typed),
            Self::Example => {}
        }
    }
}
