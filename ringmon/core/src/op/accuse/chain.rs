//! The run as it is in the table now: from the voter past its suspects to the far end.

use alloc::vec::Vec;

use super::lost::already_removed;
use crate::edit::{Lookup, Outcome, Step, TableSnapshot};
use crate::op::accusation::{Accusation, Finding};
use crate::op::plan::{done, must_row, need, need_rows, row};
use crate::ring::is_chain;
use crate::row::{ServerRow, Side, VoteKind};
use crate::{Rule, ServerId};

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
    /// All rows between the voter and the far end, nearest first: the suspects, and mute servers that are looked past.
    pub(super) between: Vec<&'a ServerRow>,
    /// Nearest first. Contains only the first one until the far end is found (R3).
    pub(super) suspects: Vec<Suspect<'a>>,
    /// The living server with a pulse beyond them; `None` if it is not found, or if the whole ring is silent.
    pub(super) far: Option<&'a ServerRow>,
}

impl<'a> Chain<'a> {
    /// Reads the chain and the rows of all that vote in it, and checks it.
    ///
    /// # Errors
    /// What to read first, or how the operation ends: the table is not as the accusation says.
    pub(super) fn read(a: &'a Accusation, seen: &'a TableSnapshot) -> Result<Self, Step> {
        let far = a.far_end.filter(|far| *far != a.me);
        let covered = if far.is_some() { a.findings.len() } else { 1 };
        let findings = &a.findings[..covered.min(a.findings.len())];
        need(seen, [Lookup::Id(a.me)])?;
        need_rows(seen, a.mute.passed.iter().copied().chain(findings.iter().map(|f| f.server)).chain(far))?;
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
        let between = in_order(a, seen, me, &suspects);
        let chain = Self { me, side: a.side, between, suspects, far };
        let lives = chain.suspects.iter().all(|s| s.finding.incarnation == s.row.incarnation);
        if chain.is_as_found(a) && (lives || !a.tuning.keeps(Rule::R8)) {
            need_rows(seen, chain.voters())?;
            Ok(chain)
        } else {
            done(Outcome::Stale)
        }
    }

    /// All rows of the chain, from the voter to the far end.
    pub(super) fn rows(&self) -> Vec<&'a ServerRow> {
        core::iter::once(self.me).chain(self.between.iter().copied()).chain(self.far).collect()
    }

    /// Whether the last mute server before a silent host confirms that silence. It stands next to that host. A blind
    /// one has seen nothing: then the votes on both sides are those of two others, as they always are.
    pub(super) fn may_look_past(&self, a: &Accusation) -> bool {
        let Some(first) = self.suspects.first() else { return true };
        let Some(past) = self.between.iter().take_while(|row| row.id != first.row.id).last() else { return true };
        let confirmed = a.mute.confirmed.is_some_and(|it| it.by == past.id && it.of == first.row.id);
        confirmed || a.mute.blind == Some(past.id) || first.finding.silence.kind == VoteKind::Agent
    }

    /// Whether a mute server stands between this suspect and the one before it.
    pub(super) fn passes_before(&self, place: usize) -> bool {
        let Some(before) = place.checked_sub(1) else { return false };
        let at = |place: usize| self.between.iter().position(|row| row.id == self.suspects[place].row.id);
        at(place) != at(before).map(|at| at + 1)
    }

    fn is_as_found(&self, a: &Accusation) -> bool {
        let rows = self.rows();
        // The suspects stand in the order in which they were found, with nobody else but mute servers between them.
        let suspects = self.suspects.iter().map(|s| s.row.id);
        let others = self.between.iter().filter(|row| !a.mute.passed.contains(&row.id));
        if self.between.len() != a.mute.passed.len() + self.suspects.len() || !others.map(|row| row.id).eq(suspects) {
            return false;
        }
        let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == rows.len() && is_chain(&rows, self.side)
    }

    /// All servers that vote in any of these rows.
    fn voters(&self) -> Vec<ServerId> {
        let votes = self.rows().into_iter().flat_map(|row| Side::BOTH.map(|side| row.vote(side)));
        votes.flatten().map(|vote| vote.voter).collect()
    }
}

/// The suspects and the mute servers, as the links go from the voter on.
fn in_order<'a>(
    a: &Accusation,
    seen: &'a TableSnapshot,
    me: &'a ServerRow,
    suspects: &[Suspect<'a>],
) -> Vec<&'a ServerRow> {
    let known = |id: &ServerId| a.mute.passed.contains(id) || suspects.iter().any(|s| s.row.id == *id);
    let next = |from: &&'a ServerRow| Some(from.buddy(a.side)).filter(known).and_then(|id| row(seen, id));
    let most = a.mute.passed.len() + suspects.len();
    core::iter::successors(next(&me), next).take(most).collect()
}
