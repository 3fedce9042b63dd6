//! What outages and independent loss do to a server that lives: the numbers behind "what it promises" in
//! `docs/detector.md`.
//!
//! Outages are lived through in whole pools; loss is fed to one [`Detector`] probe by probe, because what is looked for
//! is too rare for a pool.

use std::time::Duration;

use super::{Fault, Settings, World};
use ringmon_core::detector::{Change, Detector, State};
use ringmon_core::evidence::WatchReading;
use ringmon_core::law;
use ringmon_core::rng::Rng;
use ringmon_core::{EventKind, Profile, Time, Tuning, words};

/// Who does not hear the victim while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// One buddy: the link between the two is cut both ways.
    Private,
    /// Everybody: its last hop is cut.
    Shared,
}

words!(Reach: Private = "private", Shared = "shared");

/// What one outage did, to a server that lived all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Somebody suspected it.
    pub suspected: bool,
    /// Somebody was removed.
    pub removed: bool,
    /// Where it was the victim, and it joined again: whether a second outage as long removed anybody.
    pub again: Option<bool>,
}

/// Servers of a pool.
const SERVERS: usize = 6;
/// After an outage: time for whatever comes of it.
const AFTER: Duration = Duration::from_secs(5);
/// Most time until a removed server is back.
const BACK: Duration = Duration::from_secs(120);

/// So long all is quiet before an outage: the windows of `core/loss.rs` are clean then, cold start included.
#[must_use]
pub fn calm(tuning: &Tuning) -> Duration {
    (tuning.interval * 600).max(Duration::from_secs(12))
}

/// One outage of this length in a pool of this seed, at a random phase of the probes.
#[must_use]
pub fn trial(profile: Profile, seed: u64, length: Duration, reach: Reach) -> Trial {
    let settings = Settings { profile, lazy: true, ..Settings::new(seed, SERVERS) };
    let (mut world, order) = World::established(settings, Duration::from_secs(1));
    let tuning = profile.tuning();
    let mut rng = Rng::new(seed ^ 0x006f_7574_6167_6573);
    let (victim, buddy) = (order[0], order[1]);
    world.run_for(calm(&tuning) + rng.between(Duration::ZERO, tuning.interval));
    let (suspected, removed) = outage(&mut world, victim, buddy, length, reach);
    let back = removed && reach == Reach::Shared && world.run_until(BACK, World::settled);
    let again = back.then(|| {
        world.run_for(calm(&tuning) + rng.between(Duration::ZERO, tuning.interval));
        outage(&mut world, victim, buddy, length, reach).1
    });
    Trial { suspected, removed, again }
}

/// One outage and its end: whether the victim was suspected, and whether anybody was removed.
fn outage(world: &mut World, victim: usize, buddy: usize, length: Duration, reach: Reach) -> (bool, bool) {
    let (from, name) = (world.now, world.hosts[victim].name.clone());
    let downs = |world: &World| world.table.events.iter().filter(|e| e.kind() == EventKind::Down).count();
    let before = downs(world);
    let set = |world: &mut World, cut: bool| match reach {
        Reach::Private => {
            let now = world.now;
            world.network.set_cut(victim, buddy, cut, now);
            world.network.set_cut(buddy, victim, cut, now);
        }
        Reach::Shared => world.befall(victim, if cut { Fault::Isolate } else { Fault::Return }),
    };
    set(world, true);
    world.run_for(length);
    set(world, false);
    world.run_for(AFTER);
    let told = |l: &super::Line| l.at >= from && l.event.kind() == EventKind::Suspect && l.event.subject == name;
    (world.log.iter().any(told), downs(world) > before)
}

/// The chance that one watch with a clean history suspects in an outage of this length: the silence must last from the
/// first lost probe past its deadline and that of the last one of the burst, and a reply to any probe of the burst that
/// leaves meanwhile ends it.
#[must_use]
pub fn suspects(tuning: &Tuning, length: Duration) -> f64 {
    let burst = tuning.burst.min(tuning.interval).as_secs_f64();
    let more = f64::from(law::SUSPECT_MISSES.saturating_sub(2));
    let least = 2.0 * tuning.deadline.as_secs_f64() + burst * (more - 0.5);
    ((length.as_secs_f64() - least) / tuning.interval.as_secs_f64()).clamp(0.0, 1.0)
}

