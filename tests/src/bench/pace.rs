//! Who may be struck next: somebody whose watchers had time to get over the last blow.

use std::collections::{BTreeMap, BTreeSet};

use super::pool::Pool;

/// Keeps watches that were disturbed out of the next trials, while others are struck.
///
/// A crash disturbs the two watches on the victim, and the two of the victim on its neighbours. So after each of them, the victim
/// and its neighbours rest.
#[derive(Debug)]
pub struct Pace {
    calm_ns: u64,
    /// Since when each server's watches are as they should be.
    calm_since: BTreeMap<String, u64>,
    /// Struck, and not heard by everybody yet.
    recovering: BTreeSet<String>,
    /// How often each was struck.
    struck: BTreeMap<String, u32>,
}

impl Pace {
    /// Everybody was disturbed just now, by the start; `calm_ns` is how long that takes to forget.
    #[must_use]
    pub fn new(order: &[String], calm_ns: u64, now_ns: u64) -> Self {
        Self {
            calm_ns,
            calm_since: order.iter().map(|name| (name.clone(), now_ns)).collect(),
            recovering: BTreeSet::new(),
            struck: order.iter().map(|name| (name.clone(), 0)).collect(),
        }
    }

    /// This one was struck and is back.
    pub fn struck(&mut self, name: &str) {
        *self.struck.entry(name.to_owned()).or_default() += 1;
        self.recovering.insert(name.to_owned());
    }

    /// Takes in who is back.
    pub fn look(&mut self, pool: &dyn Pool, now_ns: u64) {
        let back: Vec<String> = self.recovering.iter().filter(|name| pool.is_heard(name)).cloned().collect();
        for name in back {
            self.recovering.remove(&name);
            for disturbed in pool.neighbours(&name).into_iter().chain([name]) {
                self.calm_since.insert(disturbed, now_ns);
            }
        }
    }

    /// Whose turn it is: of those that can be struck now, the one that was struck least often.
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

    /// Whether nobody is still on the way back.
    #[must_use]
    pub fn all_back(&self) -> bool {
        self.recovering.is_empty()
    }
}

#[cfg(test)]
mod tests;
