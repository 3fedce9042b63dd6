//! R2, when both buddies are silent: did they die, or is this server cut off?

use super::proofs::Proofs;
use crate::ahead::Run;
use crate::engine::facts::Facts;
use crate::{Rule, law};

/// A few servers may be cut off together and reach each other past the servers between them. They would take the rest
/// of the pool for a dead rack. At the end of a rack that really died stands a server that hears its other buddy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// It hears a buddy, or has found a living server in both directions, past no more servers than the first look
    /// covers.
    Firm,
    /// It is still looking, or servers that it does not hear accuse it, so it is on one side of a cut (R4). It votes
    /// and removes no server.
    Unsure,
    /// More servers are silent than the first look covers, and none of them accuses it. Its votes are taken back.
    CutOff,
}

impl Footing {
    pub fn of([here, there]: [&Run; 2], facts: &Facts, proofs: &Proofs) -> Self {
        if !here.lost_buddy() || !there.lost_buddy() || !facts.keeps(Rule::R2) {
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
