//! What each agent says of the ring, collected from its events.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Buddies, Event};

/// What one agent believes.
#[derive(Clone, Debug, Default)]
pub struct Belief {
    /// Its buddies, as of its last event about them.
    pub buddies: Buddies,
    /// The buddies whose authenticated replies it hears.
    pub hears: BTreeSet<String>,
}

impl Belief {
    /// Adds an event of this agent.
    pub fn tell(&mut self, event: &Event) {
        if let Some(buddies) = event.buddies() {
            // A server that it looked at before it became a buddy is heard already. Others lost their watch.
            self.hears.retain(|name| buddies.contains(name));
            self.buddies = buddies;
            return;
        }
        match event.event.as_str() {
            "alive" | "agent_back" => {
                self.hears.insert(event.subject.clone());
            }
            "suspect" => {
                self.hears.remove(&event.subject);
            }
            "removed" => *self = Self::default(),
            _ => {}
        }
    }

    /// Whether it has this buddy and hears it.
    #[must_use]
    pub fn hears_buddy(&self, name: &str) -> bool {
        self.buddies.contains(name) && self.hears.contains(name)
    }
}

/// What all agents believe.
#[derive(Clone, Debug, Default)]
pub struct View {
    agents: BTreeMap<String, Belief>,
}

impl View {
    /// Adds an event.
    pub fn tell(&mut self, event: &Event) {
        self.agents.entry(event.server.clone()).or_default().tell(event);
    }

    /// Forgets an agent that starts again.
    pub fn forget(&mut self, name: &str) {
        self.agents.remove(name);
    }

    /// What this agent believes.
    #[must_use]
    pub fn of(&self, name: &str) -> Belief {
        self.agents.get(name).cloned().unwrap_or_default()
    }

    /// Whether these two are buddies and hear each other.
    #[must_use]
    pub fn hear_each_other(&self, a: &str, b: &str) -> bool {
        self.of(a).hears_buddy(b) && self.of(b).hears_buddy(a)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(server: &str, event: &str, subject: &str, detail: Value) -> Event {
        let (at, server, event, subject) = (String::new(), server.to_owned(), event.to_owned(), subject.to_owned());
        Event { at, mono_ns: 0, server, event, subject, detail }
    }

    #[test]
    fn new_buddies_hear_each_other_once_both_have_heard() {
        let mut view = View::default();
        view.tell(&event("a", "alive", "c", Value::Null));
        view.tell(&event("a", "buddies", "a", json!({"first": "c", "second": "d"})));
        view.tell(&event("c", "buddies", "c", json!({"first": "d", "second": "a"})));
        assert!(!view.hear_each_other("a", "c"), "c has not heard a");
        view.tell(&event("c", "alive", "a", Value::Null));
        assert!(view.hear_each_other("a", "c"));
        view.tell(&event("a", "suspect", "c", Value::Null));
        assert!(!view.hear_each_other("a", "c"));
    }

    #[test]
    fn a_server_that_is_no_buddy_any_more_must_be_heard_anew() {
        let mut view = View::default();
        view.tell(&event("a", "buddies", "a", json!({"first": "b", "second": "b"})));
        view.tell(&event("a", "alive", "b", Value::Null));
        view.tell(&event("a", "buddies", "a", json!({"first": "c", "second": "d"})));
        view.tell(&event("a", "buddies", "a", json!({"first": "b", "second": "d"})));
        assert!(!view.of("a").hears_buddy("b"));
    }
}
