//! Which servers this agent saw removed, for the metrics: they name who is dead.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::show::RemovalSeen;
use ringmon_core::{Event, EventKind};

/// The newest removals, by name, until the server is heard again.
#[derive(Debug, Default)]
pub struct Removals(BTreeMap<String, RemovalSeen>);

impl Removals {
    /// How many are remembered: names are given by whoever fills the table.
    const MOST: usize = 64;
    /// It may be back where this agent does not hear it.
    const KEPT: Duration = Duration::from_secs(24 * 3600);

    /// Takes note of an event that happens `now`, counted from 1970.
    pub fn note(&mut self, event: &Event, now: Duration) {
        if event.kind() == EventKind::Alive {
            self.0.remove(&event.subject);
        }
        self.0.retain(|_, old| now.as_secs_f64() - old.at < Self::KEPT.as_secs_f64());
        let Some((kind, removed)) = event.body.removal() else { return };
        let removal = RemovalSeen { kind, at: now.as_secs_f64(), address: removed.address };
        self.0.insert(event.subject.clone(), removal);
        if self.0.len() > Self::MOST {
            let oldest = self.0.iter().min_by(|a, b| a.1.at.total_cmp(&b.1.at)).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.0.remove(&name));
        }
    }

    /// As the board has them.
    pub fn shown(&self) -> BTreeMap<String, RemovalSeen> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmon_core::event::{EventBody, Removed};
    use ringmon_core::{Incarnation, Time};

    fn event(subject: &str, body: EventBody) -> Event {
        Event { mono: Time::ZERO, subject: subject.to_owned(), body }
    }

    #[test]
    fn a_removed_server_is_named_until_it_is_heard_again() {
        let mut removals = Removals::default();
        removals.note(&event("a", EventBody::Down(Removed::default())), Duration::from_secs(100));
        removals.note(&event("b", EventBody::AgentLost(Removed::default())), Duration::from_secs(200));
        assert_eq!(
            removals.shown().iter().map(|(n, r)| (n.as_str(), r.at)).collect::<Vec<_>>(),
            [("a", 100.0), ("b", 200.0)]
        );
        removals.note(&event("a", EventBody::Alive { incarnation: Incarnation(2) }), Duration::from_secs(300));
        assert_eq!(removals.shown().keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut removals = Removals::default();
        for at in 0..100 {
            removals.note(&event(&format!("s{at}"), EventBody::Down(Removed::default())), Duration::from_secs(at));
        }
        assert_eq!(removals.shown().len(), Removals::MOST);
        assert!(removals.shown().contains_key("s99") && !removals.shown().contains_key("s35"));
    }
}
