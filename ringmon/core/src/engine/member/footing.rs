//! R2, with both buddies silent: did they die, or is it this server that is cut off?

use super::proofs::Proofs;
use crate::ahead::Run;
use crate::engine::facts::Facts;
use crate::{Rule, law};

/// A few servers that are cut off, and find each other past those between them, would take the rest of the pool for a
/// rack that died. At the end of such a rack stands a server that hears its other buddy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// It hears a buddy, or has found a living server both ways, past no more servers than the first look goes.
    Firm,
    /// It is still looking, or it is accused by those that it does not hear and so on one side of a cut (R4): it votes,
    /// and removes nobody.
    Unsure,
    /// More are silent than the first look goes, and nobody accuses it: its votes are taken back.
    CutOff,
}

impl Footing {
    pub fn of([here, there]: [&Run; 2], facts: &Facts, proofs: &Proofs) -> Self {
        if here.silent.is_empty() || there.silent.is_empty() || !facts.keeps(Rule::R2) {
            return Self::Firm;
        }
        let far = here.silent.len() + there.silent.len() > usize::from(law::AHEAD);
        let accused = |run: &Run| run.silent.iter().any(|(id, _)| proofs.accuses(*id));
        if far && !accused(here) && !accused(there) {
            return Self::CutOff;
        }
        if far || here.far_end.is_none() || there.far_end.is_none() { Self::Unsure } else { Self::Firm }
    }
}
