//! The panic threshold: which servers were recently routed, and whether too many of them would go at once.
//!
//! A real departure is no loss of sight: servers that left, are drained, or were found dead by two witnesses do not
//! count (the pool itself removes no more of the latter than its brake allows), nor do those whose hosts are accused
//! and have been silent for longer than any server needs to answer. What counts: agents that vanished, younger votes,
//! failing services, and rows that are gone without an event. A list without any server is never believed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::{Panic, Policy, Route, Routes, Standing};
use crate::{Incarnation, ServerId, Time};

/// The servers that were recently routed, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Sightings {
    known: BTreeMap<String, Sighting>,
    panic: Option<Panic>,
}

#[derive(Clone, Debug)]
struct Sighting {
    at: Time,
    route: Route,
}

impl Sightings {
    /// Takes over a kept list.
    pub(super) fn recall(&mut self, now: Time, routes: &Routes) {
        for route in routes.routed() {
            self.known.insert(route.name.clone(), Sighting { at: now, route: route.clone() });
        }
    }

    /// The recalled list, as long as nothing else is known.
    pub(super) fn recalled(&self) -> Routes {
        let kept = |sighting: &Sighting| Route { standing: Standing::Kept, ..sighting.route.clone() };
        Routes { servers: self.known.values().map(kept).collect(), ..Routes::default() }
    }

    /// Their ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = ServerId> {
        self.known.values().map(|sighting| sighting.route.id)
    }

    /// The name of one of them, and its incarnation.
    pub(super) fn life_of(&self, id: ServerId) -> Option<(String, Incarnation)> {
        let (name, sighting) = self.known.iter().find(|(_, sighting)| sighting.route.id == id)?;
        Some((name.clone(), sighting.route.incarnation))
    }

    /// This server is gone, and the reason is known.
    pub(super) fn departed(&mut self, name: &str, id: ServerId) {
        if self.known.get(name).is_some_and(|sighting| sighting.route.id == id) {
            self.known.remove(name);
        }
    }

    /// When the next sighting becomes too old to count.
    pub(super) fn next_end(&self, now: Time, policy: &Policy) -> Option<Time> {
        if self.panic.is_some() {
            return None;
        }
        let ends = self.known.values().map(|sighting| sighting.at + policy.panic_window);
        ends.filter(|end| *end > now).min().filter(|_| self.known.values().any(|sighting| sighting.at < now))
    }

    /// Turns what each server deserves into what is published. `silent`: they are not lost from sight.
    pub(super) fn settle(
        &mut self,
        now: Time,
        policy: &Policy,
        mut servers: Vec<Route>,
        silent: &BTreeSet<ServerId>,
    ) -> Routes {
        for route in &servers {
            match route.standing {
                Standing::Active => {
                    self.known.insert(route.name.clone(), Sighting { at: now, route: route.clone() });
                }
                Standing::Draining => drop(self.known.remove(&route.name)),
                Standing::Failing | Standing::Suspect | Standing::Kept => {}
            }
        }
        let frozen = self.panic.is_some();
        // While the list is frozen, no server is forgotten: a server lost from sight for an hour is still lost.
        self.known.retain(|_, sighting| frozen || now.since(sighting.at) < policy.panic_window);
        let left = servers.iter().filter(|route| route.standing == Standing::Active).count();
        let of = self.known.values().filter(|s| left == 0 || !silent.contains(&s.route.id)).count();
        self.panic = (left * 1000 < usize::from(policy.panic_permille) * of).then_some(Panic { left, of });
        if self.panic.is_some() {
            self.keep(&mut servers);
        }
        Routes { servers, panic: self.panic, ..Routes::default() }
    }

    /// Every recently routed server stays routed, as it was then.
    fn keep(&self, servers: &mut Vec<Route>) {
        for route in servers.iter_mut() {
            if !route.standing.is_routed() && self.known.contains_key(&route.name) {
                route.standing = Standing::Kept;
            }
        }
        for (name, sighting) in &self.known {
            if !servers.iter().any(|route| route.name == *name) {
                servers.push(Route { standing: Standing::Kept, ..sighting.route.clone() });
            }
        }
        servers.sort_by(|a, b| a.name.cmp(&b.name));
    }
}
