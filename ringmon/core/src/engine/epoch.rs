//! Which history of the table this server reads. A failover to a replica that had not received everything, or a restore
//! of a backup, takes commits back: the table has gone back in time, and another history (an *epoch*) begins.
//!
//! In one history the versions of rows and the incarnations of servers only grow, and the row of a removed server never
//! returns. So a table that shows less than before has gone back, or this look is older than the last one. The two are
//! told apart by time: an agent reads the table from where it is written, and there an older look is at most as old as
//! a statement under way, or, on Galera, as what a node has not applied yet. A node that does not serve is not read.
//!
//! If it is a mistake all the same, it does no harm: whatever this server writes then compares the rows with what it
//! read, and matches no row of the newer table.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Time, law};

/// Whether the table has gone back in time.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Epoch {
    /// The first of the looks in a row that all showed an older table than the known one.
    behind: Option<Time>,
    /// When the table last went back, and how long it took to believe it.
    last: Option<(Time, Duration)>,
}

impl Epoch {
    /// Two writers that are read in turns, each with a history of its own, are believed ever more slowly.
    const PROOF_MOST: Duration = Duration::from_secs(60);

    /// A look at the table that began at this time showed an older table than the known one, or did not. Returns
    /// whether the table went back: every look showed it, for long enough.
    pub fn look(&mut self, at: Time, is_older: bool) -> bool {
        if !is_older {
            self.behind = None;
            return false;
        }
        let since = *self.behind.get_or_insert(at);
        let proof = self.proof(since);
        if at < since + proof {
            return false;
        }
        (self.behind, self.last) = (None, Some((at, proof)));
        true
    }

    /// When the next look decides; `None`: nothing is in doubt.
    pub fn decides_at(&self) -> Option<Time> {
        self.behind.map(|since| since + self.proof(since))
    }

    fn proof(&self, since: Time) -> Duration {
        let recent = self.last.filter(|(at, _)| since.since(*at) < law::BRAKE_WINDOW);
        recent.map_or(law::EPOCH_PROOF, |(_, proof)| (proof * 2).min(Self::PROOF_MOST))
    }
}
