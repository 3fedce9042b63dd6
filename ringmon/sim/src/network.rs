//! Which server reaches which: cuts, loss, latency.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringmon_core::Time;
use ringmon_core::rng::Rng;

/// The network between hosts, which are named by their index. Every setting has a direction.
#[derive(Debug)]
pub struct Network {
    rng: Rng,
    /// Least and most time that a frame takes.
    pub latency: (Duration, Duration),
    /// Loss of every frame, in thousandths.
    pub loss_permille: u64,
    cut: BTreeSet<(usize, usize)>,
    lossy: BTreeMap<(usize, usize), u64>,
    /// When each pair was last changed.
    changed: BTreeMap<(usize, usize), Time>,
    partitions: Vec<Partition>,
    /// The pairs that changed since the last [`Self::take_news`], and whether everything did.
    news: (Vec<(usize, usize)>, bool),
}

/// A group that frames neither leave nor enter, and since when, or until when.
#[derive(Debug)]
struct Partition {
    group: BTreeSet<usize>,
    cut: bool,
    changed: Time,
}

impl Partition {
    fn parts(&self, a: usize, b: usize) -> bool {
        self.group.contains(&a) != self.group.contains(&b)
    }
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
            partitions: Vec::new(),
            news: (Vec::new(), false),
        }
    }

    /// Stops all frames in the direction `from` to `to`; with `cut` false, lets them pass again.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool, now: Time) {
        let is_new = if cut { self.cut.insert((from, to)) } else { self.cut.remove(&(from, to)) };
        if is_new {
            self.changed.insert((from, to), now);
            self.news.0.push((from, to));
        }
    }

    /// Stops all frames between this group and the other servers. With `cut` false, lets them pass again for a group
    /// that was cut off before.
    pub fn partition(&mut self, group: &[usize], cut: bool, now: Time) {
        let group: BTreeSet<usize> = group.iter().copied().collect();
        match self.partitions.iter_mut().find(|p| p.group == group) {
            Some(known) if known.cut == cut => return,
            Some(known) => (known.cut, known.changed) = (cut, now),
            None if cut => self.partitions.push(Partition { group, cut, changed: now }),
            None => return,
        }
        self.news.1 = true;
    }

    /// Ends every cut and every partition.
    pub fn mend(&mut self, now: Time) {
        for pair in std::mem::take(&mut self.cut) {
            self.changed.insert(pair, now);
        }
        for partition in self.partitions.iter_mut().filter(|p| p.cut) {
            (partition.cut, partition.changed) = (false, now);
        }
        self.news.1 = true;
    }

    /// What changed since the last call: pairs, and whether everything may have changed.
    pub(super) fn take_news(&mut self) -> (Vec<(usize, usize)>, bool) {
        std::mem::take(&mut self.news)
    }

    /// The share of frames lost in this direction, in thousandths.
    pub(super) fn loss(&self, from: usize, to: usize) -> u64 {
        self.lossy.get(&(from, to)).copied().unwrap_or(0).max(self.loss_permille)
    }

    fn passes(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to)) && !self.partitions.iter().any(|p| p.cut && p.parts(from, to))
    }

    /// Sets the share of frames lost in this direction, in thousandths.
    pub fn set_loss(&mut self, from: usize, to: usize, permille: u64, now: Time) {
        self.lossy.insert((from, to), permille);
        self.changed.insert((from, to), now);
        self.news.0.push((from, to));
    }

    /// How long a frame takes; `None` if it does not arrive.
    pub fn carry(&mut self, from: usize, to: usize) -> Option<Duration> {
        let lossy = self.loss(from, to);
        if !self.passes(from, to) || self.rng.chance(lossy) {
            return None;
        }
        Some(self.rng.between(self.latency.0, self.latency.1))
    }

    /// Whether both directions work, more or less (loss is not a cut).
    #[must_use]
    pub fn reaches(&self, a: usize, b: usize) -> bool {
        self.passes(a, b) && self.passes(b, a)
    }

    /// Since when nothing has changed between the two.
    #[must_use]
    pub fn steady_since(&self, a: usize, b: usize) -> Time {
        let at = |pair| self.changed.get(&pair).copied().unwrap_or(Time::ZERO);
        let parted = self.partitions.iter().filter(|p| p.parts(a, b)).map(|p| p.changed).max().unwrap_or(Time::ZERO);
        at((a, b)).max(at((b, a))).max(parted)
    }
}
