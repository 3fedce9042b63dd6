//! The second witness's kernel. It is asked in this server's probes, and says in its replies how long it has not heard
//! the suspect. So a removal needs neither its agent nor its database.
//!
//! Only the far end of a run of one is asked: it stands next to the suspect, as a second witness must. In a longer run
//! it watches only the last server by itself.

use crate::ServerId;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::evidence::{Confirmed, Testimony};
use crate::law;
use crate::op::Finding;
use crate::row::VoteKind;

use super::SideWork;

impl SideWork {
    /// Whom to ask, and about whom.
    pub fn question(&self) -> Option<(ServerId, ServerId)> {
        match self.run.silent.as_slice() {
            [(suspect, VoteKind::Host)] => self.run.far_end.map(|witness| (witness, *suspect)),
            _ => None,
        }
    }

    /// What the witness's kernel confirms, if that is enough (R6): it misses the suspect for as long as this server has
    /// to, and hears somebody else (R2). Asks for a call when time alone may make it enough.
    pub(super) fn confirmed(&self, facts: &Facts, asks: &mut Asks, findings: &[Finding]) -> Option<Confirmed> {
        let (witness, suspect) = self.question()?;
        let [finding] = findings else { return None };
        let watch = facts.watch_of(witness)?;
        let said = watch.reading.testimony.filter(|said| said.of == suspect && said.watches)?;
        let fresh = facts.identity.tuning.ears() + watch.reading.patience + law::READ_EVERY;
        if finding.server != suspect || facts.now.since(said.at) > fresh || !hears(facts, &said) {
            return None;
        }
        let asked = facts.silence_asked(facts.watch_of(suspect)?.target.address);
        asks.call_at(said.proof + asked + facts.identity.tuning.interval);
        let enough = said.at.since(said.proof) >= asked && said.misses >= law::REMOVAL_MISSES;
        let since = said.proof;
        enough.then_some(Confirmed { by: witness, watch: watch.id, of: suspect, since, misses: said.misses })
    }
}

/// Whether the witness could have heard the suspect: it heard somebody long after its last proof of it.
fn hears(facts: &Facts, said: &Testimony) -> bool {
    let ears = facts.identity.tuning.ears();
    said.heard >= said.proof + ears && said.at.since(said.heard) <= ears
}
