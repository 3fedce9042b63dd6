//! The second witness's kernel. It is asked in this server's probes, and says in its replies how long it has not heard
//! the suspect. So a removal needs neither its agent nor its database.
//!
//! Only the far end of a run of one is asked: it stands next to the suspect, as a second witness must. In a longer run
//! it watches only the last server by itself.
//!
//! A buddy that the database does not answer is looked past, as one without an agent is (R9). It cannot vote, but its
//! kernel is asked as well. So is a blind one: it may be blind towards others only. If it says that it does not see the
//! suspect, it has nothing to confirm.

use crate::ServerId;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::evidence::{Confirmed, Testimony};
use crate::law;
use crate::op::Mute;
use crate::row::VoteKind;

use super::SideWork;

impl SideWork {
    /// Whom to ask, and about whom: the far end, and the last of the mute servers that this one looks past.
    pub fn questions(&self) -> impl Iterator<Item = (ServerId, ServerId)> {
        self.far_question().into_iter().chain(self.past_question())
    }

    fn far_question(&self) -> Option<(ServerId, ServerId)> {
        match self.run.silent.as_slice() {
            [(suspect, VoteKind::Host)] => self.run.far_end.map(|witness| (witness, *suspect)),
            _ => None,
        }
    }

    fn past_question(&self) -> Option<(ServerId, ServerId)> {
        Some((*self.run.past.last()?, self.run.silent.first()?.0))
    }

    /// Whether the mute server next to the first suspect hears it. Then whatever was said past it is not true.
    pub(super) fn denied(&self, facts: &Facts) -> bool {
        let Some((past, suspect)) = self.past_question() else { return false };
        let said = facts.mute(past).filter(|said| said.of == suspect && said.watches);
        let host = self.run.silent.first().is_some_and(|(_, kind)| *kind == VoteKind::Host);
        host && said.is_some_and(|said| said.misses == 0)
    }

    /// What the far end's kernel confirms, if that is enough.
    pub(super) fn confirmed(&self, facts: &Facts, asks: &mut Asks) -> Option<Confirmed> {
        confirms(facts, asks, self.far_question()?)
    }

    /// The mute servers that this one looks past, for the whole run or for its first server; `None`: it must not.
    ///
    /// The last one before the run stands next to the first suspect, and so its kernel must miss that one too.
    /// Otherwise a bad link between two servers that are no buddies would look like a death. Whether an agent has a
    /// pulse does not depend on a link.
    pub(super) fn mute(&self, facts: &Facts, asks: &mut Asks, whole: bool) -> Option<Mute> {
        let run = &self.run;
        let among = run.among.iter().filter(|_| whole);
        let passed = run.past.iter().chain(among).copied().collect();
        let mut mute = Mute { passed, confirmed: None, blind: None, beyond: run.beyond.clone() };
        if let Some(question) = self.past_question() {
            let host = run.silent.first().is_some_and(|(_, kind)| *kind == VoteKind::Host);
            let said = facts.mute(question.0).filter(|said| said.of == question.1);
            mute.blind = said.filter(|said| said.blind && !said.watches).map(|_| question.0);
            let asks_it = host && mute.blind.is_none();
            mute.confirmed = if asks_it { Some(confirms(facts, asks, question)?) } else { None };
            run.far_end?;
        }
        Some(mute)
    }
}

/// What a witness's kernel says about a suspect, if that is enough (R6): it misses the suspect for as long as this
/// server has to, and hears somebody else (R2). Asks for a call when time alone may make it enough.
fn confirms(facts: &Facts, asks: &mut Asks, (witness, suspect): (ServerId, ServerId)) -> Option<Confirmed> {
    let watch = facts.watches.of(witness)?;
    let said = facts.said(watch).filter(|said| said.of == suspect && said.watches)?;
    if !hears(facts, &said) {
        return None;
    }
    let asked = facts.stamped_silence_asked(facts.watches.of(suspect)?.target.address);
    asks.call_at(said.proof + asked + facts.identity.tuning.interval);
    let enough = said.at.since(said.proof) >= asked && said.misses >= law::REMOVAL_MISSES;
    let since = said.proof;
    enough.then_some(Confirmed { by: witness, watch: watch.id, of: suspect, since, misses: said.misses })
}

/// Whether the witness could have heard the suspect: it heard somebody long after its last proof of it.
fn hears(facts: &Facts, said: &Testimony) -> bool {
    let ears = facts.identity.tuning.ears();
    said.heard >= said.proof + ears && said.at.since(said.heard) <= ears
}
