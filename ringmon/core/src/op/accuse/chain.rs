//! The run as it is in the table now: from the voter past its suspects to the far end.

use alloc::vec::Vec;

use super::lost::already_removed;
use crate::Rule;
use crate::edit::{Lookup, Outcome, Step, TableSnapshot};
use crate::op::accusation::{Accusation, Finding};
use crate::op::plan::{done, must_row, need, need_rows, row};
use crate::ring::is_chain;
use crate::row::{ServerRow, Side};

/// One suspect: the finding and its row.
#[derive(Clone, Copy)]
pub(super) struct Suspect<'a> {
    pub(super) finding: &'a Finding,
    pub(super) row: &'a ServerRow,
}

/// A chain whose links and lives are as the accusation says.
pub(super) struct Chain<'a> {
    pub(super) me: &'a ServerRow,
    pub(super) side: Side,
    /// Nearest first. Contains only the direct buddy until the far end is found (R3).
    pub(super) suspects: Vec<Suspect<'a>>,
    /// The living server with a pulse beyond them; `None` if it is not found, or if the whole ring is silent.
    pub(super) far: Option<&'a ServerRow>,
}

impl<'a> Chain<'a> {
    /// Reads the chain and checks it.
    ///
    /// # Errors
    /// What to read first, or how the operation ends: the table is not as the accusation says.
    pub(super) fn read(a: &'a Accusation, seen: &'a TableSnapshot) -> Result<Self, Step> {
        let far = a.far_end.filter(|far| *far != a.me);
        let covered = if far.is_some() { a.findings.len() } else { 1 };
        let findings = &a.findings[..covered.min(a.findings.len())];
        need(seen, [Lookup::Id(a.me)])?;
        need_rows(seen, findings.iter().map(|f| f.server).chain(far))?;
        let me = must_row(seen, a.me)?;
        if me.incarnation != a.incarnation || findings.is_empty() {
            return done(Outcome::Stale);
        }
        let suspects: Vec<Suspect<'a>> = findings
            .iter()
            .filter_map(|finding| row(seen, finding.server).map(|row| Suspect { finding, row }))
            .collect();
        if suspects.len() < findings.len() {
            return Err(already_removed(a, seen)?);
        }
        let far = far.map(|id| must_row(seen, id)).transpose()?;
        let chain = Self { me, side: a.side, suspects, far };
        let lives = chain.suspects.iter().all(|s| s.finding.incarnation == s.row.incarnation);
        if chain.is_as_found() && (lives || !a.tuning.keeps(Rule::R8)) {
            need_rows(seen, chain.voters())?;
            Ok(chain)
        } else {
            done(Outcome::Stale)
        }
    }

    /// All rows of the chain, from the voter to the far end.
    pub(super) fn rows(&self) -> Vec<&'a ServerRow> {
        let suspects = self.suspects.iter().map(|s| s.row);
        core::iter::once(self.me).chain(suspects).chain(self.far).collect()
    }

    fn is_as_found(&self) -> bool {
        let rows = self.rows();
        let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == rows.len() && is_chain(&rows, self.side)
    }

    /// All servers that vote in any of these rows.
    fn voters(&self) -> Vec<crate::ServerId> {
        let votes = self.rows().into_iter().flat_map(|row| Side::BOTH.map(|side| row.vote(side)));
        votes.flatten().map(|vote| vote.voter).collect()
    }
}
