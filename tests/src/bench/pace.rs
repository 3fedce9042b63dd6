//! Which server may be struck next: one whose watchers had time to recover from the last blow.

use std::collections::{BTreeMap, BTreeSet};

use super::pool::Pool;

/// Keeps disturbed watches out of the next trials, while other servers are struck.
///
/// A crash disturbs the two watches on the victim, and the victim's two watches on its neighbours. So after each crash
/// the victim and its neighbours rest.
#[derive(Debug)]
pub struct Pace {
    calm_ns: u64,
    /// Since when each server's watches have been undisturbed.
    calm_since: BTreeMap<String, u64>,
    /// Struck, and not yet heard by everybody again.
    recovering: BTreeSet<String>,
    /// How often each was struck.
    struck: BTreeMap<String, u32>,
}

impl Pace {
    /// The start has just disturbed all servers; `calm_ns` is how long a watch needs to forget that.
    #[must_use]
    pub fn new(order: &[String], calm_ns: u64, now_ns: u64) -> Self {
        Self {
            calm_ns,
            calm_since: order.iter().map(|name| (name.clone(), now_ns)).collect(),
            recovering: BTreeSet::new(),
            struck: order.iter().map(|name| (name.clone(), 0)).collect(),
        }
    }

    /// This server was struck, and is back.
    pub fn struck(&mut self, name: &str) {
        *self.struck.entry(name.to_owned()).or_default() += 1;
        self.recovering.insert(name.to_owned());
    }

    /// Notes which servers are back.
    pub fn look(&mut self, pool: &dyn Pool, now_ns: u64) {
        let back: Vec<String> = self.recovering.iter().filter(|name| pool.is_heard(name)).cloned().collect();
        for name in back {
            self.recovering.remove(&name);
            for disturbed in pool.neighbours(&name).into_iter().chain([name]) {
                self.calm_since.insert(disturbed, now_ns);
            }
        }
    }

    /// The next victim: of the servers that can be struck now, the one that was struck least often.
    #[must_use]
    pub fn next(&self, pool: &dyn Pool, now_ns: u64) -> Option<String> {
        let ready = pool.order().iter().filter(|name| self.is_ready(pool, name, now_ns));
        ready.min_by_key(|name| self.struck.get(*name)).cloned()
    }

    fn is_ready(&self, pool: &dyn Pool, name: &str, now_ns: u64) -> bool {
        let near = pool.neighbours(name);
        let calm = self.calm_since.get(name).is_some_and(|since| now_ns >= since + self.calm_ns);
        calm && !self.recovering.contains(name)
            && near.iter().all(|other| !self.recovering.contains(other))
            && pool.is_heard(name)
    }

    /// Whether every struck server is heard again.
    #[must_use]
    pub fn all_back(&self) -> bool {
        self.recovering.is_empty()
    }
}

#[cfg(test)]
mod tests;
