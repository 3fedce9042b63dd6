//! Who reaches whom: cuts, loss, latency.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::Time;
use crate::core::rng::Rng;

/// The network between hosts, by their index. Everything has a direction.
#[derive(Debug)]
pub struct Network {
    rng: Rng,
    /// Least and most time of a frame on its way.
    pub latency: (Duration, Duration),
    /// Loss of every frame, in thousandths.
    pub loss_permille: u64,
    cut: BTreeSet<(usize, usize)>,
    lossy: BTreeMap<(usize, usize), u64>,
    /// When a pair was last changed.
    changed: BTreeMap<(usize, usize), Time>,
}

impl Network {
    /// A network that loses nothing.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            latency: (Duration::from_micros(50), Duration::from_micros(500)),
            loss_permille: 0,
            cut: BTreeSet::new(),
            lossy: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// From now on no frame goes `from` one `to` the other; or frames do again.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool, now: Time) {
        let is_new = if cut { self.cut.insert((from, to)) } else { self.cut.remove(&(from, to)) };
        if is_new {
            self.changed.insert((from, to), now);
        }
    }

    /// From now on this share of frames is lost on the way.
    pub fn set_loss(&mut self, from: usize, to: usize, permille: u64, now: Time) {
        self.lossy.insert((from, to), permille);
        self.changed.insert((from, to), now);
    }

    /// How long a frame takes; `None` if it does not arrive.
    pub fn carry(&mut self, from: usize, to: usize) -> Option<Duration> {
        let lossy = self.lossy.get(&(from, to)).copied().unwrap_or(0).max(self.loss_permille);
        if self.cut.contains(&(from, to)) || self.rng.chance(lossy) {
            return None;
        }
        Some(self.rng.between(self.latency.0, self.latency.1))
    }

    /// Whether both directions work, more or less (loss is not a cut).
    #[must_use]
    pub fn reaches(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a, b)) && !self.cut.contains(&(b, a))
    }

    /// Since when nothing was changed between the two.
    #[must_use]
    pub fn steady_since(&self, a: usize, b: usize) -> Time {
        let at = |pair| self.changed.get(&pair).copied().unwrap_or(Time::ZERO);
        at((a, b)).max(at((b, a)))
    }
}
