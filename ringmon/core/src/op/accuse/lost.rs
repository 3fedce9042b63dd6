//! Finds a removal whose COMMIT was not answered, by its own events.

use alloc::vec::Vec;

use crate::ServerId;
use crate::edit::{Lookup, Step, StoredEvent, TableSnapshot};
use crate::op::accusation::Accusation;
use crate::op::plan::{need, row};
use crate::outcome::{Outcome, Removal};

/// Some suspects' rows are gone. If this server in this life removed them, the answer to its COMMIT was lost, and this
/// is the answer. If another server did, the accusation is stale.
///
/// # Errors
/// What to read first.
pub(in crate::op) fn already_removed(a: &Accusation, seen: &TableSnapshot) -> Result<Step, Step> {
    let gone: Vec<ServerId> = a.findings.iter().map(|f| f.server).filter(|id| row(seen, *id).is_none()).collect();
    need(seen, gone.iter().copied().map(Lookup::LastEvent))?;
    let mut removed: Vec<Removal> = Vec::new();
    let mut ends = None;
    for event in gone.iter().filter_map(|id| seen.events.get(id)?.as_ref()) {
        if let Some((removal, at)) = own_removal(a, event) {
            removed.push(removal);
            ends = ends.or(Some(at));
        }
    }
    Ok(Step::Done(match ends {
        Some(ends) => Outcome::Removed { removed, ends },
        None => Outcome::Stale,
    }))
}

fn own_removal(a: &Accusation, event: &StoredEvent) -> Option<(Removal, (ServerId, ServerId))> {
    let (_, removed) = event.body.removal()?;
    if event.by != a.name || removed.by_incarnation != Some(a.incarnation) {
        return None;
    }
    Some((removed.removal.clone()?, removed.ends?))
}