/// What independent loss did to one watch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chance {
    /// Probes that were counted.
    pub probes: u64,
    /// How long they took, in hours.
    pub hours: f64,
    /// Suspicions, all of them false.
    pub suspicions: u64,
    /// As many are expected with the thresholds as they stood at each first miss.
    pub expected: f64,
    /// Of runs long enough for a removal's misses (R6) as well.
    pub removers: f64,
    /// The mean of the thresholds at first misses, and the least.
    pub needed: (f64, u32),
}

impl Chance {
    /// Suspicions expected in an hour.
    #[must_use]
    pub fn hourly(&self) -> f64 {
        self.expected / self.hours
    }

    /// A removal needs a run long enough to suspect on one watch and one of R6's misses on the other at the same time:
    /// how many of a server in a year, at most, if the two are independent. They overlap if they begin within one
    /// removal's silence of each other.
    #[must_use]
    pub fn removals_a_year(&self) -> f64 {
        let window = 2.0 * law::REMOVAL_SILENCE.as_secs_f64() / 3600.0;
        2.0 * self.hourly() * (self.removers / self.hours) * window * 24.0 * 365.25
    }

    /// Of two watches.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let firsts = self.probes + other.probes;
        let weighed = self.needed.0 * self.probes as f64 + other.needed.0 * other.probes as f64;
        let least = [self, other].iter().filter(|c| c.probes > 0).map(|c| c.needed.1).min().unwrap_or(0);
        Self {
            probes: firsts,
            hours: self.hours + other.hours,
            suspicions: self.suspicions + other.suspicions,
            expected: self.expected + other.expected,
            removers: self.removers + other.removers,
            needed: (weighed / firsts.max(1) as f64, least),
        }
    }
}

/// A watch that loses this share of its round trips, each independently, for so many probes; what comes before its
/// windows are full does not count.
#[must_use]
pub fn by_chance(profile: Profile, seed: u64, share: f64, probes: u64) -> Chance {
    const COLD: u64 = 1024;
    let tuning = profile.tuning();
    let (mut detector, mut rng) = (Detector::default(), Rng::new(seed));
    let mut now = Time::from_ns(1_000_000_000);
    let mut reading = WatchReading { began: now, patience: tuning.deadline, ..WatchReading::default() };
    let lost_below = (share * u64::MAX as f64) as u64;
    let (mut chance, mut firsts, mut sum) = (Chance { needed: (0.0, u32::MAX), ..Chance::default() }, 0_u64, 0_u64);
    let mut since = now;
    for index in 0..COLD + probes {
        if index == COLD {
            since = now;
        }
        let burst = detector.wants_burst(&reading, 1);
        now = now + if burst { tuning.burst.min(tuning.interval) } else { tuning.interval };
        reading.sent += 1;
        if rng.word() < lost_below {
            reading.misses += 1;
            reading.consecutive += 1;
        } else {
            reading.replies += 1;
            reading.consecutive = 0;
            (reading.last_reply, reading.last_pulse) = (Some(now), Some(now));
        }
        let change = detector.observe(now, &reading, &tuning, 1);
        if index < COLD {
            continue;
        }
        chance.suspicions += u64::from(matches!(change, Some(Change::Moved(_, State::Suspect))));
        if reading.consecutive == 1 {
            let needed = detector.needed(1);
            (firsts, sum) = (firsts + 1, sum + u64::from(needed));
            chance.needed.1 = chance.needed.1.min(needed);
            // The first miss is there: so likely are the others that are needed.
            let all = |many: u32| share.powf(f64::from(many.saturating_sub(1)));
            chance.expected += all(needed);
            chance.removers += all(needed.max(law::REMOVAL_MISSES));
        }
    }
    chance.probes = probes;
    chance.hours = now.since(since).as_secs_f64() / 3600.0;
    chance.needed.0 = sum as f64 / firsts.max(1) as f64;
    chance
}

/// Between which shares the true one lies with 95 % (Wilson, "Probable inference", JASA 1927), where it was so `of`
/// many times.
#[must_use]
pub fn wilson(times: u32, of: u32) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (z, n) = (1.96_f64, f64::from(of));
    let share = f64::from(times) / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let all = 1.0 + z * z / n;
    (((middle - half) / all).max(0.0), ((middle + half) / all).min(1.0))
}

#[cfg(test)]
mod tests;
