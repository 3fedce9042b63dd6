//! What outages and independent loss do to a server that is alive: the numbers behind "what it promises" in
//! `docs/detector.md`.
//!
//! Outages are simulated in whole pools. Loss is fed to one [`Detector`], probe by probe: the events in question are
//! too rare for a pool.

mod lesson;

use std::time::Duration;

pub use lesson::{History, Lesson, lesson};

use super::{Fault, Settings, World};
use ringmon_core::detector::{Change, Detector, Observer, State};
use ringmon_core::evidence::WatchReading;
use ringmon_core::law;
use ringmon_core::rng::Rng;
use ringmon_core::route::Policy;
use ringmon_core::{EventKind, Profile, Time, Tuning, words};

/// Which servers do not hear the victim during the outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// One buddy: the link between the two is cut both ways.
    Private,
    /// All other servers: the victim's last hop is cut.
    Shared,
}

words!(Reach: Private = "private", Shared = "shared");

/// What one outage did to a server that was alive all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Whether the victim was suspected.
    pub suspected: bool,
    /// Whether a router sent no more clients to it for a moment.
    pub unrouted: bool,
    /// Whether any server was removed.
    pub removed: bool,
    /// If the victim was removed and joined again: whether a second outage of the same length removed any server.
    pub again: Option<bool>,
}

/// The number of servers in a pool.
const SERVERS: usize = 6;
/// The time after an outage in which its effects are awaited.
const AFTER: Duration = Duration::from_secs(5);
/// The most time until a removed server is back.
const BACK: Duration = Duration::from_secs(120);

/// How long a pool runs undisturbed before an outage. After that the windows of `core/loss.rs` are clean, cold start
/// included.
#[must_use]
pub fn calm(tuning: &Tuning) -> Duration {
    (tuning.interval * 600).max(Duration::from_secs(12))
}

/// Simulates one outage of this length in a pool of this seed, at a random phase of the probes.
#[must_use]
pub fn trial(profile: Profile, seed: u64, length: Duration, reach: Reach) -> Trial {
    let settings = Settings { profile, lazy: true, ..Settings::new(seed, SERVERS) };
    let (mut world, order) = World::established(settings, Duration::from_secs(1));
    let tuning = profile.tuning();
    let mut rng = Rng::new(seed ^ 0x006f_7574_6167_6573);
    let (victim, buddy) = (order[0], order[1]);
    world.run_for(calm(&tuning) + rng.between(Duration::ZERO, tuning.interval));
    world.watch_routes(&Policy::default());
    let (suspected, removed) = outage(&mut world, victim, buddy, length, reach);
    let unrouted = world.taken_out(&world.hosts[victim].name) > 0;
    let back = removed && reach == Reach::Shared && world.run_until(BACK, World::settled);
    let again = back.then(|| {
        world.run_for(calm(&tuning) + rng.between(Duration::ZERO, tuning.interval));
        outage(&mut world, victim, buddy, length, reach).1
    });
    Trial { suspected, unrouted, removed, again }
}

/// Simulates one outage and its end. Returns whether the victim was suspected, and whether any server was removed.
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
        // Its last hop is gone, and with it the database: otherwise it could say that it lives.
        Reach::Shared => {
            let ends = [Fault::Return, Fault::FindDatabase];
            let faults = if cut { [Fault::Isolate, Fault::LoseDatabase] } else { ends };
            faults.into_iter().for_each(|fault| world.befall(victim, fault));
        }
    };
    set(world, true);
    world.run_for(length);
    set(world, false);
    world.run_for(AFTER);
    let told = |l: &super::Line| l.at >= from && l.event.kind() == EventKind::Suspect && l.event.subject == name;
    (world.log.iter().any(told), downs(world) > before)
}

/// The chance that one watch with a clean history suspects in an outage of this length. The silence must last from the
/// first lost probe until that probe's deadline and the deadline of the last probe of the burst are over. A reply to
/// any probe of the burst that leaves in the meantime ends it.
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
    /// The number of probes that were counted.
    pub probes: u64,
    /// The time that these probes took, in hours.
    pub hours: f64,
    /// The number of suspicions, all of them false.
    pub suspicions: u64,
    /// The number of suspicions expected from the thresholds at each first miss.
    pub expected: f64,
    /// The expected number of runs of misses that are long enough for a removal (R6) as well.
    pub removers: f64,
    /// The mean of the thresholds at first misses, and the least of them.
    pub needed: (f64, u32),
}

impl Chance {
    /// The expected number of suspicions in an hour.
    #[must_use]
    pub fn hourly(&self) -> f64 {
        self.expected / self.hours
    }

    /// The most removals of a server expected in a year, if its two watches are independent. A removal needs two runs
    /// at the same time: one long enough to suspect on one watch, and one of R6's misses on the other. They overlap if
    /// they begin within one removal's silence of each other.
    #[must_use]
    pub fn removals_a_year(&self) -> f64 {
        let window = 2.0 * law::REMOVAL_SILENCE.as_secs_f64() / 3600.0;
        2.0 * self.hourly() * (self.removers / self.hours) * window * 24.0 * 365.25
    }

    /// The two watches' results together.
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

/// Runs a watch for this many probes and loses this share of its round trips, each independently. Probes that come
/// before the watch's windows are full do not count.
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
        let change = detector.observe(Observer { now, factor: 1, open_until: now }, &reading, &tuning);
        if index < COLD {
            continue;
        }
        chance.suspicions += u64::from(matches!(change, Some(Change::Moved(_, State::Suspect))));
        if reading.consecutive == 1 {
            let needed = detector.needed(1);
            (firsts, sum) = (firsts + 1, sum + u64::from(needed));
            chance.needed.1 = chance.needed.1.min(needed);
            // The first miss is certain here. This is the chance of the other misses that are needed.
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

/// The limits between which the true share lies with 95 % confidence, for something that happened `times` out of `of`
/// times (Wilson, "Probable inference", JASA 1927).
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
