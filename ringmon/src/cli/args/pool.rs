//! `pool ...`

use std::time::Duration;

use clap::Subcommand;

use super::TableArgs;
use super::flags::{DatabaseFlags, PoolFlags, word};
use crate::cli::span;
use crate::config::{Key, Typed};
use ringmon_core::row::Quorum;

/// `pool ...`
#[derive(Clone, Debug, Subcommand)]
pub enum PoolCommand {
    /// The pools of a database, with their servers and rules
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Make another pool in a database that `ringmon init` has prepared; one that is there is an error
    Create {
        /// Its name
        name: String,
        /// How many witnesses a removal needs: both buddies, or a single one
        #[arg(long, value_parser = word::<Quorum>(), default_value = "both")]
        quorum: Quorum,
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// Delete a pool without servers, with its rules, keys and events
    Delete {
        /// Its name
        name: String,
        #[command(flatten)]
        database: DatabaseFlags,
    },
    /// The rules, and whether the pool is frozen
    Show(TableArgs),
    /// Change rules: quorum=both|single agent_timeout=3s brake=0.5 alone=one|all mode=act|observe
    ///
    /// quorum: how many witnesses a removal needs. agent_timeout: how long a lost agent has to come back. brake: the
    /// largest share of the pool that may be gone (removed within ten minutes, and not back); 1 is off. alone: which
    /// server may remove all the others when it hears nobody and the database answers: one, a server with one other;
    /// all, any server. mode: observe reports, and removes no server.
    #[command(after_help = "Example:\n  ringmon pool set --pool web quorum=single agent_timeout=5s brake=0.3")]
    Set {
        /// What to change
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
        #[command(flatten)]
        table: TableArgs,
    },
    /// Remove no server until the pool is thawed
    Freeze {
        /// Why; everybody sees it
        #[arg(long, value_name = "TEXT", default_value = "by an operator")]
        why: String,
        #[command(flatten)]
        pool: PoolFlags,
    },
    /// Remove dead servers again
    Thaw {
        #[command(flatten)]
        pool: PoolFlags,
    },
    /// Count removed servers no longer as gone, so that the brake lets go of others
    ///
    /// The brake holds while too many servers are gone: removed within ten minutes, and not back under their names.
    /// `ringmon pool show` lists them. Forget those that will not come back, or that others with new names replace.
    Forget {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        pool: PoolFlags,
    },
    /// Give a running pool a new key for its probes and notices, and forget the old one
    ///
    /// It takes three steps. Each is taken once every agent has shown that it is ready for it: all accept the new key
    /// (they acknowledge a notice that only this key tags), all use it (they answer a question under it), the old one
    /// is forgotten. No probe is lost. Run it where agents can be reached by UDP. An agent that cannot be reached, or
    /// cannot read the table, stops it at that step with exit code 69: then both keys work, nothing is harmed, and
    /// running it again goes on from there.
    #[command(after_help = "Example:\n  ringmon pool rotate-key --pool web --within 5m")]
    RotateKey {
        /// How long to wait for the agents in each step
        #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = span::parse)]
        within: Duration,
        #[command(flatten)]
        pool: PoolFlags,
    },
}

impl PoolCommand {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        match self {
            Self::List { database, .. } => database.put(typed),
            Self::Create { name, database, .. } | Self::Delete { name, database } => {
                database.put(typed);
                typed.flag(Key::Pool, Some(name.clone()));
            }
            Self::Show(TableArgs { pool, .. })
            | Self::Set { table: TableArgs { pool, .. }, .. }
            | Self::Freeze { pool, .. }
            | Self::Thaw { pool }
            | Self::Forget { pool, .. }
            | Self::RotateKey { pool, .. } => pool.put(typed),
        }
    }
}
