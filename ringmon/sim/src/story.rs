//! What each rule is for: a schedule that is harmless with the rule and does harm without it (DESIGN section 6 tells
//! them in words).
//!
//! A story is played in many worlds, one for each seed. The moment of a fault, or the database's pace, differs from
//! world to world. A story is **proved** by a world in which the rule alone makes the difference.

mod schedules;

use std::time::Duration;

use super::{Settings, World};
use ringmon_core::{Rule, Without, law};

/// A schedule that shows what a rule is for.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// The rule that the story is about.
    pub rule: Rule,
    /// What happens, and what goes wrong without the rule.
    pub about: &'static str,
    /// The most worlds in which a proof is looked for.
    pub worlds: u64,
    live: fn(&mut Stage) -> Vec<String>,
}

/// A world in which the rule makes the difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The seed of that world.
    pub seed: u64,
    /// What went wrong there without the rule.
    pub without: Vec<String>,
}

/// One world of a story, and how it is set up.
#[derive(Debug)]
struct Stage {
    seed: u64,
    without: Without,
    loud: bool,
}

impl Stage {
    /// A pool that has existed for a while, without a brake. Also returns its servers' indexes in the ring's order.
    fn pool(&self, servers: usize, statement: (Duration, Duration)) -> (World, Vec<usize>) {
        let settings = Settings {
            statement,
            loud: self.loud,
            lazy: true,
            without: self.without,
            ..Settings::new(self.seed, servers)
        };
        let (mut world, order) = World::established(settings, Duration::from_millis(200));
        world.table.pool.rules.brake_permille = 1000;
        world.table.pool.version += 1;
        if !world.run_until(Duration::from_secs(60), World::settled) {
            world.violations.push("the pool did not come to rest before anything befell it".into());
        }
        // No server gives another one a grace any more for its own start (R6).
        world.run_for(law::GRACE_MOST + Duration::from_secs(4));
        (world, order)
    }
}

impl Story {
    /// All stories, one for each rule.
    #[must_use]
    pub fn all() -> [Self; 12] {
        schedules::all()
    }

    /// What goes wrong in this world, with the rule or without it. `loud`: print everything that happens to standard
    /// error.
    #[must_use]
    pub fn live(&self, seed: u64, with_rule: bool, loud: bool) -> Vec<String> {
        let without = if with_rule { Without::NOTHING } else { Without::rules(&[self.rule]) };
        (self.live)(&mut Stage { seed, without, loud })
    }

    /// Looks for a world, starting with this seed, in which something goes wrong without the rule and nothing with it.
    #[must_use]
    pub fn prove(&self, first: u64) -> Option<Proof> {
        (first..first.saturating_add(self.worlds)).find_map(|seed| {
            let without = self.live(seed, false, false);
            let shown = !without.is_empty() && self.live(seed, true, false).is_empty();
            shown.then_some(Proof { seed, without })
        })
    }
}
