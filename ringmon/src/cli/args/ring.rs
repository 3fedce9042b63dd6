//! `ring ...`

use clap::Subcommand;

use super::TableArgs;
use crate::config::Typed;

/// `ring ...`
#[derive(Clone, Debug, Subcommand)]
pub enum RingCommand {
    /// Every server in the order of the ring, with its buddies and the votes against it
    Show {
        /// As a picture: one SVG, which needs no other file and no scripts
        #[arg(long, conflicts_with = "json")]
        svg: bool,
        #[command(flatten)]
        table: TableArgs,
    },
    /// Whether it is one whole ring; exit code 1 and the damaged rows if not
    Check(TableArgs),
    /// Make one whole ring of all rows again, after somebody wrote links by hand
    ///
    /// Changes as few links as possible, in one transaction, and deletes no server: servers that link to each other
    /// both ways stay neighbours. Agents may go on running; the ones with new links are told. Exit code 1 if something
    /// is left that links cannot mend, and with --dry-run if there is something to mend.
    Repair {
        /// Say what would change, and write nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        table: TableArgs,
    },
}

impl RingCommand {
    /// Adds what was given.
    pub fn put(&self, typed: &mut Typed) {
        let (Self::Show { table, .. } | Self::Check(table) | Self::Repair { table, .. }) = self;
        table.pool.put(typed);
    }
}
