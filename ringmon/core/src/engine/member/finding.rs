//! What one watch found against its server, and whether that has lasted long enough.

use core::time::Duration;

use super::proofs::Proofs;
use crate::engine::asks::Asks;
use crate::engine::facts::Facts;
use crate::evidence::Silence;
use crate::law;
use crate::op::Finding;
use crate::{Rule, ServerId, Time, VoteKind};

/// What one watch found against its server; `None` if the server is not watched.
pub(super) fn finding(facts: &Facts, proofs: &Proofs, server: ServerId, kind: VoteKind) -> Option<Finding> {
    let watch = facts.watches.of(server)?;
    let since = watch.detector.silent_since(kind, &watch.reading);
    let misses = watch.detector.misses(&watch.reading);
    let enough = match kind {
        VoteKind::Host => {
            let address = watch.target.address;
            let silent = facts.now.since(since) >= facts.silence_asked(address) && misses >= law::REMOVAL_MISSES;
            let shown = facts.path.open_until(address).since(since) >= facts.stamped_silence_asked(address)
                && watch.detector.stamped(&watch.reading) >= law::REMOVAL_MISSES;
            silent || shown || !facts.keeps(Rule::R6)
        }
        // The pool's own timeout is far longer than any silence that R6 requires.
        VoteKind::Agent => true,
    };
    let enough = enough && facts.grace(watch, kind).is_none_or(|until| until <= facts.now);
    let silence = Silence { watch: watch.id, kind, since };
    let incarnation = watch.target.incarnation;
    let proved = kind == VoteKind::Host && proofs.fresh(server, incarnation, facts.now);
    Some(Finding { server, incarnation, silence, misses, enough, proved })
}

/// Whether a finding is old enough for a removal. A silent agent gets the pool's timeout to come back; asks for a call
/// when it is over.
pub(super) fn ripe(facts: &Facts, asks: &mut Asks, finding: &Finding) -> bool {
    let Some(watch) = facts.watches.of(finding.server).filter(|_| !finding.proved) else { return false };
    if let Some(until) = facts.grace(watch, finding.silence.kind) {
        asks.call_at(until);
    }
    let since = finding.silence.since;
    match finding.silence.kind {
        VoteKind::Host => {
            // Perhaps only time is missing.
            asks.call_at(since + facts.silence_asked(watch.target.address));
            asks.call_at(since + facts.stamped_silence_asked(watch.target.address));
            finding.enough
        }
        VoteKind::Agent => {
            let timeout = facts.pool.as_ref().map_or(Duration::MAX, |p| p.rules.agent_timeout);
            asks.due(since + timeout) && finding.enough
        }
    }
}

/// Another server must be heard after this moment. Otherwise the finding may only show that this server is deaf (R2).
pub(super) fn deaf_from(facts: &Facts, finding: &Finding) -> Option<Time> {
    let watch = facts.watches.of(finding.server)?;
    Some(watch.detector.deaf_from(finding.silence.kind, &watch.reading, &facts.identity.tuning))
}
